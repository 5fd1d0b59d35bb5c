//! A steady load, no load, and one transaction of 1 GiB → resident memory and idle CPU.
//!
//! Promises: each relay is a new process, so that its peak is that of what it was given here. Memory is
//! what the kernel counts as resident, the binary's pages included.

mod giant;
mod report;
mod steady;

use anyhow::Result;
use clap::Args;

use self::giant::Compression;
pub(crate) use self::report::Report;
use crate::{cli::Effort, stand::Stand};

#[derive(Debug, Clone, Args)]
#[group(id = "memory")]
pub(crate) struct Options {
    /// Seconds under 1,000 commits/s [default: 60; quick: 5].
    #[arg(long)]
    steady_seconds: Option<u64>,
    /// Seconds without any commit [default: 30; quick: 5].
    #[arg(long)]
    idle_seconds: Option<u64>,
    /// MiB of rows in the one large transaction; 0 leaves it out [default: 1024; quick: 50].
    #[arg(long)]
    transaction_mib: Option<u64>,
}

pub(crate) async fn run(stand: &Stand, options: &Options, effort: Effort) -> Result<Report> {
    let (steady, idle, mib) = if effort.is_quick { (5, 5, 50) } else { (60, 30, 1_024) };
    let steady = options.steady_seconds.unwrap_or(steady);
    let idle = options.idle_seconds.unwrap_or(idle);
    let bytes = options.transaction_mib.unwrap_or(mib) << 20;
    let steady = steady::run(stand, steady, idle).await?;
    let mut giants = Vec::new();
    if bytes > 0 {
        for compression in [Compression::Off, Compression::On] {
            giants.push(giant::run(stand, bytes, compression).await?);
        }
    }
    Ok(Report::new(steady, giants))
}
