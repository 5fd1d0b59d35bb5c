//! The same binlog read by `mysql_cdc`, whose authors have not seen our code.
//!
//! Only what it reads rightly takes part: no TIME below zero, no binary strings, no YEAR 0000, no
//! VECTOR. It has no signs and milliseconds at most, so that is how far the two are compared. Other
//! tests write what it cannot read to the same server: its errors count between a table map of this
//! test and the rows behind it.

use anyhow::{Context, Result, bail, ensure};
use mysql_async::prelude::Queryable;
use mysql_cdc::{
    binlog_client::BinlogClient,
    binlog_options::BinlogOptions,
    errors::Error,
    events::{binlog_event::BinlogEvent, row_events::mysql_value::MySqlValue},
    replica_options::ReplicaOptions,
};
use rowpost::source::row::{JsonStyle, Time, Value};
use rowpost_tests::{
    mysql_server::{MysqlServer, Setup},
    needs,
    seed::Random,
};

use crate::{
    binlog::{self, Place},
    json_literal, literal,
};

const DATABASE: &str = "conformance_second";
const TABLE: &str = "both_read";
const ROWS: usize = 200;
/// Its name and its password.
const ACCOUNT: &str = "second_reader";

type Row = Vec<Option<MySqlValue>>;

/// A column's type and how its literals are drawn.
type Column = (&'static str, fn(&mut Random) -> String);

#[tokio::test(flavor = "multi_thread")]
async fn second_reader_reads_the_same_values_on_mysql_9() -> Result<()> {
    needs!(Setup::Current.tier());
    compare_readers(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn second_reader_reads_the_same_values_on_5_7() -> Result<()> {
    needs!(Setup::Reference.tier());
    compare_readers(Setup::Reference).await
}

fn columns() -> Vec<Column> {
    vec![
        ("bigint unsigned primary key auto_increment", |_| "null".to_owned()),
        ("tinyint", |random| literal::integer(random, true, 8)),
        ("smallint unsigned", |random| literal::integer(random, false, 16)),
        ("mediumint", |random| literal::integer(random, true, 24)),
        ("int", |random| literal::integer(random, true, 32)),
        ("bigint", |random| literal::integer(random, true, 64)),
        ("float", literal::float),
        ("double", literal::double),
        ("decimal(10,2)", |random| literal::decimal(random, 10, 2)),
        ("decimal(65,30)", |random| literal::decimal(random, 65, 30)),
        ("varchar(40)", |random| literal::text(random, "aZ é€日😀'", 40)),
        ("varchar(200)", |random| literal::text(random, "aZ é€日😀'", 200)),
        ("char(20)", |random| literal::text(random, "aZé€日", 20)),
        ("text", |random| literal::text(random, "aZ é€日😀'", 300)),
        ("blob", |random| literal::bytes(random, 300)),
        ("enum('a','b','c')", |random| (1 + random.below(3)).to_string()),
        ("set('x','y','z','v','w','u','t','s','r','q')", |random| random.below(1024).to_string()),
        ("bit(12)", |random| random.below(4096).to_string()),
        ("year", |random| (1901 + random.below(255)).to_string()),
        ("date", |random| format!("'{}'", literal::date(random))),
        ("time(3)", |random| format!("'{}'", literal::time(random).replace('-', ""))),
        ("datetime", |random| format!("'{}'", literal::datetime(random))),
        ("datetime(3)", |random| format!("'{}'", literal::datetime(random))),
        ("datetime(6)", |random| format!("'{}'", literal::datetime(random))),
        ("timestamp(3) null", |random| format!("'{}'", literal::timestamp(random))),
        ("json", json_literal::document),
    ]
}

async fn compare_readers(setup: Setup) -> Result<()> {
    let server = MysqlServer::shared(setup).await?;
    let (start, descriptions) = write_rows(server).await?;
    let port = server.port()?;
    create_account(server).await?;
    let theirs = {
        let place = (start.file.clone(), u32::try_from(start.position)?);
        tokio::task::spawn_blocking(move || read_rows(port, place)).await??
    };

    let mut place = 0;
    for event in binlog::read(server, &start, DATABASE, TABLE).await? {
        event.for_each_image(&event.table(Some(&descriptions))?, |_, _, values| {
            let row = theirs.get(place).context("the second reader has fewer rows")?;
            place += 1;
            for (index, (ours, theirs)) in values.iter().zip(row).enumerate() {
                let (column, _) = columns()[index];
                ensure!(agree(ours, theirs)?, "{column}: {ours:?} here, {theirs:?} there");
            }
            Ok(())
        })?;
    }
    ensure!(place == theirs.len() && place == ROWS, "{place} rows here, {} there", theirs.len());
    Ok(())
}

/// `mysql_cdc` does not log in without a password.
async fn create_account(server: &MysqlServer) -> Result<()> {
    let account = format!("'{ACCOUNT}'@'%'");
    server.exec(format!("create user if not exists {account} identified by '{ACCOUNT}'")).await?;
    server.exec(format!("grant replication slave, replication client on *.* to {account}")).await
}

async fn write_rows(
    server: &MysqlServer,
) -> Result<(Place, Vec<rowpost::source::table_map::ColumnDescription>)> {
    let mut random = Random::from_environment();
    let definitions: Vec<String> =
        columns().iter().enumerate().map(|(index, (sql, _))| format!("c{index} {sql}")).collect();
    let mut connection = server.connect().await?;
    for sql in [
        format!("create database if not exists {DATABASE}"),
        format!("use {DATABASE}"),
        "set names utf8mb4, time_zone = '+00:00', sql_mode = 'allow_invalid_dates'".to_owned(),
        format!("drop table if exists {TABLE}"),
        format!("create table {TABLE} ({}) character set utf8mb4", definitions.join(", ")),
    ] {
        connection.query_drop(&sql).await.context(sql)?;
    }
    let start = binlog::end(&mut connection, server.setup()).await?;
    for _ in 0..ROWS {
        let values: Vec<String> = columns()
            .iter()
            .map(|(_, draw)| if random.chance(0.1) { "null".to_owned() } else { draw(&mut random) })
            .collect();
        let sql = format!("insert into {TABLE} values ({})", values.join(", "));
        connection.query_drop(sql).await?;
    }
    let descriptions = binlog::describe(&mut connection, DATABASE, TABLE).await?;
    connection.disconnect().await?;
    Ok((start, descriptions))
}

/// The inserted rows as `mysql_cdc` reads them.
fn read_rows(port: u16, (file, position): (String, u32)) -> Result<Vec<Row>> {
    let mut client = BinlogClient::new(ReplicaOptions {
        port,
        hostname: "127.0.0.1".to_owned(),
        username: ACCOUNT.to_owned(),
        password: ACCOUNT.to_owned(),
        blocking: false,
        binlog: BinlogOptions::from_position(file, position),
        ..ReplicaOptions::default()
    });
    let events = client.replicate().map_err(|error| anyhow::anyhow!("{error:?}"))?;
    let (mut rows, mut mapped) = (Vec::new(), None);
    for event in events {
        let wanted = mapped.take();
        match event {
            Ok((_, BinlogEvent::TableMapEvent(map))) => {
                let is_wanted = map.database_name == DATABASE && map.table_name == TABLE;
                mapped = is_wanted.then_some(map.table_id);
            }
            Ok((_, BinlogEvent::WriteRowsEvent(event))) if Some(event.table_id) == wanted => {
                rows.extend(event.rows.into_iter().map(|row| row.cells));
            }
            Err(Error::IoError(error)) => return Err(error.into()),
            Err(error) if wanted.is_some() => bail!("{error:?}"),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(rows)
}

fn agree(ours: &Value<'_>, theirs: &Option<MySqlValue>) -> Result<bool> {
    let Some(theirs) = theirs else { return Ok(*ours == Value::Null) };
    Ok(match theirs {
        MySqlValue::TinyInt(value) => low_bits(ours, 8) == Some(u64::from(*value)),
        MySqlValue::SmallInt(value) => low_bits(ours, 16) == Some(u64::from(*value)),
        MySqlValue::MediumInt(value) => low_bits(ours, 24) == Some(u64::from(*value)),
        MySqlValue::Int(value) => low_bits(ours, 32) == Some(u64::from(*value)),
        MySqlValue::BigInt(value) => low_bits(ours, 64) == Some(*value),
        MySqlValue::Float(value) => *ours == Value::Float(*value),
        MySqlValue::Double(value) => *ours == Value::Double(*value),
        MySqlValue::Decimal(text) => print(ours)? == *text,
        MySqlValue::String(text) => print(ours)? == *text,
        MySqlValue::Blob(bytes) => raw(ours) == Some(bytes),
        MySqlValue::Bit(bits) => {
            let value = bits.iter().fold(0, |value, bit| value << 1 | u64::from(*bit));
            *ours == Value::Bit { value, bits: u8::try_from(bits.len())? }
        }
        MySqlValue::Enum(number) => {
            matches!(ours, Value::Enum { index, .. } if u32::from(*index) == *number)
        }
        MySqlValue::Set(bits) => matches!(ours, Value::Set(set) if set.bits == *bits),
        MySqlValue::Year(year) => *ours == Value::Year(*year),
        MySqlValue::Date(date) => {
            print(ours)? == format!("{:04}-{:02}-{:02}", date.year, date.month, date.day)
        }
        MySqlValue::Time(time) => {
            let expected = Time {
                negative: false,
                hours: u16::try_from(time.hour)?,
                minutes: time.minute,
                seconds: time.second,
                micros: time.millis * 1_000,
                fraction_digits: 3,
            };
            *ours == Value::Time(expected)
        }
        MySqlValue::DateTime(value) => {
            let expected = format!(
                "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:03}",
                value.year,
                value.month,
                value.day,
                value.hour,
                value.minute,
                value.second,
                value.millis
            );
            let text = print(ours)?;
            expected.starts_with(&text) || text.starts_with(&expected)
        }
        MySqlValue::Timestamp(millis) => match ours {
            Value::Timestamp(own) => {
                u64::from(own.seconds) * 1_000 + u64::from(own.micros / 1_000) == *millis
            }
            _ => false,
        },
    })
}

fn low_bits(value: &Value<'_>, bits: u32) -> Option<u64> {
    let all = match value {
        Value::Int(value) => value.cast_unsigned(),
        Value::UInt(value) => *value,
        _ => return None,
    };
    Some(all & (u64::MAX >> (64 - bits)))
}

fn raw<'a>(value: &'a Value<'_>) -> Option<&'a [u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        Value::Text(text) => Some(text.bytes),
        Value::Json(json) => Some(json.bytes()),
        _ => None,
    }
}

fn print(value: &Value<'_>) -> Result<String> {
    let mut text = Vec::new();
    value.write_text(JsonStyle::Select, &mut text)?;
    Ok(String::from_utf8(text)?)
}
