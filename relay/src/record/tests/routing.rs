//! Where a record goes: topic, key, partition.

use std::{error::Error as _, sync::Arc};

use rstest::rstest;

use super::*;
use crate::{error::Disposition, record::TopicNameFault};

#[test]
fn a_row_of_the_usual_table_becomes_the_usual_record() {
    let record = record("", &row()).unwrap();

    assert_eq!(&*record.topic, "outbox.event.Order");
    assert_eq!(record.key.as_deref(), Some(&b"42"[..]));
    assert_eq!(record.value.as_deref(), Some(&br#"{"total": 7}"#[..]));
    assert_eq!(headers(&record), [("id", Some("018f4a5e-0000-7000-8000-000000000001"))]);
    assert_eq!((record.partition, record.timestamp_ms), (None, COMMITTED_MS));
}

#[rstest]
#[case::other_aggregate("", text("User"), "outbox.event.User")]
#[case::case_is_kept("", text("oRDER"), "outbox.event.oRDER")]
#[case::number("", Value::UInt(7), "outbox.event.7")]
#[case::member("", Value::Enum { index: 2, text: "User" }, "outbox.event.User")]
#[case::several_columns(
    "topic = '${type}.${aggregatetype}-${type}'",
    text("x"),
    "OrderPlaced.x-OrderPlaced"
)]
#[case::any_case("topic = '${AggregateType}'", text("x"), "x")]
#[case::fixed("topic = 'orders'", text("not a topic name"), "orders")]
fn the_topic_is_the_template_with_the_rows_values(
    #[case] toml: &str,
    #[case] aggregate_type: Value<'_>,
    #[case] topic: &str,
) {
    let record = record(toml, &row_with("aggregatetype", aggregate_type)).unwrap();

    assert_eq!(&*record.topic, topic);
}

#[test]
fn records_of_one_topic_share_its_name() {
    let mut mapping = resolve(&entry(""), &row()).unwrap();

    let first = record_with(&mut mapping, &row()).unwrap();
    record_with(&mut mapping, &row_with("aggregatetype", text("User"))).unwrap();
    let third = record_with(&mut mapping, &row()).unwrap();

    assert!(Arc::ptr_eq(&first.topic, &third.topic));
}

#[rstest]
#[case::blank("Order Line", TopicNameFault::Character)]
#[case::umlaut("Bestellgröße", TopicNameFault::Character)]
#[case::long(&"x".repeat(237), TopicNameFault::TooLong)]
fn a_row_that_makes_no_topic_name_halts(#[case] value: &str, #[case] fault: TopicNameFault) {
    let error = record("", &row_with("aggregatetype", text(value))).unwrap_err();

    assert_eq!(
        error.to_string(),
        format!(
            "outbox row `018f4a5e-0000-7000-8000-000000000001` of `shop.outbox` goes to topic \
             `outbox.event.{value}`, which Kafka does not accept"
        )
    );
    assert_eq!(error.source().unwrap().to_string(), fault.to_string());
    assert_eq!(error.disposition(), Disposition::Halt);
}

#[rstest]
#[case::nothing("topic = '${aggregatetype}'", "", TopicNameFault::Empty)]
#[case::dots("topic = '.${aggregatetype}'", ".", TopicNameFault::Dots)]
fn a_value_may_be_too_little_of_a_name(
    #[case] toml: &str,
    #[case] value: &str,
    #[case] expected: TopicNameFault,
) {
    let error = record(toml, &row_with("aggregatetype", text(value))).unwrap_err();

    assert!(matches!(error, RecordError::TopicName { source, .. } if source == expected));
}

#[test]
fn the_longest_topic_name_passes() {
    let record = record("", &row_with("aggregatetype", text(&"x".repeat(236)))).unwrap();

    assert_eq!(record.topic.len(), 249);
}

#[test]
fn a_topic_that_is_a_whole_document_is_cut_in_the_message() {
    let error = record("", &row_with("aggregatetype", text(&"ü ".repeat(100_000)))).unwrap_err();

    assert!(error.to_string().chars().count() < 500, "{error}");
}

#[test]
fn a_null_in_the_topic_halts() {
    let error = record("", &row_with("aggregatetype", Value::Null)).unwrap_err();

    assert_eq!(
        error.to_string(),
        "column `aggregatetype` of outbox row `018f4a5e-0000-7000-8000-000000000001` of \
         `shop.outbox` is NULL, but the topic template `outbox.event.${aggregatetype}` needs it"
    );
}

#[rstest]
#[case::text("", text("Größe"), some("Größe".as_bytes()))]
#[case::empty("", text(""), some(b""))]
#[case::null("", Value::Null, None)]
#[case::integer("", Value::Int(-42), some(b"-42"))]
#[case::bytes_stay_bytes("", bytes(&[0, 159, 255]), some(&[0, 159, 255]))]
#[case::sixteen_bytes_too("", bytes(&[7; 16]), some(&[7; 16]))]
#[case::uuid("key_format = 'uuid'", bytes(&[7; 16]), some(b"07070707-0707-0707-0707-070707070707"))]
#[case::no_uuid("key_format = 'uuid'", bytes(&[7; 15]), some(&[7; 15]))]
#[case::without("key = ''", text("42"), None)]
#[case::other_column("key = 'type'", text("42"), some(b"OrderPlaced"))]
fn the_key_is_the_key_columns_value(
    #[case] toml: &str,
    #[case] aggregate_id: Value<'_>,
    #[case] key: Option<&[u8]>,
) {
    let record = record(toml, &row_with("aggregateid", aggregate_id)).unwrap();

    assert_eq!(record.key.as_deref(), key);
}

const PARTITION: &str = "additional = [{ column = 'part', placement = 'partition' }]";

#[rstest]
#[case::zero(Value::Int(0), Some(0))]
#[case::unsigned(Value::UInt(123), Some(123))]
#[case::largest(Value::Int(2_147_483_647), Some(i32::MAX))]
#[case::null(Value::Null, None)]
fn a_partition_column_names_the_partition(
    #[case] value: Value<'_>,
    #[case] partition: Option<i32>,
) {
    let record = record(PARTITION, &row_with("part", value)).unwrap();

    assert_eq!(record.partition, partition);
    assert_eq!(record.headers.len(), 1, "a partition is no header");
}

#[rstest]
#[case(Value::Int(-1), "-1")]
#[case(Value::Int(2_147_483_648), "2147483648")]
#[case(Value::UInt(u64::MAX), "18446744073709551615")]
fn a_partition_that_kafka_cannot_have_halts(#[case] value: Value<'_>, #[case] named: &str) {
    let error = record(PARTITION, &row_with("part", value)).unwrap_err();

    assert_eq!(
        error.to_string(),
        format!(
            "column `part` of outbox row `018f4a5e-0000-7000-8000-000000000001` of `shop.outbox` \
             names partition {named}: partitions run from 0 to 2147483647"
        )
    );
}

#[rstest]
#[case(text("3"))]
#[case(Value::Double(3.0))]
#[case(bytes(b"3"))]
fn a_partition_that_is_no_integer_halts(#[case] value: Value<'_>) {
    let error = record(PARTITION, &row_with("part", value)).unwrap_err();

    assert!(error.to_string().ends_with("names the partition, but is no integer"), "{error}");
    assert_eq!(error.disposition(), Disposition::Halt);
}
