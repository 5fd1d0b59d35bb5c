//! A transaction larger than memory.

use std::time::Duration;

use anyhow::Result;
use mysql_async::prelude::Queryable;
use rowpost_tests::{
    Ledger, MysqlServer, Random, Relay, Setup, eventually,
    ledger::{EventId, Outcome},
    needs, outbox,
};

use crate::stack::{LONG, Stack, records_committed};

/// For a gigabyte through a relay that was built without optimisation, on two busy cores.
const PATIENCE: Duration = Duration::from_secs(900);

const MIB: u64 = 1 << 20;
const RESIDENT_BYTES_MAX: u64 = 128 * MIB;

const KEYS: u32 = 16;
const ROW_BYTES: usize = 4_000;
/// One insert; below the 4 MiB that are MySQL 5.7's default for max_allowed_packet.
const ROWS_PER_STATEMENT: usize = 900;

/// Commits one transaction of so many rows.
pub(crate) async fn write_one_transaction(
    mysql: &MysqlServer,
    database: &str,
    mut rows: usize,
    row_bytes: usize,
) -> Result<Ledger> {
    let mut ledger = Ledger::new(Random::from_environment().below(EventId::RUNS));
    let mut connection = mysql.connect().await?;
    connection.query_drop(format!("use `{database}`; begin")).await?;
    let mut key = 0;
    while rows > 0 {
        let count = rows.min(ROWS_PER_STATEMENT);
        let values: Vec<String> = (0..count)
            .map(|_| {
                key = (key + 1) % KEYS;
                let event = ledger.record(key, Outcome::Committed);
                outbox::row(event, database, row_bytes).values
            })
            .collect();
        let statement = format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) values {}",
            values.join(",")
        );
        connection.query_drop(statement).await?;
        rows -= count;
    }
    connection.query_drop("commit").await?;
    connection.disconnect().await?;
    Ok(ledger)
}

/// A gigabyte goes through in 128 MB, and a kill in its middle repeats and loses nothing.
async fn giant_transaction_streams_through_bounded_memory(setup: Setup) -> Result<()> {
    let stack = Stack::start(setup, "giant").await?;
    let mut relay = Relay::start(stack.config()?).await?;
    relay.wait_ready(LONG).await;

    let rows = (1 << 30) / ROW_BYTES;
    let ledger = write_one_transaction(&stack.mysql, &stack.database, rows, ROW_BYTES).await?;
    let reader = stack.reader(ledger.run())?;
    let mut published_before_the_kill = 0;
    eventually("its first part is out", LONG, async || {
        published_before_the_kill = records_committed(&relay).await?;
        Ok::<_, anyhow::Error>(published_before_the_kill > 0)
    })
    .await;
    let first_life = relay.resident_bytes()?.peak;
    relay.kill9()?;
    relay.start_again()?;
    reader.complete_within(PATIENCE, &ledger).await?;
    let second_life = relay.resident_bytes()?.peak;

    assert!(
        published_before_the_kill < ledger.committed(),
        "the kill must hit the transaction in its middle"
    );
    let peak = first_life.max(second_life);
    eprintln!("peak resident memory {} MiB", peak / MIB);
    assert!(peak <= RESIDENT_BYTES_MAX, "{} MiB resident", peak / MIB);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn giant_transaction_streams_through_bounded_memory_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    giant_transaction_streams_through_bounded_memory(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn giant_transaction_streams_through_bounded_memory_from_the_reference_server() -> Result<()>
{
    needs!(Setup::Reference.tier());
    giant_transaction_streams_through_bounded_memory(Setup::Reference).await
}
