//! Events captured from MySQL 5.7.22 and 9.7.4, and what `SELECT` returned for the same rows.
//!
//! One table has a column of every type; its three rows hold the ends of each range, NULL, and zero
//! or empty values. `captured/*.txt` is what the servers printed with `time_zone = '+00:00'`;
//! `captured/*.columns` is what `DESCRIBE_TABLE_SQL` answered.

use std::fs;

use rowpost::source::{
    row::{JsonStyle, RowDecoder, RowImage, RowsEvent, RowsKind, Value},
    table_map::{ColumnDescription, TableMap},
};

use crate::{corpus_file, entries::split_rows};

fn captured(name: &str) -> String {
    let path = format!("{}/tests/captured/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn descriptions(name: &str) -> Vec<ColumnDescription> {
    captured(name)
        .lines()
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            ColumnDescription {
                name: fields[0].to_owned(),
                column_type: fields[1].to_owned(),
                character_set: (fields[2] != "NULL").then(|| fields[2].to_owned()),
            }
        })
        .collect()
}

/// Prints rows the way the captured texts are written.
fn print_rows(table: &TableMap, event: &RowsEvent<'_>, style: JsonStyle) -> String {
    let all: Vec<usize> = (0..table.columns.len()).collect();
    let decoder = RowDecoder::new(table, &all).unwrap();
    let mut cursor = event.rows().unwrap();
    let (mut printed, mut values) = (String::new(), Vec::new());
    while decoder.decode(&mut cursor, &mut values).unwrap().is_some() {
        for (column, value) in table.columns.iter().zip(&values) {
            let name = column.name.as_deref().unwrap();
            printed.push_str(&format!("{name}: {}\n", print_value(value, style)));
        }
        printed.push('\n');
    }
    printed
}

fn print_value(value: &Value<'_>, style: JsonStyle) -> String {
    let mut text = Vec::new();
    if !value.write_text(style, &mut text).unwrap() {
        return "NULL".to_owned();
    }
    match String::from_utf8(text) {
        Ok(text) if !text.contains(|c: char| c < ' ' || c == '\u{7f}') => text,
        Ok(text) => hex(text.as_bytes()),
        Err(error) => hex(error.as_bytes()),
    }
}

fn hex(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("x'{digits}'")
}

#[test]
fn every_type_reads_as_select_prints_it_with_full_metadata() {
    let input = corpus_file("rows", "all_types_mysql97_full_insert");
    let (event_type, table_map, rows) = split_rows(&input).unwrap();
    let table = TableMap::parse(table_map).unwrap();

    let printed =
        print_rows(&table, &RowsEvent::parse(event_type, rows).unwrap(), JsonStyle::Select);

    assert!(table.is_described());
    assert_eq!(printed, captured("all_types_mysql97.txt"));
}

#[test]
fn every_type_reads_as_select_prints_it_with_minimal_metadata_and_a_description() {
    let input = corpus_file("rows", "all_types_mysql97_minimal_insert");
    let (event_type, table_map, rows) = split_rows(&input).unwrap();
    let mut table = TableMap::parse(table_map).unwrap();
    assert!(!table.is_described());

    table.describe(&descriptions("all_types_mysql97.columns")).unwrap();

    let event = RowsEvent::parse(event_type, rows).unwrap();
    assert!(table.is_described());
    assert_eq!(print_rows(&table, &event, JsonStyle::Select), captured("all_types_mysql97.txt"));
}

#[test]
fn every_type_reads_as_select_prints_it_on_5_7_with_a_description() {
    let input = corpus_file("rows", "all_types_mysql57_insert");
    let (event_type, table_map, rows) = split_rows(&input).unwrap();
    let mut table = TableMap::parse(table_map).unwrap();

    table.describe(&descriptions("all_types_mysql57.columns")).unwrap();

    let event = RowsEvent::parse(event_type, rows).unwrap();
    assert_eq!(print_rows(&table, &event, JsonStyle::Select57), captured("all_types_mysql57.txt"));
}

#[test]
fn a_description_agrees_with_what_full_metadata_says() {
    let described = {
        let mut table =
            TableMap::parse(&corpus_file("table_map", "all_types_mysql97_minimal")).unwrap();
        table.describe(&descriptions("all_types_mysql97.columns")).unwrap();
        table
    };
    let full = TableMap::parse(&corpus_file("table_map", "all_types_mysql97_full")).unwrap();

    for (described, full) in described.columns.iter().zip(&full.columns) {
        assert_eq!(
            (&described.name, described.kind, described.unsigned, &described.charset),
            (&full.name, full.kind, full.unsigned, &full.charset)
        );
        let texts = |members: &Option<_>| {
            members
                .as_ref()
                .map(|members: &rowpost::source::table_map::Members| members.texts.clone())
        };
        assert_eq!(texts(&described.members), texts(&full.members));
    }
}

#[test]
fn an_update_gives_the_row_before_and_after() {
    let input = corpus_file("rows", "all_types_mysql97_full_update");
    let (event_type, table_map, rows) = split_rows(&input).unwrap();
    let table = TableMap::parse(table_map).unwrap();
    let wanted = ["id", "ti", "v"].map(|name| table.column_index(name).unwrap());
    let decoder = RowDecoder::new(&table, &wanted).unwrap();
    let event = RowsEvent::parse(event_type, rows).unwrap();
    let mut cursor = event.rows().unwrap();

    let (mut seen, mut values) = (Vec::new(), Vec::new());
    while let Some(image) = decoder.decode(&mut cursor, &mut values).unwrap() {
        let texts: Vec<_> =
            values.iter().map(|value| print_value(value, JsonStyle::Select)).collect();
        seen.push((image, texts.join(" ")));
    }

    assert_eq!(event.kind, RowsKind::Update);
    assert_eq!(
        seen,
        [
            (RowImage::Before, "1 -128 schlüssel 😀".to_owned()),
            (RowImage::After, "1 5 new".to_owned()),
            (RowImage::Before, "2 NULL NULL".to_owned()),
            (RowImage::After, "2 5 new".to_owned()),
        ]
    );
    assert_eq!(decoder.count(&mut event.rows().unwrap()), Ok(2));
}

/// `binlog_row_image=MINIMAL`: the key before, what changed after.
#[test]
fn a_column_that_a_minimal_image_leaves_out_is_absent_not_null() {
    let input = corpus_file("rows", "outbox_mysql97_minimal_image_update");
    let (event_type, table_map, rows) = split_rows(&input).unwrap();
    let table = TableMap::parse(table_map).unwrap();
    let wanted = ["id", "type", "payload"].map(|name| table.column_index(name).unwrap());
    let decoder = RowDecoder::new(&table, &wanted).unwrap();
    let event = RowsEvent::parse(event_type, rows).unwrap();
    let (mut cursor, mut values) = (event.rows().unwrap(), Vec::new());

    let before = decoder.decode(&mut cursor, &mut values).unwrap();
    assert_eq!(before, Some(RowImage::Before));
    assert!(matches!(values[..], [Value::Bytes(_), Value::Absent, Value::Absent]));

    let after = decoder.decode(&mut cursor, &mut values).unwrap();
    assert_eq!(after, Some(RowImage::After));
    assert!(matches!(values[..], [Value::Absent, Value::Text(_), Value::Absent]));
    assert_eq!(print_value(&values[1], JsonStyle::Compact), "OrderPaid");
}

#[test]
fn an_outbox_row_gives_compact_json_and_its_whole_binary_id() {
    for server in ["mysql57", "mysql97"] {
        let input = corpus_file("rows", &format!("outbox_{server}_insert"));
        let (event_type, table_map, rows) = split_rows(&input).unwrap();
        let mut table = TableMap::parse(table_map).unwrap();
        let columns = ["binary(16)", "varchar(255)", "varchar(255)", "varchar(255)", "json"];
        let names = ["id", "aggregatetype", "aggregateid", "type", "payload"];
        let description: Vec<_> = names
            .iter()
            .zip(columns)
            .map(|(name, column_type)| ColumnDescription {
                name: (*name).to_owned(),
                column_type: column_type.to_owned(),
                character_set: column_type.starts_with("varchar").then(|| "utf8mb4".to_owned()),
            })
            .collect();
        table.describe(&description).unwrap();
        let event = RowsEvent::parse(event_type, rows).unwrap();

        let printed = print_rows(&table, &event, JsonStyle::Compact);

        // The first id ends in a zero byte, which the binlog strips.
        let expected = "\
            id: x'0190a0b0c0d0e0f00112233445566700'\naggregatetype: order\naggregateid: 42\n\
            type: OrderPlaced\npayload: {\"order\":42,\"total\":12.5}\n\n\
            id: x'0190a0b0c0d0e0f00112233445566701'\naggregatetype: order\naggregateid: 43\n\
            type: OrderPlaced\npayload: NULL\n\n";
        assert_eq!(printed, expected, "{server}");
    }
}
