//! A compressed transaction larger than memory: one event of the binlog, of which the relay must not
//! hold more than a part, packed or unpacked.

use std::fmt::Write;

use anyhow::Result;
use mysql_async::prelude::Queryable;
use rowpost_tests::{
    Ledger, MysqlServer, Random, Relay, Setup, eventually,
    ledger::{EventId, Outcome},
    needs, outbox,
};
use serde_json::Value;

use crate::stack::{LONG, Stack, records_committed};

const MIB: u64 = 1 << 20;
const RESIDENT_BYTES_MAX: u64 = 128 * MIB;

const BYTES: usize = 200 << 20;
const KEYS: u32 = 16;
/// One insert, below the largest packet.
const ROWS_PER_STATEMENT: usize = 400;

/// `('id','type','key','event','{…}')` with a payload of some 12 kB. Two thirds of it are digits that
/// pack to a half: what is packed is larger than memory may be, too.
fn values(ledger: &mut Ledger, random: &mut Random, key: u32, database: &str) -> Result<String> {
    let event = ledger.record(key, Outcome::Committed);
    let mut digits = String::with_capacity(8_000);
    while digits.len() < 8_000 {
        write!(digits, "{:016x}", random.draw())?;
    }
    let mut payload: Value = serde_json::from_str(&outbox::payload(event, 4_000))?;
    payload["digits"] = digits.into();
    let (id, aggregate_id) = (event.to_uuid(), event.aggregate_id());
    Ok(format!("('{id}','{database}','{aggregate_id}','Written','{payload}')"))
}

async fn write_one_transaction(mysql: &MysqlServer, database: &str) -> Result<Ledger> {
    let mut random = Random::from_environment();
    let mut ledger = Ledger::new(random.below(EventId::RUNS));
    let mut connection = mysql.connect().await?;
    connection
        .query_drop(format!("set binlog_transaction_compression = on; use `{database}`; begin"))
        .await?;
    let (mut bytes, mut key) = (0, 0);
    while bytes < BYTES {
        let mut statement =
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) values ".to_owned();
        for row in 0..ROWS_PER_STATEMENT {
            key = (key + 1) % KEYS;
            statement.push_str(if row > 0 { "," } else { "" });
            statement.push_str(&values(&mut ledger, &mut random, key, database)?);
        }
        bytes += statement.len();
        connection.query_drop(statement).await?;
    }
    connection.query_drop("commit").await?;
    connection.disconnect().await?;
    Ok(ledger)
}

#[tokio::test(flavor = "multi_thread")]
async fn compressed_giant_transaction_streams_through_bounded_memory() -> Result<()> {
    needs!(Setup::Current.tier());
    let arguments = ["--max-allowed-packet=64M"];
    let stack = Stack::start_with(Setup::Current, "giant_compressed", &arguments).await?;
    let mut relay = Relay::start(stack.config()?).await?;
    relay.wait_ready(LONG).await;

    let ledger = write_one_transaction(&stack.mysql, &stack.database).await?;
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
    reader.complete_within(2 * LONG, &ledger).await?;
    let second_life = relay.resident_bytes()?.peak;

    assert!(published_before_the_kill < ledger.committed(), "the kill must hit its middle");
    let packed = binlog_bytes(&stack.mysql).await?;
    assert!(packed < BYTES as u64 * 5 / 6, "{packed} bytes in the binlog: they are not compressed");
    assert!(packed > BYTES as u64 / 4, "{packed} bytes in the binlog: too few to fill the memory");
    let peak = first_life.max(second_life);
    eprintln!("{} MiB packed, peak resident memory {} MiB", packed / MIB, peak / MIB);
    assert!(peak <= RESIDENT_BYTES_MAX, "{} MiB resident", peak / MIB);
    Ok(())
}

/// Of all the server's files.
async fn binlog_bytes(mysql: &MysqlServer) -> Result<u64> {
    let mut connection = mysql.connect().await?;
    let files: Vec<mysql_async::Row> = connection.query("show binary logs").await?;
    connection.disconnect().await?;
    Ok(files.iter().filter_map(|file| file.get::<u64, _>("File_size")).sum())
}
