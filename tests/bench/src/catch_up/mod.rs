//! A backlog in the binlog → how fast it is drained, in turns with what librdkafka alone reaches.
//!
//! Promises:
//! - every publisher drains the same backlog into an empty topic of its own, in rounds, so that what
//!   changes on the machine meanwhile hits all of them;
//! - records per second are those between the broker's first and last append: no process start, no
//!   polling and no consumer is in it;
//! - after each drain the whole topic is read under `read_committed` and held against the ledger.
//!
//! Not promised: that the servers cost nothing. MySQL, the broker and the relay share the machine, so
//! the rates are relative; the ratios are what can be carried to another one.

mod backlog;
mod drain;
mod report;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

pub(crate) use self::report::Report;
use self::{backlog::Backlog, drain::Publisher};
use crate::{cli::Effort, stand::Stand};

#[derive(Debug, Clone, Args)]
#[group(id = "catch_up")]
pub(crate) struct Options {
    /// Outbox rows of the backlog [default: 300000; quick: 20000].
    #[arg(long)]
    rows: Option<u64>,
    /// Rows of one MySQL transaction.
    #[arg(long, default_value_t = Shape::OF_GOALS.rows_per_transaction)]
    per_transaction: u32,
    /// Bytes of a row's payload.
    #[arg(long, default_value_t = Shape::OF_GOALS.payload_bytes)]
    payload_bytes: usize,
    /// Who drains; fewer for a profile or a quick look.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Publisher::ALL)]
    publishers: Vec<Publisher>,
}

/// What the backlog looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
struct Shape {
    rows: u64,
    rows_per_transaction: u32,
    payload_bytes: usize,
}

impl Shape {
    /// The one that the goals are set for.
    const OF_GOALS: Self = Self { rows: 300_000, rows_per_transaction: 10, payload_bytes: 300 };
}

pub(crate) async fn run(stand: &Stand, options: &Options, effort: Effort) -> Result<Report> {
    let rows = if effort.is_quick { 20_000 } else { Shape::OF_GOALS.rows };
    let shape = Shape {
        rows: options.rows.unwrap_or(rows),
        rows_per_transaction: options.per_transaction,
        payload_bytes: options.payload_bytes,
    };
    let backlog = Backlog::fill(stand, shape).await?;
    let mut publishers = options.publishers.clone();
    // Not counted: the broker's JVM compiles its hot paths in the first seconds.
    for publisher in &publishers {
        drain::run(stand, &backlog, *publisher, 0).await?;
    }
    let mut drains = Vec::new();
    for round in 1..=effort.rounds() {
        for publisher in &publishers {
            drains.push(drain::run(stand, &backlog, *publisher, round).await?);
        }
        // Nobody always comes first.
        let turn = usize::from(publishers.len() > 1);
        publishers.rotate_left(turn);
    }
    stand.drop_database(&backlog.database).await?;
    Ok(Report::new(shape, drains))
}
