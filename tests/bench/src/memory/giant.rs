//! One transaction larger than the relay's memory.

use std::time::Instant;

use anyhow::{Context, Result};
use mysql_async::{Conn, prelude::Queryable};
use rowpost_tests::{
    Ledger, Random,
    ledger::{EventId, Outcome},
    outbox,
};
use serde::Serialize;

use crate::{
    delivery::Delivery,
    progress::Step,
    stand::{self, AGGREGATE_TYPE, Stand},
};

const KEYS: u32 = 10_000;
/// The same rows in every run.
const SEED: u64 = 3;
const PAYLOAD_BYTES: usize = 1_000;
/// Of one insert; below the server's `max_allowed_packet`.
const STATEMENT_BYTES: usize = 1 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Compression {
    Off,
    /// `binlog_transaction_compression`: the whole transaction is one event of the binlog.
    On,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Giant {
    pub(super) compression: Compression,
    pub(super) rows: u64,
    /// Of the inserted values, about what the row images come to.
    pub(super) row_bytes: u64,
    pub(super) resident_bytes_peak: u64,
    /// From the writer's commit to the relay's last one.
    pub(super) seconds: f64,
}

pub(super) async fn run(stand: &Stand, bytes: u64, compression: Compression) -> Result<Giant> {
    let database = stand.database("giant").await?;
    let target = stand.target("giant").await?;
    let relay = stand.ready_relay(&database, &target, Delivery::ExactlyOnce).await?;

    let mut writer = Writer::connect(stand, &database, compression).await?;
    writer.write(bytes).await?;
    let committed_at = Instant::now();
    let ledger = writer.ledger;
    let rows = ledger.committed();
    let what = format!("publishing one transaction, {}", compression.name());
    let step = Step::new(what, rows, "records");
    stand::acknowledged(&relay, rows, &step).await?;
    let seconds = committed_at.elapsed().as_secs_f64();
    drop(step);
    let resident = relay.resident_bytes()?;

    stand::stop(relay).await?;
    stand.prove(&target, &ledger).await?;
    stand.delete(&target).await?;
    stand.drop_database(&database).await?;
    let row_bytes = writer.row_bytes;
    Ok(Giant { compression, rows, row_bytes, resident_bytes_peak: resident.peak, seconds })
}

impl Compression {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Off => "not compressed",
            Self::On => "compressed by the server",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
        }
    }
}

/// Inserts in pieces, commits once.
struct Writer {
    connection: Conn,
    database: String,
    ledger: Ledger,
    row_bytes: u64,
}

impl Writer {
    async fn connect(stand: &Stand, database: &str, compression: Compression) -> Result<Self> {
        let mut connection = stand.mysql.connect().await?;
        // The texts of the inserts would stand in the binlog too and double the transaction.
        connection.query_drop("set session binlog_rows_query_log_events = off").await?;
        let variable = compression.variable();
        let compress = format!("set session binlog_transaction_compression = {variable}");
        connection.query_drop(compress).await?;
        let ledger = Ledger::new(Random::new(SEED).below(EventId::RUNS));
        Ok(Self { connection, database: database.to_owned(), ledger, row_bytes: 0 })
    }

    async fn write(&mut self, bytes: u64) -> Result<()> {
        let step = Step::new("writing one transaction", bytes >> 20, "MiB");
        self.connection.query_drop("begin").await?;
        let mut keys = (0..KEYS).cycle();
        while self.row_bytes < bytes {
            let left = usize::try_from(bytes - self.row_bytes).unwrap_or(usize::MAX);
            let statement = self.insert(&mut keys, left.min(STATEMENT_BYTES));
            self.connection.query_drop(statement).await.context("cannot insert")?;
            step.reach(self.row_bytes >> 20);
        }
        self.connection.query_drop("commit").await.context("cannot commit")
    }

    /// One statement of about so many bytes, noted in the ledger: either all is committed or nothing
    /// of this is used.
    fn insert(&mut self, keys: &mut impl Iterator<Item = u32>, bytes: usize) -> String {
        let mut statement = format!(
            "insert into `{}`.outbox (id, aggregatetype, aggregateid, type, payload) values ",
            self.database
        );
        let head = statement.len();
        for key in keys {
            if statement.len() > head {
                statement.push(',');
            }
            let event: EventId = self.ledger.record(key, Outcome::Committed);
            statement.push_str(&outbox::row(event, AGGREGATE_TYPE, PAYLOAD_BYTES).values);
            if statement.len() - head >= bytes {
                break;
            }
        }
        self.row_bytes += (statement.len() - head) as u64;
        statement
    }
}
