//! Which time a record gets.

use rstest::rstest;

use super::*;
use crate::source::row::{Date, Datetime, Timestamp};

const BY_COLUMN: &str = "timestamp = 'created_at'";

fn datetime(year: u16, month: u8, day: u8, micros: u32) -> Value<'static> {
    Value::Datetime(Datetime {
        date: Date { year, month, day },
        hour: 12,
        minute: 0,
        second: 0,
        micros,
        fraction_digits: 6,
    })
}

fn timestamp(seconds: u32, micros: u32) -> Value<'static> {
    Value::Timestamp(Timestamp { seconds, micros, fraction_digits: 6 })
}

#[rstest]
#[case::datetime_is_utc(datetime(2026, 11, 22, 0), 1_795_348_800_000)]
#[case::microseconds_are_cut(datetime(2026, 11, 22, 999_999), 1_795_348_800_999)]
#[case::timestamp(timestamp(1_795_348_800, 123_456), 1_795_348_800_123)]
#[case::first_timestamp(timestamp(1, 0), 1_000)]
#[case::integer_of_milliseconds(Value::Int(1_699), 1_699)]
#[case::unsigned(Value::UInt(1_699), 1_699)]
#[case::largest(Value::Int(i64::MAX), i64::MAX)]
#[case::null(Value::Null, COMMITTED_MS)]
#[case::zero(Value::Int(0), COMMITTED_MS)]
#[case::zero_timestamp(timestamp(0, 0), COMMITTED_MS)]
#[case::zero_date(datetime(0, 0, 0, 0), COMMITTED_MS)]
#[case::no_such_day(datetime(2026, 2, 30, 0), COMMITTED_MS)]
fn the_timestamp_is_the_columns_or_else_the_commits(
    #[case] value: Value<'_>,
    #[case] timestamp_ms: i64,
) {
    let record = record(BY_COLUMN, &row_with("created_at", value)).unwrap();

    assert_eq!(record.timestamp_ms, timestamp_ms);
}

#[test]
fn without_a_column_it_is_the_commits() {
    let row = row_with("created_at", Value::Int(7));

    assert_eq!(record("", &row).unwrap().timestamp_ms, COMMITTED_MS);
}

#[rstest]
#[case::integer(Value::Int(-1), "-1 ms")]
#[case::too_large(Value::UInt(u64::MAX), "18446744073709551615 ms")]
#[case::before_1970(datetime(1969, 12, 31, 0), "-43200000 ms")]
fn a_time_that_kafka_cannot_hold_halts(#[case] value: Value<'_>, #[case] named: &str) {
    let error = record(BY_COLUMN, &row_with("created_at", value)).unwrap_err();

    let message = error.to_string();
    assert!(message.contains("column `created_at` of outbox row `018f4a5e"), "{message}");
    assert!(message.contains(named), "{message}");
}

#[rstest]
#[case(text("2026-11-22 12:00:00"))]
#[case(Value::Date(Date { year: 2026, month: 11, day: 22 }))]
#[case(Value::Double(1.5))]
#[case(Value::Year(2026))]
fn a_column_that_is_no_time_halts(#[case] value: Value<'_>) {
    let error = record(BY_COLUMN, &row_with("created_at", value)).unwrap_err();

    assert!(error.to_string().contains("neither DATETIME nor TIMESTAMP nor an integer"), "{error}");
}
