//! Positions as other products write them, for a transaction that is on a live server.
//!
//! Where the bytes come from: `tests/fixtures/import` for Debezium and Eventuate, whose shapes are kept; Maxwell's
//! own table definition and statement. What is counted here is counted in the
//! server's `show binlog events`, not by the relay.

use anyhow::{Context, Result, ensure};
use mysql_async::{Row, prelude::Queryable};
use rdkafka::producer::{FutureProducer, FutureRecord};
use rowpost::position::{BinlogCoordinates, GtidSet};
use rowpost_tests::{KafkaBroker, Setup};
use serde_json::{Value, json};

use crate::{case::Case, stack::LONG};

/// The connector's name in the offsets file that Debezium wrote.
pub(crate) const CONNECTOR: &str = "outbox-connector";

const OFFSETS_FILE: &[u8] = include_bytes!("../../fixtures/import/inside-event.dat");

const EVENTUATE: &str = include_str!("../../fixtures/import/eventuate-offset.json");

/// An event, as the server shows it.
#[derive(Debug, Clone)]
struct Shown {
    kind: String,
    begin: u64,
    end: u64,
    info: String,
}

/// A transaction of statements that insert three rows each into the outbox table, and others.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) file: String,
    /// Where `BEGIN` begins, or the compressed transaction.
    pub(crate) begin: u64,
    pub(crate) is_compressed: bool,
    /// Of everything before it.
    pub(crate) gtids_before: String,
    /// From `BEGIN` on: whether three outbox rows are in the event, where it begins and where it ends.
    pub(crate) events: Vec<(bool, u64, u64)>,
}

const ROWS_OF_EVENT: usize = 3;

/// The case's transaction with so many rows, at `from` or behind it.
pub(crate) async fn transaction(case: &Case<'_>, from: &str, rows: usize) -> Result<Written> {
    let from: BinlogCoordinates = from.parse()?;
    let mut connection = case.mysql.connect().await?;
    let files: Vec<Row> = connection.query("show binary logs").await?;
    let files: Vec<String> = files.iter().filter_map(|row| row.get(0)).collect();
    for file in files.iter().skip_while(|file| **file != *from.file) {
        let shown: Vec<Row> = connection.query(format!("show binlog events in '{file}'")).await?;
        let events: Vec<Shown> = shown.iter().filter_map(read).collect();
        let behind = if **file == *from.file { from.position } else { 0 };
        let mut found = find(&events, file, &case.database, rows)?.into_iter();
        if let Some(written) = found.find(|written| written.begin >= behind) {
            return Ok(written);
        }
    }
    anyhow::bail!("no transaction with {rows} rows of {} from {from} on", case.database)
}

fn read(row: &Row) -> Option<Shown> {
    Some(Shown {
        begin: row.get(1)?,
        kind: row.get::<String, _>(2)?,
        end: row.get(4)?,
        info: row.get::<Option<String>, _>(5)?.unwrap_or_default(),
    })
}

fn find(events: &[Shown], file: &str, database: &str, rows: usize) -> Result<Vec<Written>> {
    let mut found = Vec::new();
    let mut before = GtidSet::default();
    let mut gtid = None;
    let mut begin = None;
    for (index, event) in events.iter().enumerate() {
        match (event.kind.as_str(), event.info.as_str()) {
            ("Previous_gtids", set) => before.union(&set.parse()?),
            ("Gtid", info) => gtid = info.split('\'').nth(1).map(str::to_owned),
            ("Query", "BEGIN") => begin = Some(index),
            ("Xid", _) => {
                let first = begin.context("no begin")?;
                let counted = count(&events[first..=index], database);
                let events_of_outbox = counted.iter().filter(|(is_outbox, ..)| *is_outbox).count();
                if events_of_outbox * ROWS_OF_EVENT == rows {
                    let is_compressed = events[first - 1].kind == "Transaction_payload";
                    let head = &events[if is_compressed { first - 1 } else { first }];
                    found.push(Written {
                        file: file.to_owned(),
                        begin: head.begin,
                        is_compressed,
                        gtids_before: before.to_string(),
                        events: counted,
                    });
                }
                if let Some(gtid) = gtid.take() {
                    before.union(&gtid.parse()?);
                }
            }
            // DDL ends by itself.
            ("Query", _) if begin.is_none_or(|begin| events[begin..index].iter().any(is_xid)) => {
                if let Some(gtid) = gtid.take() {
                    before.union(&gtid.parse()?);
                }
            }
            (_, _) => {}
        }
    }
    Ok(found)
}

fn is_xid(event: &Shown) -> bool {
    event.kind == "Xid"
}

fn count(events: &[Shown], database: &str) -> Vec<(bool, u64, u64)> {
    let outbox = format!("({database}.outbox)");
    let mut is_outbox = false;
    let count = |event: &Shown| {
        if event.kind == "Table_map" {
            is_outbox = event.info.contains(&outbox);
        }
        (is_outbox && event.kind.starts_with("Write_rows"), event.begin, event.end)
    };
    events.iter().map(count).collect()
}

impl Written {
    /// The rows event with the `out`th row, and how many of its rows are out with it.
    fn at(&self, out: usize) -> (usize, usize) {
        let of_outbox = self.events.iter().enumerate().filter(|(_, (is_outbox, ..))| *is_outbox);
        let index = of_outbox.map(|(index, _)| index).nth((out - 1) / ROWS_OF_EVENT);
        (index.expect("so many rows there are"), (out - 1) % ROWS_OF_EVENT + 1)
    }
}

/// Key and value of the offset of a connector that has published the transaction's first `out` rows.
pub(crate) fn debezium_at(
    written: &Written,
    out: usize,
    with_gtids: bool,
    connector: &str,
) -> (String, String) {
    let key = json!([connector, { "server": "shop" }]).to_string();
    let mut value = json!({
        "ts_sec": 1_795_420_142, "file": written.file, "pos": written.begin, "server_id": 1234,
    });
    if with_gtids {
        value["gtids"] = Value::from(match written.gtids_before.as_str() {
            // Of a server that gives none: where the set stood still.
            "" => "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-5",
            set => set,
        });
    }
    // Before the first row there is only the BEGIN, of which it takes a note in the next record.
    let (event, row) = if out == 0 { (1, 0) } else { written.at(out) };
    value["event"] = event.into();
    if row > 0 {
        value["row"] = row.into();
    }
    (key, value.to_string())
}

/// The offsets file that Debezium wrote, with another value in it.
pub(crate) fn offsets_file((key, value): &(String, String)) -> Result<Vec<u8>> {
    let text = String::from_utf8_lossy(OFFSETS_FILE);
    ensure!(text.contains(key.as_str()), "the key is the one that was written: {key}");
    let begin = OFFSETS_FILE.windows(2).rposition(|bytes| bytes == b"{\"").context("no value")?;
    let length = u32::try_from(value.len())?.to_be_bytes();
    Ok([&OFFSETS_FILE[..begin - 4], &length, value.as_bytes(), b"x"].concat())
}

/// Eventuate CDC's BinlogFileOffset as its JSON mapper writes it: where the last rows event begins that is out.
pub(crate) fn eventuate_at(written: &Written, out: usize, reader: &str) -> (String, String) {
    let (event, _) = written.at(out);
    let mut value: Value = serde_json::from_str(EVENTUATE).expect("a value as it was written");
    value["binlogFilename"] = written.file.as_str().into();
    value["offset"] = written.events[event].1.into();
    (reader.to_owned(), value.to_string())
}

/// Maxwell's `positions`, as its migrations leave it.
const MAXWELL_POSITIONS: &str = "create table if not exists positions (\
    server_id int unsigned not null, binlog_file varchar(255), binlog_position int unsigned, \
    gtid_set varchar(4096), client_id varchar(255) charset latin1 not null default 'maxwell', \
    heartbeat_at bigint null default null, last_heartbeat_read bigint null default null, \
    primary key (server_id, client_id))";

/// Stores the position of a client that has published so many rows, as Maxwell does: behind the rows event,
/// before the commit, with the GTIDs that were whole by then.
pub(crate) async fn maxwell_at(
    case: &Case<'_>,
    written: &Written,
    schema: &str,
    client: String,
    out: usize,
) -> Result<()> {
    let (event, _) = written.at(out);
    let position = written.events[event].2;
    let by_gtids = case.mysql.setup() == Setup::Current;
    let gtid_set = if by_gtids { format!("'{}'", written.gtids_before) } else { "null".to_owned() };
    let server_id = if by_gtids { "0" } else { "@@global.server_id" };
    let (file, mut connection) = (&written.file, case.mysql.connect().await?);
    connection.query_drop(format!("create database if not exists `{schema}`")).await?;
    connection.query_drop(format!("use `{schema}`")).await?;
    connection.query_drop(MAXWELL_POSITIONS).await?;
    connection
        .query_drop(format!(
            "insert into positions set server_id = {server_id}, gtid_set = {gtid_set}, binlog_file = \
             '{file}', binlog_position = {position}, last_heartbeat_read = 1795420142000, client_id = \
             '{client}'"
        ))
        .await?;
    Ok(())
}

/// Sends a record and waits until it is there.
pub(crate) async fn store(
    kafka: &KafkaBroker,
    topic: &str,
    (key, value): &(String, String),
) -> Result<()> {
    let producer: FutureProducer = kafka.client().create()?;
    let record = FutureRecord::to(topic).key(key).payload(value);
    producer.send(record, LONG).await.map_err(|(error, _)| error)?;
    Ok(())
}
