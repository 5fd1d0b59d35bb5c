//! Records made of a table's rows against records made of the binlog's: byte for byte the same.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context, Result, ensure};
use prometheus_client::registry::Registry;
use rowpost::{
    config::{Config, StartPolicy},
    metrics::Metrics,
    position::Position,
    record::OutboxRecord,
    source::{
        self, Reading,
        mysql::{ConnectOptions, Connection},
        server::ServerFacts,
        start,
    },
};
use rowpost_tests::{
    mysql_server::{MysqlServer, Setup},
    needs,
    seed::Random,
};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    column_types::{self, ColumnType},
    round_trip::{self, ROWS},
};

const DATABASE: &str = "conformance_start";
const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn every_type_makes_the_same_record_from_its_table_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    records_are_the_same(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_makes_the_same_record_from_its_table_on_5_7() -> Result<()> {
    needs!(Setup::Reference.tier());
    records_are_the_same(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_makes_the_same_record_from_its_table_on_8_0() -> Result<()> {
    needs!(Setup::Mysql80.tier());
    records_are_the_same(Setup::Mysql80).await
}

async fn records_are_the_same(setup: Setup) -> Result<()> {
    let mut random = Random::from_environment();
    let server = MysqlServer::shared(setup).await?;
    let mut types = column_types::all(setup);
    // What the text of a SELECT does not tell: a width for display, of which the binlog does not know.
    for sql in ["float(9,3)", "double(12,2)", "decimal(12,3) zerofill", "int(9) zerofill"] {
        types.push(ColumnType {
            sql: sql.to_owned(),
            draw: Box::new(|random| random.below(100_000).to_string() + ".125"),
        });
    }
    // SERVER: 5.7 prints doubles without fraction inside JSON as integers.
    types.retain(|own| own.sql != "json" || setup != Setup::Reference);
    let config = config(server, &types)?;
    let mut connection = server.connect().await?;
    round_trip::create_table(&mut connection, DATABASE, &types, "full").await?;
    let from_binlog = position(&config, StartPolicy::Latest).await?;
    round_trip::insert(&mut connection, &types, &mut random).await?;
    let from_table = position(&config, StartPolicy::Table).await?;
    connection.disconnect().await?;

    let binlog = read(&config, from_binlog).await?;
    let table = read(&config, from_table).await?;

    ensure!(binlog.len() == ROWS as usize && table.len() == binlog.len());
    for (id, expected) in &binlog {
        let record = &table[id];
        for (own, expected) in record.headers.iter().zip(&expected.headers) {
            let column = own.name.strip_prefix('c').and_then(|index| index.parse::<usize>().ok());
            let sql = column.map_or("id", |index| types[index].sql.as_str());
            ensure!(own == expected, "{sql}: {own:?} from the table, {expected:?} from the binlog");
        }
        let expected = OutboxRecord { timestamp_ms: record.timestamp_ms, ..expected.clone() };
        ensure!(*record == expected, "{record:?} from the table, {expected:?} from the binlog");
    }
    Ok(())
}

/// Each column is a header.
fn config(server: &MysqlServer, types: &[ColumnType]) -> Result<Config> {
    let column = |index| json!({ "column": format!("c{index}"), "placement": "header" });
    let headers: Vec<_> = (0..types.len()).map(column).collect();
    Ok(serde_json::from_value(json!({
        "source": DATABASE,
        "mysql": { "url": server.url() },
        "kafka": { "bootstrap_servers": "unused:1" },
        "outbox": [{
            "table": format!("{DATABASE}.{}", round_trip::TABLE),
            "key": "id", "payload": "c0", "topic": "t", "additional": headers,
        }],
    }))?)
}

async fn position(config: &Config, policy: StartPolicy) -> Result<Position> {
    let mut connection = Connection::open(&ConnectOptions::new(&config.mysql)).await?;
    let server = ServerFacts::query(&mut connection).await?;
    // Nobody writes: the end of the binlog is settled.
    Ok(start::resolve(None, &policy, &server)?)
}

/// The records of all rows, by their ids.
async fn read(config: &Config, start: Position) -> Result<BTreeMap<Vec<u8>, OutboxRecord>> {
    let (chunks, mut received) = mpsc::channel(1_000);
    let stop = CancellationToken::new();
    let metrics = Metrics::register(&mut Registry::default());
    let in_flight = Arc::new(Semaphore::new(64 << 20));
    let reading = Reading::follow(start, chunks, in_flight, metrics, stop.clone());
    let running = tokio::spawn(source::run(config.clone(), reading));
    let mut records = BTreeMap::new();
    while records.len() < ROWS as usize {
        let chunk = tokio::time::timeout(DEADLINE, received.recv()).await?;
        let chunk = chunk.context("the source has ended; its error is in the task")?;
        let keyed = |record: OutboxRecord| (record.key.clone().unwrap_or_default(), record);
        records.extend(chunk.records.into_iter().map(keyed));
    }
    stop.cancel();
    running.await??;
    Ok(records)
}
