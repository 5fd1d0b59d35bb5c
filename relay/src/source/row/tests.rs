//! Rows events and JSON made by hand: what each byte decides, and what is refused.

use super::{JsonStyle, Jsonb, RowDecoder, RowImage, RowsEvent, RowsKind, Value};
use crate::source::{
    DecodeError, Malformed,
    table_map::{Charset, ColumnDescription, TableMap},
};

/// A table of columns described as `name type` or `name type character_set`.
fn table(codes: &[u8], metadata: &[u8], columns: &[&str]) -> TableMap {
    let mut body = vec![7, 0, 0, 0, 0, 0, 1, 0, 1, b'd', 0, 1, b't', 0];
    body.push(u8::try_from(codes.len()).unwrap());
    body.extend(codes);
    body.push(u8::try_from(metadata.len()).unwrap());
    body.extend(metadata);
    body.extend(vec![0xff; codes.len().div_ceil(8)]);
    let mut table = TableMap::parse(&body).unwrap();
    let descriptions: Vec<_> = columns
        .iter()
        .map(|column| {
            let words: Vec<&str> = column.split(' ').collect();
            ColumnDescription {
                name: words[0].to_owned(),
                column_type: words[1].replace('_', " "),
                character_set: words.get(2).map(|name| (*name).to_owned()),
            }
        })
        .collect();
    table.describe(&descriptions).unwrap();
    table
}

/// A rows event of version 2 with all of `columns` columns in its images.
fn event(event_type: u8, columns: u8, rows: &[u8]) -> Vec<u8> {
    let present = vec![0xff; usize::from(columns).div_ceil(8)];
    let mut body = vec![7, 0, 0, 0, 0, 0, 1, 0, 2, 0, columns];
    body.extend(&present);
    if event_type == 31 {
        body.extend(&present);
    }
    body.extend(rows);
    body
}

/// The texts of the first image, or the error.
fn first_row(table: &TableMap, wanted: &[usize], rows: &[u8]) -> Result<Vec<String>, DecodeError> {
    let body = event(30, u8::try_from(table.columns.len()).unwrap(), rows);
    let decoder = RowDecoder::new(table, wanted)?;
    let mut cursor = RowsEvent::parse(30, &body)?.rows()?;
    let mut values = Vec::new();
    decoder.decode(&mut cursor, &mut values)?;
    Ok(values.iter().map(text).collect())
}

fn text(value: &Value<'_>) -> String {
    let mut out = Vec::new();
    match value.write_text(JsonStyle::Compact, &mut out) {
        Ok(true) => String::from_utf8(out).unwrap(),
        Ok(false) => format!("{value:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn wanted_columns_come_in_the_order_asked_for_and_others_are_skipped() {
    let table = table(
        &[1, 15, 3, 252],
        &[0, 1, 2],
        &["a tinyint", "b varchar(64) utf8mb4", "c int", "d text utf8mb4"],
    );
    let row = [0xf0, 5, 2, 0, b'h', b'i', 9, 0, 0, 0, 1, 0, b'x'];

    assert_eq!(first_row(&table, &[3, 0], &row).unwrap(), ["x", "5"]);
    assert_eq!(first_row(&table, &[2], &row).unwrap(), ["9"]);
    assert_eq!(first_row(&table, &[], &row).unwrap(), [""; 0]);
}

#[test]
fn mediumint_keeps_its_sign() {
    let signed = table(&[9], &[], &["n mediumint"]);
    let unsigned = table(&[9], &[], &["n mediumint_unsigned"]);

    for (bytes, as_signed, as_unsigned) in [
        ([0xff, 0xff, 0xff], "-1", "16777215"),
        ([0x90, 0xee, 0xfe], "-70000", "16707216"),
        ([0x00, 0x00, 0x80], "-8388608", "8388608"),
    ] {
        let row = [&[0xfe][..], &bytes].concat();
        assert_eq!(first_row(&signed, &[0], &row).unwrap(), [as_signed]);
        assert_eq!(first_row(&unsigned, &[0], &row).unwrap(), [as_unsigned]);
    }
}

#[test]
fn stripped_zeros_of_a_binary_column_come_back() {
    let table = table(&[254], &[0xfe, 4], &["id binary(4)"]);

    assert_eq!(first_row(&table, &[0], &[0xfe, 2, b'a', b'b']).unwrap(), ["ab\0\0"]);
    assert_eq!(first_row(&table, &[0], &[0xfe, 0]).unwrap(), ["\0\0\0\0"]);
}

#[test]
fn null_bits_are_counted_over_the_columns_of_the_image() {
    // Three columns, the image has the first and the third; the third is NULL.
    let table = table(&[1, 1, 1], &[], &["a tinyint", "b tinyint", "c tinyint"]);
    let body = [7, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0b101, 0b10, 42];
    let decoder = RowDecoder::new(&table, &[0, 1, 2]).unwrap();
    let mut values = Vec::new();

    let mut cursor = RowsEvent::parse(30, &body).unwrap().rows().unwrap();
    let image = decoder.decode(&mut cursor, &mut values).unwrap();

    assert_eq!(image, Some(RowImage::After));
    assert_eq!(values, [Value::Int(42), Value::Absent, Value::Null]);
    assert_eq!(decoder.decode(&mut cursor, &mut values), Ok(None));
}

#[test]
fn version_1_events_have_no_extra_data_and_version_2_skips_it() {
    let table = table(&[1], &[], &["a tinyint"]);
    let decoder = RowDecoder::new(&table, &[0]).unwrap();
    let version_1 = [7, 0, 0, 0, 0, 0, 1, 0, 1, 0xff, 0, 5];
    let version_2 = [7, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0xaa, 0xbb, 0xcc, 1, 0xff, 0, 5];

    for (event_type, body, statement_end) in [(23, &version_1[..], true), (30, &version_2, false)] {
        let event = RowsEvent::parse(event_type, body).unwrap();
        let mut values = Vec::new();
        decoder.decode(&mut event.rows().unwrap(), &mut values).unwrap();

        assert_eq!((event.table_id, event.kind), (7, RowsKind::Insert));
        assert_eq!(event.statement_end, statement_end);
        assert_eq!(values, [Value::Int(5)]);
    }
}

#[test]
fn update_that_ends_between_its_images_is_an_error() {
    let table = table(&[1], &[], &["a tinyint"]);
    let body = event(31, 1, &[0, 1, 0, 2, 0, 3]);
    let decoder = RowDecoder::new(&table, &[0]).unwrap();
    let mut cursor = RowsEvent::parse(31, &body).unwrap().rows().unwrap();

    let images: Vec<_> = (0..4).map(|_| decoder.decode(&mut cursor, &mut Vec::new())).collect();

    assert_eq!(
        images[..3],
        [Ok(Some(RowImage::Before)), Ok(Some(RowImage::After)), Ok(Some(RowImage::Before)),]
    );
    assert!(matches!(images[3], Err(DecodeError::Rows { .. })));
}

#[test]
fn counting_an_update_counts_rows_not_images() {
    let table = table(&[1], &[], &["a tinyint"]);
    let body = event(31, 1, &[0, 1, 0, 2, 0, 3, 1]);
    let decoder = RowDecoder::new(&table, &[]).unwrap();

    assert_eq!(decoder.count(&mut RowsEvent::parse(31, &body).unwrap().rows().unwrap()), Ok(2));
}

#[test]
fn image_without_columns_is_an_error_not_an_endless_run_of_rows() {
    let no_columns_present = [7, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0, 1, 2, 3];
    let no_columns_at_all = [7, 0, 0, 0, 0, 0, 1, 0, 2, 0, 0, 1, 2, 3];

    for body in [&no_columns_present[..], &no_columns_at_all] {
        let event = RowsEvent::parse(30, body).unwrap();
        assert_eq!(event.rows().map(|_| ()), Err(DecodeError::NoColumns));
    }
}

#[test]
fn rows_of_another_shape_than_their_table_map_are_an_error() {
    let table = table(&[1], &[], &["a tinyint"]);
    let body = event(30, 2, &[0, 1, 1]);
    let decoder = RowDecoder::new(&table, &[]).unwrap();
    let mut cursor = RowsEvent::parse(30, &body).unwrap().rows().unwrap();

    let refused = decoder.skip(&mut cursor);

    assert_eq!(refused, Err(DecodeError::ColumnCount { rows_event: 2, table_map: 1 }));
}

#[test]
fn partial_json_updates_are_recognised_and_refused() {
    let body = event(31, 1, &[0, 1]);

    let event = RowsEvent::parse(39, &body).unwrap();

    assert_eq!(event.kind, RowsKind::PartialUpdate);
    assert_eq!(event.rows().map(|_| ()), Err(DecodeError::PartialUpdate));
    assert_eq!(RowsEvent::parse(19, &body), Err(DecodeError::EventType { code: 19 }));
}

#[test]
fn enum_and_set_members_are_checked() {
    let table = table(
        &[254, 254],
        &[247, 1, 248, 1],
        &["e enum('a','b') utf8mb4", "s set('x','y') utf8mb4"],
    );

    assert_eq!(first_row(&table, &[0, 1], &[0xfc, 2, 3]).unwrap(), ["b", "x,y"]);
    assert_eq!(first_row(&table, &[0, 1], &[0xfc, 0, 0]).unwrap(), ["", ""]);
    assert_eq!(
        first_row(&table, &[0], &[0xfc, 3, 0]).unwrap_err().to_string(),
        "column `e` holds ENUM member 3, but has only 2"
    );
    assert_eq!(
        first_row(&table, &[1], &[0xfc, 1, 4]).unwrap_err().to_string(),
        "column `s` holds SET member 3, but has only 2"
    );
}

/// information_schema shows characters beyond the basic plane as `?`.
#[test]
fn member_text_that_information_schema_could_not_show_is_an_error_when_it_is_met() {
    let described_as = |character_set: &str| {
        table(&[254], &[247, 1], &[&format!("e enum('a','?') {character_set}")])
    };

    assert_eq!(first_row(&described_as("utf8mb4"), &[0], &[0xfe, 1]).unwrap(), ["a"]);
    assert!(matches!(
        first_row(&described_as("utf8mb4"), &[0], &[0xfe, 2]),
        Err(DecodeError::MemberText { index: 2, .. })
    ));
    assert_eq!(first_row(&described_as("latin1"), &[0], &[0xfe, 2]).unwrap(), ["?"]);
}

#[test]
fn character_set_that_is_not_decoded_is_refused_by_name_but_only_where_wanted() {
    let table = table(&[15, 1], &[20, 0], &["title varchar(10) gbk", "n tinyint"]);

    assert_eq!(
        RowDecoder::new(&table, &[0]).unwrap_err(),
        DecodeError::Charset { column: "title".into(), charset: "gbk".into() }
    );
    assert_eq!(first_row(&table, &[1], &[0xfc, 1, 0xff, 7]).unwrap(), ["7"]);
}

#[test]
fn column_of_which_too_little_is_known_is_refused_until_it_is_described() {
    let mut table = table(&[15, 8], &[20, 0], &["v varchar(5) utf8mb4", "n bigint"]);
    table.columns[0].charset = None;
    table.columns[1].unsigned = None;

    let missing = |wanted| RowDecoder::new(&table, &[wanted]).unwrap_err();
    let not_described =
        |column: &str, missing| DecodeError::NotDescribed { column: column.into(), missing };

    assert_eq!(missing(0), not_described("v", "character set"));
    assert_eq!(missing(1), not_described("n", "sign"));
}

#[test]
fn value_that_does_not_fit_its_event_names_its_column() {
    let table = table(&[1, 15], &[20, 0], &["n tinyint", "v varchar(5) utf8mb4"]);

    let error = first_row(&table, &[0], &[0xfc, 1, 9, b'a']).unwrap_err();

    assert_eq!(
        error,
        DecodeError::Value {
            column: "v".into(),
            source: Malformed::Truncated { needed: 9, available: 1 }
        }
    );
}

#[test]
fn text_of_a_binary_column_is_its_bytes() {
    let mut table = table(&[252], &[1], &["b tinyblob"]);
    table.columns[0].charset = Some(Charset::Binary);
    let body = event(30, 1, &[0xfe, 2, 0xff, 0x00]);
    let decoder = RowDecoder::new(&table, &[0]).unwrap();
    let (mut values, mut out) = (Vec::new(), Vec::new());

    decoder.decode(&mut RowsEvent::parse(30, &body).unwrap().rows().unwrap(), &mut values).unwrap();

    assert_eq!(values[0].write_text(JsonStyle::Compact, &mut out), Ok(true));
    assert_eq!(out, [0xff, 0x00]);
}

#[test]
fn json_styles_differ_in_blanks_and_whole_doubles() {
    // [1.0, {"a": 2}]
    let mut bytes = vec![0x02, 2, 0, 30, 0, 0x0b, 10, 0, 0x00, 18, 0];
    bytes.extend(1.0_f64.to_le_bytes());
    bytes.extend([1, 0, 12, 0, 11, 0, 1, 0, 0x05, 2, 0, b'a']);
    let written = |style| {
        let mut out = Vec::new();
        Jsonb::new(&bytes).write_text(style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };

    assert_eq!(written(JsonStyle::Compact), r#"[1.0,{"a":2}]"#);
    assert_eq!(written(JsonStyle::Select), r#"[1.0, {"a": 2}]"#);
    assert_eq!(written(JsonStyle::Select57), r#"[1, {"a": 2}]"#);
}

#[test]
fn empty_json_document_reads_as_null() {
    let mut out = Vec::new();

    Jsonb::new(&[]).write_text(JsonStyle::Compact, &mut out).unwrap();

    assert_eq!(out, b"null");
}

/// Each level points twice at the level below: 2^90 values in a kilobyte.
#[test]
fn json_values_that_share_bytes_are_refused_before_they_unfold() {
    let levels = 90_u16;
    let mut document = vec![0x02];
    for level in (1..=levels).rev() {
        let size = level * 10 + 4;
        document.extend(2_u16.to_le_bytes());
        document.extend(size.to_le_bytes());
        for _ in 0..2 {
            document.extend([0x02, 10, 0]);
        }
    }
    document.extend([0, 0, 4, 0]);

    let refused = Jsonb::new(&document).write_text(JsonStyle::Compact, &mut Vec::new());

    assert_eq!(refused, Err(Malformed::JsonOverlap));
}

#[test]
fn json_nested_deeper_than_the_server_allows_is_refused() {
    let nested = |levels: u16| {
        let mut document = vec![0x02];
        for level in (1..levels).rev() {
            document.extend(1_u16.to_le_bytes());
            document.extend((level * 7 + 4).to_le_bytes());
            document.extend([0x02, 7, 0]);
        }
        document.extend([0, 0, 4, 0]);
        Jsonb::new(&document).write_text(JsonStyle::Compact, &mut Vec::new())
    };

    assert_eq!(nested(100), Ok(()));
    assert_eq!(nested(101), Err(Malformed::JsonDepth { depth_max: 100 }));
}

#[test]
fn json_offset_into_its_own_header_is_refused() {
    // [[…]] whose member is the array itself.
    let document = [0x02, 1, 0, 7, 0, 0x02, 0, 0];

    let refused = Jsonb::new(&document).write_text(JsonStyle::Compact, &mut Vec::new());

    assert_eq!(refused, Err(Malformed::JsonOffset { offset: 0, length: 7 }));
}

#[test]
fn json_string_that_is_not_utf8_is_refused() {
    let document = [0x0c, 1, 0xff];

    let refused = Jsonb::new(&document).write_text(JsonStyle::Compact, &mut Vec::new());

    assert_eq!(refused, Err(Malformed::NotUtf8));
}
