//! Rows of an outbox table decoded in a second, payload as JSON text included.
//!
//! The row was captured from MySQL 9.7: BINARY(16) id, two VARCHAR(64), some 400 bytes of JSON,
//! BIGINT. Events hold 1 or 100 of them, which is the range from one commit a row to bulk writes.
//!
//! Run: `cargo bench -p rowpost --bench row_decode -- --quick`

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rowpost::source::{
    row::{JsonStyle, RowDecoder, RowsEvent, Value},
    table_map::TableMap,
};

/// Event type, table map with its length before it, rows event.
const CAPTURED: &[u8] = include_bytes!("outbox_row.bin");

const COLUMNS: usize = 5;

fn captured() -> (u8, TableMap, &'static [u8], &'static [u8]) {
    let (event_type, rest) = CAPTURED.split_first().expect("captured event has a type");
    let (length, rest) = rest.split_first_chunk().expect("and a length");
    let (table_map, rows) = rest.split_at(usize::from(u16::from_le_bytes(*length)));
    // Table id, flags, extra data, column count, bitmap of five columns.
    let (header, row) = rows.split_at(6 + 2 + 2 + 1 + 1);
    (*event_type, TableMap::parse(table_map).expect("captured table map"), header, row)
}

fn decode_rows(c: &mut Criterion) {
    let (event_type, table, header, row) = captured();
    let all: Vec<usize> = (0..COLUMNS).collect();
    let decoder = RowDecoder::new(&table, &all).expect("full metadata");
    let mut group = c.benchmark_group("row_decode");
    for rows in [1_usize, 100] {
        let body = [header, &row.repeat(rows)].concat();
        group.throughput(Throughput::Elements(rows as u64));
        group.bench_with_input(BenchmarkId::new("to_text", rows), &body, |b, body| {
            let mut text = Vec::new();
            b.iter(|| to_text(&decoder, event_type, body, &mut text));
        });
        group.bench_with_input(BenchmarkId::new("values_only", rows), &body, |b, body| {
            b.iter(|| values_only(&decoder, event_type, body));
        });
        group.bench_with_input(BenchmarkId::new("count", rows), &body, |b, body| {
            let event = RowsEvent::parse(event_type, body).expect("captured event");
            b.iter(|| decoder.count(&mut event.rows().expect("columns")));
        });
    }
    group.finish();
}

fn to_text(decoder: &RowDecoder, event_type: u8, body: &[u8], text: &mut Vec<u8>) -> usize {
    let event = RowsEvent::parse(event_type, body).expect("captured event");
    let mut rows = event.rows().expect("columns");
    let mut values: Vec<Value<'_>> = Vec::new();
    let mut bytes = 0;
    while decoder.decode(&mut rows, &mut values).expect("row").is_some() {
        text.clear();
        for value in &values {
            value.write_text(JsonStyle::Compact, text).expect("text");
        }
        bytes += black_box(&*text).len();
    }
    bytes
}

fn values_only(decoder: &RowDecoder, event_type: u8, body: &[u8]) {
    let event = RowsEvent::parse(event_type, body).expect("captured event");
    let mut rows = event.rows().expect("columns");
    let mut values: Vec<Value<'_>> = Vec::new();
    while decoder.decode(&mut rows, &mut values).expect("row").is_some() {
        black_box(&values);
    }
}

criterion_group!(benches, decode_rows);
criterion_main!(benches);
