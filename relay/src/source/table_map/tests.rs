//! Table maps made by hand: types, optional metadata, descriptions that fit and that do not.

use super::{ColumnDescription, ColumnKind, DescribeError, TableMap, charset::Charset};
use crate::source::{DecodeError, Malformed};

/// A table map's body: type codes, their metadata, optional metadata.
fn body(codes: &[u8], metadata: &[u8], optional: &[u8]) -> Vec<u8> {
    let mut body = vec![7, 0, 0, 0, 0, 0, 1, 0];
    for name in ["shop", "outbox"] {
        body.push(u8::try_from(name.len()).unwrap());
        body.extend(name.as_bytes());
        body.push(0);
    }
    body.push(u8::try_from(codes.len()).unwrap());
    body.extend(codes);
    body.push(u8::try_from(metadata.len()).unwrap());
    body.extend(metadata);
    body.extend(vec![0; codes.len().div_ceil(8)]);
    body.extend(optional);
    body
}

fn parse(codes: &[u8], metadata: &[u8], optional: &[u8]) -> TableMap {
    TableMap::parse(&body(codes, metadata, optional)).unwrap()
}

fn description(name: &str, column_type: &str, character_set: Option<&str>) -> ColumnDescription {
    ColumnDescription {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        character_set: character_set.map(str::to_owned),
    }
}

const LONGLONG: u8 = 8;
const VARCHAR: u8 = 15;
const STRING: u8 = 254;
const YEAR: u8 = 13;

#[test]
fn name_is_read_without_decoding_the_rest() {
    let mut cut_behind_the_name = body(&[LONGLONG], &[], &[]);
    cut_behind_the_name.truncate(22);

    assert_eq!(TableMap::peek_name(&cut_behind_the_name), Ok((7, "shop", "outbox")));
    assert!(TableMap::parse(&cut_behind_the_name).is_err());
}

#[test]
fn char_columns_of_more_than_255_bytes_have_their_upper_bits_in_the_type_byte() {
    let table = parse(&[STRING, STRING, STRING], &[0xfe, 40, 0xee, 0, 0xce, 0xfc], &[]);

    let kinds: Vec<_> = table.columns.iter().map(|column| column.kind).collect();
    assert_eq!(kinds, [40, 256, 1020].map(|bytes_max| ColumnKind::Char { bytes_max }));
}

#[test]
fn signs_are_counted_over_numeric_columns_only() {
    // BIGINT, VARCHAR, INT, DATE, TINY; of the numbers the second and third are unsigned.
    let table = parse(&[LONGLONG, VARCHAR, 3, 10, 1], &[100, 0], &[1, 1, 0b0110_0000]);

    let unsigned: Vec<_> = table.columns.iter().map(|column| column.unsigned).collect();
    assert_eq!(unsigned, [Some(false), None, Some(true), None, Some(true)]);
}

/// MySQL 8.0.15 has no bit for YEAR, 9.7 has one. A reader that always expects the one or the other
/// takes the sign of a neighbour.
#[test]
fn sign_behind_a_year_is_unknown_where_servers_differ_in_counting() {
    // INT, YEAR, INT, INT: bits 011 (0) or, with one for YEAR, 0?11.
    let table = parse(&[3, YEAR, 3, 3], &[], &[1, 1, 0b0110_0000]);

    let unsigned: Vec<_> = table.columns.iter().map(|column| column.unsigned).collect();
    assert_eq!(unsigned, [Some(false), None, Some(true), None]);
    assert!(!table.is_described());
}

#[test]
fn sign_behind_a_year_is_known_where_the_length_settles_the_counting() {
    let nine_numbers = [3, YEAR, 3, 3, 3, 3, 3, 3, 3, 3];

    // Ten bits would fill two bytes as nine do: open. Eight numbers and a year: settled.
    let open = parse(&nine_numbers, &[], &[1, 2, 0b0100_0000, 0]);
    let with_year = parse(&nine_numbers[..9], &[], &[1, 2, 0b0110_0000, 0]);
    let without_year = parse(&nine_numbers[..9], &[], &[1, 1, 0b0110_0000]);

    assert_eq!(open.columns[2].unsigned, None);
    assert_eq!(with_year.columns[2].unsigned, Some(true));
    assert_eq!(with_year.columns[3].unsigned, Some(false));
    assert_eq!(without_year.columns[2].unsigned, Some(true));
    assert_eq!(without_year.columns[3].unsigned, Some(true));
}

#[test]
fn character_sets_are_a_default_and_its_exceptions_counted_over_text_columns() {
    // Default utf8mb4_0900_ai_ci (255); the second text column is binary (63).
    let optional = [2, 5, 252, 255, 0, 1, 63];
    let table = parse(&[LONGLONG, VARCHAR, VARCHAR], &[100, 0, 16, 0], &optional);

    assert_eq!(table.columns[0].charset, None);
    assert_eq!(table.columns[1].charset, Some(Charset::of_collation(255)));
    assert_eq!(table.columns[2].charset, Some(Charset::Binary));
}

#[test]
fn metadata_of_a_newer_server_is_passed_over() {
    let table = parse(&[LONGLONG], &[], &[200, 3, 1, 2, 3, 4, 3, 2, b'i', b'd']);

    assert_eq!(table.columns[0].name.as_deref(), Some("id"));
}

#[test]
fn column_names_are_found_without_regard_to_case() {
    let table = parse(&[LONGLONG], &[], &[4, 3, 2, b'I', b'D']);

    assert_eq!(table.column_index("id"), Some(0));
    assert_eq!(table.column_index("idx"), None);
}

#[test]
fn type_that_is_not_known_is_an_error_with_its_place() {
    let refused = TableMap::parse(&body(&[LONGLONG, 20], &[], &[]));

    assert_eq!(refused, Err(DecodeError::ColumnType { ordinal: 2, code: 20 }));
}

#[test]
fn type_metadata_out_of_range_is_an_error() {
    let precision_66 = [66, 2];
    let digits_7 = [7];
    let bits_65 = [1, 8];
    for (code, metadata) in [(246, &precision_66[..]), (18, &digits_7), (16, &bits_65)] {
        let refused = TableMap::parse(&body(&[code], metadata, &[]));

        assert!(
            matches!(
                refused,
                Err(DecodeError::TableMap { source: Malformed::OutOfRange { .. }, .. })
            ),
            "{code}: {refused:?}"
        );
    }
}

#[test]
fn column_count_beyond_the_event_is_an_error_before_anything_is_allocated() {
    let mut body = body(&[], &[], &[]);
    body.truncate(22);
    body.extend([254, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);

    assert!(matches!(TableMap::parse(&body), Err(DecodeError::TableMap { .. })));
}

#[test]
fn description_fills_in_names_signs_and_character_sets() {
    let mut table = parse(&[LONGLONG, VARCHAR, VARCHAR], &[0, 1, 16, 0], &[]);

    table
        .describe(&[
            description("id", "bigint(20) unsigned", None),
            description("type", "varchar(64)", Some("utf8mb4")),
            description("token", "varbinary(16)", None),
        ])
        .unwrap();

    assert!(table.is_described());
    assert_eq!(table.column_index("token"), Some(2));
    assert_eq!(table.columns[0].unsigned, Some(true));
    assert_eq!(table.columns[1].charset, Some(Charset::named("utf8mb4")));
    assert_eq!(table.columns[2].charset, Some(Charset::Binary));
}

#[test]
fn description_of_another_shape_is_refused_and_changes_nothing() {
    let original = parse(&[LONGLONG, VARCHAR], &[0, 1], &[]);
    let id = || description("id", "bigint", None);

    let mut table = original.clone();
    let too_few = table.describe(&[id()]);
    let another_type = table.describe(&[id(), description("type", "text", Some("utf8mb4"))]);
    let another_length =
        table.describe(&[id(), description("type", "varchar(65)", Some("utf8mb4"))]);

    assert!(matches!(too_few, Err(DescribeError::ColumnCount { table_map: 2, described: 1, .. })));
    assert!(matches!(another_type, Err(DescribeError::ColumnType { .. })));
    assert_eq!(
        another_length.unwrap_err().to_string(),
        "column `type` is varchar(65) now, Varchar { bytes_max: 256 } in the binlog"
    );
    assert_eq!(table, original);
}

#[test]
fn description_with_another_name_than_the_event_has_is_refused() {
    let mut table = parse(&[LONGLONG], &[], &[1, 1, 0, 4, 3, 2, b'i', b'd']);

    let refused = table.describe(&[description("uid", "bigint", None)]);

    assert!(matches!(refused, Err(DescribeError::ColumnName { ordinal: 1, .. })));
}
