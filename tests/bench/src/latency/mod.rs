//! COMMIT returned to the writer → the record in the hands of a `read_committed` consumer.
//!
//! Promises:
//! - both moments are taken in this process by one monotonic clock;
//! - writers keep a schedule: one that is late commits at once, the load does not give way to a slow
//!   relay; where the schedule was not kept, the table says so;
//! - broker and relay are warm before the first measured commit, and every row arrived once and in order.
//!
//! Not promised: that a latency is positive. A relay can be faster than the server's answer to the
//! writer.

mod arrivals;
mod report;
mod trial;

use std::ops::RangeInclusive;

use anyhow::Result;
use clap::Args;

pub(crate) use self::{
    report::Report,
    trial::{Load, load_until, start_writers},
};
use crate::{cli::Effort, delivery::Delivery, stand::Stand};

#[derive(Debug, Clone, Args)]
#[group(id = "latency")]
pub(crate) struct Options {
    /// Commits a second, one row each.
    #[arg(long, value_delimiter = ',', default_value = "50,1000")]
    rates: Vec<u32>,
    /// Measured time of each trial [default: 20; quick: 5].
    #[arg(long)]
    seconds: Option<u64>,
    /// Load before that, not measured [default: 8; quick: 2].
    #[arg(long)]
    warm_up_seconds: Option<u64>,
}

pub(crate) async fn run(stand: &Stand, options: &Options, effort: Effort) -> Result<Report> {
    let (seconds, warm_up_seconds) = if effort.is_quick { (5, 2) } else { (20, 8) };
    let load = |delivery, commits_per_second| Load {
        delivery,
        commits_per_second,
        seconds: options.seconds.unwrap_or(seconds),
        warm_up_seconds: options.warm_up_seconds.unwrap_or(warm_up_seconds),
    };
    if let Some(fastest) = options.rates.iter().max() {
        let windows = if effort.is_quick { 1..=1 } else { 3..=10 };
        warm_up(stand, load(Delivery::ExactlyOnce, *fastest), windows).await?;
    }
    let mut trials = Vec::new();
    for round in 1..=effort.rounds() {
        for commits_per_second in &options.rates {
            for delivery in Delivery::ALL {
                trials.push(trial::run(stand, load(delivery, *commits_per_second), round).await?);
            }
        }
    }
    Ok(Report::new(trials))
}

/// The broker counts as warm once a window costs it hardly less CPU than the one before.
const COOLED_BY: f64 = 0.95;

/// Load that is not counted. The broker's JVM compiles its hot paths for minutes, on the cores that
/// are measured; a broker in production is past that.
async fn warm_up(stand: &Stand, load: Load, windows: RangeInclusive<u32>) -> Result<()> {
    let mut before = f64::INFINITY;
    for window in 1..=*windows.end() {
        let cpu_percent = trial::run(stand, load, 0).await?.broker_cpu_percent;
        // Somebody else's broker is as warm as it is.
        let Some(cpu_percent) = cpu_percent else { break };
        if window >= *windows.start() && cpu_percent > before * COOLED_BY {
            break;
        }
        before = cpu_percent;
    }
    Ok(())
}
