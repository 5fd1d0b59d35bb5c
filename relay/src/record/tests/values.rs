//! What a record carries: value and headers.

use std::{error::Error as _, sync::LazyLock};

use rstest::rstest;

use super::*;
use crate::{
    error::Disposition,
    source::row::{Date, Datetime, JsonStyle, Jsonb, Timestamp},
};

const TOMBSTONES: &str = "tombstone_on_empty_payload = true";

/// `{"t": 1}` as MySQL keeps it: a small object of one key and one inline int16.
const JSONB: &[u8] = &[0x00, 1, 0, 12, 0, 11, 0, 1, 0, 0x05, 1, 0, b't'];

#[rstest]
#[case::text("", text("{ \"a\" : 1 }"), some(b"{ \"a\" : 1 }"))]
#[case::json_is_compact_text("", Value::Json(Jsonb::new(JSONB)), some(br#"{"t":1}"#))]
#[case::bytes_stay_bytes("", bytes(&[0, 159, 255]), some(&[0, 159, 255]))]
#[case::sixteen_bytes_are_no_uuid_here("", bytes(&[9; 16]), some(&[9; 16]))]
#[case::null("", Value::Null, None)]
#[case::empty("", text(""), some(b""))]
#[case::blank("", text(" \n"), some(b" \n"))]
#[case::null_with_tombstones(TOMBSTONES, Value::Null, None)]
#[case::empty_with_tombstones(TOMBSTONES, text(""), None)]
#[case::blank_with_tombstones(TOMBSTONES, text(" \r\n\t"), None)]
#[case::no_bytes_with_tombstones(TOMBSTONES, bytes(b""), None)]
#[case::blank_bytes_with_tombstones(TOMBSTONES, bytes(b" "), some(b" "))]
#[case::text_with_tombstones(TOMBSTONES, text(" a "), some(b" a "))]
#[case::number_with_tombstones(TOMBSTONES, Value::Int(0), some(b"0"))]
#[case::other_column("payload = 'type'", text("x"), some(b"OrderPlaced"))]
fn the_value_is_the_payload(
    #[case] toml: &str,
    #[case] payload: Value<'_>,
    #[case] value: Option<&[u8]>,
) {
    let record = record(toml, &row_with("payload", payload)).unwrap();

    assert_eq!(record.value.as_deref(), value);
}

const UUID: &str = "6ccd780c-baba-1026-9564-5b8c656024db";
/// `uuid_to_bin(UUID)` and `uuid_to_bin(UUID, true)`: the manual's own example.
const PLAIN: &[u8] = b"\x6c\xcd\x78\x0c\xba\xba\x10\x26\x95\x64\x5b\x8c\x65\x60\x24\xdb";
const SWAPPED: &[u8] = b"\x10\x26\xba\xba\x6c\xcd\x78\x0c\x95\x64\x5b\x8c\x65\x60\x24\xdb";

#[rstest]
#[case::text("", text("any text"), some(b"any text"))]
#[case::binary("", bytes(PLAIN), some(UUID.as_bytes()))]
#[case::swapped("event_id_format = 'uuid-swapped'", bytes(SWAPPED), some(UUID.as_bytes()))]
#[case::raw("event_id_format = 'raw'", bytes(PLAIN), some(PLAIN))]
#[case::other_length("", bytes(b"\x01\x02"), some(b"\x01\x02"))]
#[case::sixteen_characters_are_no_uuid("", text("0123456789abcdef"), some(b"0123456789abcdef"))]
#[case::integer("", Value::UInt(7), some(b"7"))]
#[case::null("", Value::Null, None)]
fn the_event_id_is_a_header(
    #[case] toml: &str,
    #[case] event_id: Value<'_>,
    #[case] expected: Option<&[u8]>,
) {
    let record = record(toml, &row_with("id", event_id)).unwrap();

    assert_eq!(&*record.headers[0].name, "id");
    assert_eq!(record.headers[0].value.as_deref(), expected);
}

#[test]
fn the_event_id_may_have_another_column_and_header() {
    let toml = "event_id = 'type'\nevent_id_header = 'message-id'";

    assert_eq!(headers(&record(toml, &row()).unwrap()), [("message-id", Some("OrderPlaced"))]);
}

#[test]
fn additional_headers_follow_in_the_order_of_the_configuration() {
    let toml = "additional = [
        { column = 'type', placement = 'header', alias = 'eventType' },
        { column = 'tenant', placement = 'header' },
        { column = 'type', placement = 'header' },
        { column = 'trace', placement = 'header', format = 'uuid' },
        { column = 'missing', placement = 'header', optional = true },
    ]";
    let mut row = row_with("tenant", Value::Null);
    row.push(("trace", bytes(PLAIN)));

    assert_eq!(
        headers(&record(toml, &row).unwrap()),
        [
            ("id", Some("018f4a5e-0000-7000-8000-000000000001")),
            ("eventType", Some("OrderPlaced")),
            ("tenant", None),
            ("type", Some("OrderPlaced")),
            ("trace", Some(UUID)),
        ]
    );
}

#[rstest]
#[case(Value::Int(-7), "-7")]
#[case(Value::UInt(u64::MAX), "18446744073709551615")]
#[case(Value::Enum { index: 1, text: "gold" }, "gold")]
#[case(Value::Date(Date { year: 2026, month: 11, day: 22 }), "2026-11-22")]
#[case(Value::Timestamp(Timestamp { seconds: 1, micros: 0, fraction_digits: 0 }), "1970-01-01 00:00:01")]
#[case(Value::Datetime(datetime()), "2026-11-22 12:00:00.5")]
#[case(Value::Year(1999), "1999")]
#[case(Value::Json(Jsonb::new(JSONB)), r#"{"t":1}"#)]
fn a_header_has_the_text_of_its_value(#[case] value: Value<'_>, #[case] expected: &str) {
    let toml = "additional = [{ column = 'extra', placement = 'header' }]";

    let record = record(toml, &row_with("extra", value)).unwrap();

    assert_eq!(headers(&record)[1], ("extra", Some(expected)));
}

fn datetime() -> Datetime {
    Datetime {
        date: Date { year: 2026, month: 11, day: 22 },
        hour: 12,
        minute: 0,
        second: 0,
        micros: 500_000,
        fraction_digits: 1,
    }
}

#[test]
fn every_part_may_come_from_a_column_of_another_name() {
    let toml = "
        event_id = 'eid'\nkey = 'aid'\npayload = 'body'\ntimestamp = 'at'\ntopic = '${kind}'
        additional = [{ column = 'p', placement = 'partition' }]";
    let row: Row<'_> = vec![
        ("ignored", text("x")),
        ("body", bytes(&[1, 2])),
        ("kind", text("orders")),
        ("aid", Value::Int(5)),
        ("p", Value::Int(3)),
        ("at", Value::Int(99)),
        ("eid", Value::Int(4)),
    ];

    let record = record(toml, &row).unwrap();

    assert_eq!((&*record.topic, record.partition, record.timestamp_ms), ("orders", Some(3), 99));
    assert_eq!(record.key.as_deref(), Some(&b"5"[..]));
    assert_eq!(record.value.as_deref(), Some(&[1, 2][..]));
    assert_eq!(headers(&record), [("id", Some("4"))]);
}

#[test]
fn a_value_that_cannot_be_decoded_halts_and_names_its_column() {
    let broken = Value::Text(Text { bytes: b"\xff", encoding: Encoding::Utf8mb4 });

    let error = record("", &row_with("payload", broken)).unwrap_err();

    assert_eq!(
        error.to_string(),
        "column `payload` of outbox row `018f4a5e-0000-7000-8000-000000000001` of `shop.outbox` \
         cannot be decoded"
    );
    assert!(error.source().is_some());
    assert_eq!(error.disposition(), Disposition::Halt);
}

#[rstest]
#[case::null(Value::Null, "an outbox row without readable event id of `shop.outbox`")]
#[case::broken(
    Value::Text(Text { bytes: b"\xff", encoding: Encoding::Utf8mb4 }),
    "an outbox row without readable event id of `shop.outbox`"
)]
#[case::uuid(bytes(PLAIN), "outbox row `6ccd780c-baba-1026-9564-5b8c656024db` of `shop.outbox`")]
#[case::bytes(bytes(&[0xfe, 0x01]), "outbox row `fe01` of `shop.outbox`")]
fn a_message_names_the_row_as_well_as_it_can(#[case] event_id: Value<'_>, #[case] name: &str) {
    let mut row = row_with("id", event_id);
    row[1].1 = Value::Null;

    let error = record("", &row).unwrap_err();

    // A broken id halts by itself, the others by the NULL in the topic.
    assert!(error.to_string().starts_with("column `"), "{error}");
    assert!(error.to_string().contains(&format!("` of {name} ")), "{error}");
}

#[rstest]
#[case("id")]
#[case("aggregatetype")]
#[case("aggregateid")]
#[case("payload")]
#[case("type")]
#[case("part")]
#[case("at")]
fn a_row_image_that_lacks_a_wanted_column_halts_with_the_repair(#[case] column: &'static str) {
    let toml = "timestamp = 'at'\nadditional = [
        { column = 'type', placement = 'header', optional = true },
        { column = 'part', placement = 'partition', optional = true }]";
    let mut row = row_with("part", Value::Null);
    row.push(("at", Value::Null));
    row.iter_mut().find(|(name, _)| *name == column).unwrap().1 = Value::Absent;

    let error = record(toml, &row).unwrap_err();

    let message = error.to_string();
    assert!(
        message.contains(&format!("`shop.outbox` came without column `{column}`")),
        "{message}"
    );
    assert!(message.contains("binlog_row_image=FULL"), "{message}");
    assert_eq!(error.disposition(), Disposition::Halt);
}

#[test]
fn a_column_that_nobody_wants_may_be_absent() {
    assert!(record("", &row_with("type", Value::Absent)).is_ok());
}

/// The limit on in-flight memory counts lengths: what is allocated beyond them would not be seen.
#[rstest]
#[case::copied(text(SHORT))]
#[case::copied_from_pieces(Value::Json(Jsonb::new(&JSONB_OF_PIECES)))]
#[case::handed_on(text(LONG))]
fn a_value_takes_no_more_memory_than_its_length(#[case] payload: Value<'_>) {
    let mut mapping = resolve(&entry(""), &row()).unwrap();
    let before = "x".repeat(LONG.len() * 2 / 3);
    record_with(&mut mapping, &row_with("payload", text(&before))).unwrap();

    let record = record_with(&mut mapping, &row_with("payload", payload.clone())).unwrap();

    let (mut expected, value) = (Vec::new(), record.value.unwrap());
    payload.write_text(JsonStyle::Compact, &mut expected).unwrap();
    assert!(value == expected, "the payload itself");
    assert!(value.capacity() <= value.len() + 64, "{} for {}", value.capacity(), value.len());
}

const SHORT: &str = "payload";
const LONG: &str = match str::from_utf8(&[b'x'; 20_000]) {
    Ok(text) => text,
    Err(_) => panic!(),
};

/// An array of 1,100 ones, whose text grows piece by piece.
static JSONB_OF_PIECES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let size: u16 = 4 + 3 * 1_100;
    let mut jsonb = vec![0x02];
    jsonb.extend(1_100_u16.to_le_bytes());
    jsonb.extend(size.to_le_bytes());
    jsonb.extend([0x05, 1, 0].repeat(1_100));
    jsonb
});
