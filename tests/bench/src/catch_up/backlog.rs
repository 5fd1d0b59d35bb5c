//! Committed outbox rows that no relay has read yet.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{Ledger, Random, WriterOptions, Writers};

use super::Shape;
use crate::{
    ceiling,
    progress::Step,
    stand::{AGGREGATE_TYPE, Stand},
};

const WRITERS: u32 = 8;
/// The same rows in every run.
const SEED: u64 = 1;
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub(super) struct Backlog {
    pub(super) database: String,
    /// Where a relay must start to read all of it and nothing else.
    pub(super) start: String,
    pub(super) ledger: Ledger,
    pub(super) shape: Shape,
}

impl Backlog {
    pub(super) async fn fill(stand: &Stand, shape: Shape) -> Result<Self> {
        let Shape { rows, rows_per_transaction, payload_bytes } = shape;
        let database = stand.database("catch_up").await?;
        let start = stand.position().await?;
        let options = WriterOptions {
            writers: WRITERS,
            keys: ceiling::KEYS,
            rows_per_transaction,
            rollback_share: 0.0,
            payload_bytes,
            rows_max: Some(rows),
            ..WriterOptions::new(&database, AGGREGATE_TYPE)
        };
        let what = format!("filling the binlog, {rows_per_transaction} rows per transaction");
        let step = Step::new(what, rows, "rows");
        let writers = Writers::start(&stand.mysql, &options, &mut Random::new(SEED))?;
        let committed = writers.counter();
        let watch = async {
            loop {
                step.reach(committed());
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let ledger = tokio::select! {
            ledger = writers.finish() => ledger?,
            () = watch => unreachable!("it watches for ever"),
        };
        Ok(Self { database, start, ledger, shape })
    }

    pub(super) fn rows(&self) -> u64 {
        self.ledger.committed()
    }
}
