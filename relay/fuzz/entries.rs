//! What each fuzz target does with its bytes. `tests/decode` runs the same functions over the
//! corpus, over bytes that proptest makes up, and over corpus files it has damaged.
//!
//! Promises: they return. A panic, an endless loop or output that is not what it should be is a bug
//! in the decoders.
#![allow(dead_code, reason = "each fuzz target uses one of the entries")]

use std::sync::Arc;

use rowpost::source::{
    row::{JsonStyle, Jsonb, RowDecoder, RowsEvent, Value},
    table_map::{Charset, Encoding, Members, TableMap},
};

/// A table map event's body.
pub(crate) fn table_map(data: &[u8]) {
    let peeked = TableMap::peek_name(data);
    let Ok(parsed) = TableMap::parse(data) else { return };
    let (table_id, database, table) = peeked.expect("a table map that parses has a name");
    assert_eq!((parsed.table_id, parsed.database.as_str()), (table_id, database));
    assert_eq!(parsed.table, table);
    let all: Vec<usize> = (0..parsed.columns.len()).collect();
    // Whatever is missing, the answer is an error.
    drop(RowDecoder::new(&parsed, &all));
}

/// An event type, two bytes of length, as many bytes of table map, and the body of a rows event.
pub(crate) fn rows(data: &[u8]) {
    let Some((event_type, table_map, rows)) = split_rows(data) else { return };
    let (Ok(mut table), Ok(event)) =
        (TableMap::parse(table_map), RowsEvent::parse(event_type, rows))
    else {
        return;
    };
    fill_in(&mut table);
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let (Ok(decoder), Ok(mut cursor)) = (RowDecoder::new(&table, &all), event.rows()) else {
        return;
    };

    let counted = decoder.count(&mut cursor.clone());
    let (mut images, mut text) = (0_usize, Vec::new());
    let mut values: Vec<Value<'_>> = Vec::new();
    loop {
        match decoder.decode(&mut cursor, &mut values) {
            Ok(Some(_)) => images += 1,
            Ok(None) => {
                assert!(counted.is_ok(), "what decodes can be counted");
                break;
            }
            Err(_) => break,
        }
        // Each image takes a byte at least, so there are not more of them than bytes.
        assert!(images <= rows.len());
        for value in &values {
            text.clear();
            if matches!(value.write_text(JsonStyle::Compact, &mut text), Ok(true)) {
                check_text(value, &text);
            }
        }
    }
}

/// The three parts of the input of [`rows`].
pub(crate) fn split_rows(data: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (event_type, rest) = data.split_first()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (table_map, rows) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((*event_type, table_map, rows))
}

/// A JSON column's bytes.
pub(crate) fn jsonb(data: &[u8]) {
    let mut text = Vec::new();
    for style in [JsonStyle::Select57, JsonStyle::Select, JsonStyle::Compact] {
        text.clear();
        if Jsonb::new(data).write_text(style, &mut text).is_ok() {
            assert!(str::from_utf8(&text).is_ok(), "JSON text is UTF-8");
        } else {
            return;
        }
    }
    assert_is_json(&text);
}

fn check_text(value: &Value<'_>, text: &[u8]) {
    if matches!(value, Value::Json(_)) {
        assert_is_json(text);
    } else if !matches!(value, Value::Bytes(_) | Value::Bit { .. }) {
        assert!(str::from_utf8(text).is_ok(), "text is UTF-8");
    }
}

fn assert_is_json(text: &[u8]) {
    let read: Result<serde::de::IgnoredAny, _> = serde_json::from_slice(text);
    assert!(read.is_ok(), "{} is not JSON", String::from_utf8_lossy(text));
}

/// Makes up what the table map leaves open, so that its rows can be decoded.
pub(crate) fn fill_in(table: &mut TableMap) {
    for column in &mut table.columns {
        column.unsigned.get_or_insert(false);
        column.charset.get_or_insert(Charset::Text(Encoding::Utf8mb4));
        column.members.get_or_insert_with(|| Members {
            charset: Charset::Text(Encoding::Utf8mb4),
            texts: Arc::from([Box::from(*b"a"), Box::from(*b"b")]),
            lossy: false,
        });
    }
}
