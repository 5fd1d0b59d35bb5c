//! Outbox row and configuration → record, one file for each family of properties.

mod laws;
mod mapping;
mod routing;
mod timestamp;
mod values;

use super::{Mapping, MappingError, OutboxRecord, RecordError};
use crate::{
    config::{Config, OutboxTable},
    source::{
        row::{Text, Value},
        table_map::Encoding,
    },
};

/// 2026-11-22 12:00:00.123456 UTC.
const COMMITTED_US: u64 = 1_795_348_800_123_456;
const COMMITTED_MS: i64 = 1_795_348_800_123;

/// A table's columns with the values of one row.
type Row<'a> = Vec<(&'static str, Value<'a>)>;

/// An `[[outbox]]` entry by its keys, read and validated as the daemon does.
fn entry(toml: &str) -> OutboxTable {
    let file = tempfile::NamedTempFile::new().unwrap();
    let required = "[mysql]\nurl = 'mysql://u@h'\n[kafka]\nbootstrap_servers = 'k:1'\n";
    std::fs::write(file.path(), format!("{required}[[outbox]]\n{toml}")).unwrap();
    Config::load(Some(file.path()), [], &[]).unwrap().outbox.remove(0)
}

fn text(text: &str) -> Value<'_> {
    Value::Text(Text { bytes: text.as_bytes(), encoding: Encoding::Utf8mb4 })
}

fn bytes(bytes: &[u8]) -> Value<'_> {
    Value::Bytes(bytes.into())
}

/// A row of the table that everybody has.
fn row() -> Row<'static> {
    vec![
        ("id", text("018f4a5e-0000-7000-8000-000000000001")),
        ("aggregatetype", text("Order")),
        ("aggregateid", text("42")),
        ("type", text("OrderPlaced")),
        ("payload", text(r#"{"total": 7}"#)),
    ]
}

/// The row with one column more, or another value in one.
fn row_with<'a>(column: &'static str, value: Value<'a>) -> Row<'a> {
    let mut row: Row<'a> = row();
    match row.iter().position(|(name, _)| *name == column) {
        Some(place) => row[place].1 = value,
        None => row.push((column, value)),
    }
    row
}

fn resolve(config: &OutboxTable, row: &Row<'_>) -> Result<Mapping, MappingError> {
    let columns: Vec<&str> = row.iter().map(|(name, _)| *name).collect();
    Mapping::resolve(config, "shop", "outbox", &columns)
}

/// The record of a row, by the way that the source goes.
fn record_with(mapping: &mut Mapping, row: &Row<'_>) -> Result<OutboxRecord, RecordError> {
    let values: Vec<_> = mapping.wanted().iter().map(|place| row[*place].1.clone()).collect();
    mapping.record(&values, COMMITTED_US)
}

fn record(toml: &str, row: &Row<'_>) -> Result<OutboxRecord, RecordError> {
    record_with(&mut resolve(&entry(toml), row).unwrap(), row)
}

/// Expected bytes, of any length.
fn some(bytes: &[u8]) -> Option<&[u8]> {
    Some(bytes)
}

/// Names and values of the headers, those that are text.
fn headers(record: &OutboxRecord) -> Vec<(&str, Option<&str>)> {
    record
        .headers
        .iter()
        .map(|header| (&*header.name, header.value.as_deref().map(|v| str::from_utf8(v).unwrap())))
        .collect()
}
