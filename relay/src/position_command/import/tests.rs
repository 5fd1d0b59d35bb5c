//! Offsets as the products wrote them → where they stand.

use std::path::Path;

use rstest::rstest;

use super::{
    cut::{Cut, decide, up_to},
    entry::{Found, Raw},
    error::ImportError,
    foreign::{Foreign, Inside},
    java_map,
    wanted::{in_file, of_debezium},
    *,
};
use crate::source::within::{UpTo, Within};

/// Written by Debezium 3.6.1; see the README beside them.
macro_rules! written {
    ($name:literal) => {
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/fixtures/import/",
            $name,
            ".dat"
        ))
    };
}

const UUID: &str = "e44b6610-e711-11f1-bf72-02fc00000001";

fn of_file(bytes: &[u8]) -> Result<Foreign, ImportError> {
    of_debezium(in_file(Path::new("offsets.dat"), bytes)?, None)
}

#[rstest]
#[case::between(written!("between-transactions"), Some("1-4"), 1116, Inside::Unsaid)]
#[case::event(written!("inside-event"), Some("1-7"), 2776, Inside::Events { events: 3, rows: 2 })]
#[case::later_event(
    written!("inside-later-event"), Some("1-7"), 2776, Inside::Events { events: 15, rows: 1 }
)]
#[case::last_row(
    written!("behind-last-row"), Some("1-7"), 2776, Inside::Events { events: 15, rows: 3 }
)]
#[case::compressed(
    written!("inside-compressed"), Some("1-9"), 6392, Inside::Events { events: 6, rows: 2 }
)]
#[case::no_gtids(written!("without-gtids"), None, 2466, Inside::Events { events: 3, rows: 2 })]
fn offsets_file_of_debezium_is_understood(
    #[case] bytes: &[u8],
    #[case] gtids: Option<&str>,
    #[case] position: u64,
    #[case] inside: Inside,
) {
    let foreign = of_file(bytes).unwrap();

    assert_eq!(foreign.gtids, gtids.map(|numbers| format!("{UUID}:{numbers}").parse().unwrap()));
    assert_eq!(foreign.coordinates, format!("bin-log.000001:{position}").parse().ok());
    assert_eq!(foreign.inside, inside);
    assert!(foreign.place.contains("`outbox-connector/shop` in file offsets.dat"), "{foreign:?}");
}

#[test]
fn records_of_a_connect_cluster_are_understood() {
    let text = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/import/connect-offsets.tsv"
    ));
    let inside: Vec<Inside> = text
        .lines()
        .map(|line| of_debezium(found(&[line.split_once('\t').unwrap()]), None).unwrap().inside)
        .collect();

    let events = |events, rows| Inside::Events { events, rows };
    assert_eq!(inside, [events(3, 1), events(15, 38), events(391, 14)]);
}

#[test]
fn offset_of_a_snapshot_that_has_not_ended_is_refused() {
    let error = of_file(written!("inside-snapshot")).unwrap_err();

    assert!(matches!(&error, ImportError::Snapshot { snapshot, .. } if snapshot == "\"INITIAL\""));
    for (snapshot, is_refused) in [("true", true), ("\"last\"", true), ("false", false)] {
        let value = format!(r#"{{"file":"b.000001","pos":4,"snapshot":{snapshot}}}"#);
        assert_eq!(of_value(&value).is_err(), is_refused, "{snapshot}");
    }
}

/// Every byte counts: a file that is cut or damaged anywhere is refused, with the place.
#[test]
fn offsets_file_that_is_cut_or_damaged_is_refused_with_the_byte() {
    let whole = written!("inside-event");
    let value_begins = whole.windows(7).position(|bytes| bytes == b"{\"ts_se").unwrap();
    for cut in 0..whole.len() {
        let error = java_map::parse(&whole[..cut]).unwrap_err();
        assert!(error.at <= cut, "{error}");
    }
    // The two numbers of the map that say nothing, its number of buckets, key and value.
    let is_free = |at: usize| {
        (63..71).contains(&at)
            || (73..77).contains(&at)
            || (104..142).contains(&at)
            || at >= value_begins
    };
    let mut damaged = whole.to_vec();
    for at in (0..whole.len()).filter(|at| !is_free(*at)) {
        damaged[at] ^= 0x40;
        assert!(java_map::parse(&damaged).is_err(), "byte {at} is not looked at");
        damaged[at] ^= 0x40;
    }
    let error = java_map::parse(&[whole.as_slice(), b"!"].concat()).unwrap_err();
    assert_eq!((error.at, error.reason), (whole.len(), "something follows the map"));
    let error = of_file(b"PK\x03\x04").unwrap_err();
    assert!(crate::error::Chain(&error).to_string().contains("at byte 0"), "{error}");
}

#[test]
fn offsets_file_may_hold_null_and_several_arrays() {
    let mut bytes = written!("inside-event")[..81].to_vec();
    bytes[77..81].copy_from_slice(&[0, 0, 0, 2]);
    bytes.extend(b"ur\0\x02[B\xac\xf3\x17\xf8\x06\x08\x54\xe0\x02\0\0xp\0\0\0\x01kp");
    bytes.extend(b"uq\0\x7e\0\x02\0\0\0\x01luq\0\x7e\0\x02\0\0\0\0x");

    let entries = java_map::parse(&bytes).unwrap();

    assert_eq!(entries, [(Some(b"k".to_vec()), None), (Some(b"l".to_vec()), Some(Vec::new()))]);
}

fn found(entries: &[(&str, &str)]) -> Found {
    let raw = entries
        .iter()
        .map(|(key, value)| Raw {
            key: key.as_bytes().to_vec(),
            value: value.as_bytes().to_vec(),
            place: "topic t, partition 3, offset 42".to_owned(),
        })
        .collect();
    Found::new(Product::Debezium, "topic `t`".to_owned(), raw, debezium::names)
}

fn of_value(value: &str) -> Result<Foreign, ImportError> {
    of_debezium(found(&[(r#"["c",{"server":"p"}]"#, value)]), None)
}

#[test]
fn of_several_offsets_the_named_one_is_taken_and_without_a_name_they_are_listed() {
    let at = |position: u32| format!(r#"{{"file":"b.000001","pos":{position}}}"#);
    let (one, two, three) = (at(11), at(22), at(33));
    let entries = [
        (r#"["orders",{"server":"shop"}]"#, one.as_str()),
        (r#"["stock",{"server":"shop"}]"#, &two),
        (r#"{"schema":null,"payload":["stock",{"server":"older"}]}"#, &three),
        (r#"["customers",{"server":"pg"}]"#, r#"{"lsn":123}"#),
        ("session-key", "{}"),
    ];
    let taken = |name| of_debezium(found(&entries), name).map(|taken| taken.coordinates);
    let position = |position: u32| format!("b.000001:{position}").parse().ok();

    assert_eq!(taken(Some("orders")).unwrap(), position(11));
    assert_eq!(taken(Some("stock/shop")).unwrap(), position(22));
    assert_eq!(taken(Some("older")).unwrap(), position(33));
    let error = taken(None).unwrap_err().to_string();
    assert!(
        error.contains("`orders/shop`, `stock/older`, `stock/shop`; say with --name"),
        "{error}"
    );
    for several in ["stock", "shop"] {
        assert!(matches!(taken(Some(several)), Err(ImportError::SeveralFound { .. })), "{several}");
    }
    let error = taken(Some("payments")).unwrap_err().to_string();
    assert!(error.contains("of `payments`; there are: `customers/pg`, `orders/shop`"), "{error}");
    // Another product's is not the only one that is left.
    let error = of_debezium(found(&entries[3..]), None).unwrap_err();
    assert!(matches!(error, ImportError::NothingFound { unreadable: 1, .. }), "{error}");
}

#[rstest]
#[case("", "it is no JSON")]
#[case("[]", "it is no JSON object")]
#[case(r#"{"pos":4}"#, "`file` is missing")]
#[case(r#"{"file":7,"pos":4}"#, "`file` is missing or no text")]
#[case(r#"{"file":"b.000001"}"#, "`pos` is missing")]
#[case(r#"{"file":"b.000001","pos":"4"}"#, "`pos` is \"4\"")]
#[case(r#"{"file":"b.000001","pos":-4}"#, "`pos` is -4")]
#[case(r#"{"file":"binlog","pos":4}"#, "ends in `.` and its number")]
#[case(r#"{"file":"b.000001","pos":4,"gtids":"x:1"}"#, "`gtids`: ")]
#[case(r#"{"file":"b.000001","pos":4,"gtids":[]}"#, "`gtids` is no text")]
#[case(r#"{"file":"b.000001","pos":4,"event":1.5}"#, "`event` is 1.5")]
#[case(r#"{"file":"b.000001","pos":4,"event":2,"row":"x"}"#, "`row` is \"x\"")]
fn offset_that_makes_no_sense_is_named_with_its_place(#[case] value: &str, #[case] reason: &str) {
    let error = of_value(value).unwrap_err().to_string();

    assert!(error.contains("`c/p` in topic t, partition 3, offset 42"), "{error}");
    assert!(error.contains(reason), "{error}");
}

#[test]
fn row_without_an_event_is_of_an_event_that_is_not_known() {
    let inside = |value: &str| of_value(value).unwrap().inside;

    assert_eq!(inside(r#"{"file":"b.000001","pos":4,"row":3}"#), Inside::Rows { rows: 3 });
    assert_eq!(
        inside(r#"{"file":"b.000001","pos":4,"event":2,"row":null,"gtids":"\n"}"#),
        Inside::Events { events: 2, rows: 0 }
    );
}

#[test]
fn record_of_eventuate_is_understood() {
    let read = |value: &str| {
        let raw = vec![Raw {
            key: b"reader1".to_vec(),
            value: value.as_bytes().to_vec(),
            place: "topic t, partition 0, offset 7".to_owned(),
        }];
        let found = Found::new(Product::Eventuate, "topic `t`".to_owned(), raw, eventuate::names);
        eventuate::read(found.choose(Some("reader1"), eventuate::is_ours)?)
    };

    let written = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/import/eventuate-offset.json"
    ));
    let foreign = read(written).unwrap();
    assert_eq!(foreign.coordinates, "bin-log.000007:902".parse().ok());
    assert_eq!((foreign.gtids, foreign.inside), (None, Inside::UpToIt));
    let skips = read(r#"{"binlogFilename":"b.000007","offset":902,"rowsToSkip":2}"#).unwrap();
    assert_eq!(skips.inside, Inside::Rows { rows: 2 });
    for wrong in ["", "{}", r#"{"binlogFilename":null,"offset":902}"#] {
        let error = read(wrong).unwrap_err().to_string();
        assert!(error.contains("`reader1` in topic t, partition 0, offset 7"), "{error}");
    }
}

#[test]
fn what_is_not_certainly_out_comes_once_more_and_what_is_does_not() {
    let within = |rows_before| Within { rows: 9, rows_before, ..Within::default() };
    let events = Inside::Events { events: 3, rows: 1 };
    let repeated =
        |decided: (Cut, Option<(u64, &str)>)| (decided.0, decided.1.map(|(rows, _)| rows));

    for exact in [events, Inside::UpToIt] {
        assert_eq!(decide(exact, &within(Some(0))), (Cut::Begin, None));
        assert_eq!(decide(exact, &within(Some(4))), (Cut::Behind(4), None));
        assert_eq!(decide(exact, &within(Some(9))), (Cut::End, None));
        assert_eq!(repeated(decide(exact, &within(None))), (Cut::Begin, Some(9)));
    }
    assert_eq!(decide(Inside::BeforeIt, &within(Some(9))), (Cut::End, None));
    assert_eq!(decide(Inside::BeforeIt, &within(Some(0))), (Cut::Begin, None));
    assert_eq!(repeated(decide(Inside::BeforeIt, &within(Some(4)))), (Cut::Begin, Some(4)));
    assert_eq!(repeated(decide(Inside::Unsaid, &within(Some(4)))), (Cut::Begin, Some(4)));
    assert_eq!(decide(Inside::Unsaid, &within(Some(0))), (Cut::Begin, None));
    let rows = Inside::Rows { rows: 1 };
    assert_eq!(repeated(decide(rows, &within(Some(4)))), (Cut::Begin, Some(9)));
    let heartbeat = Inside::Events { events: 3, rows: 0 };
    let next = Within { rows_next: 2, ..within(Some(4)) };
    assert_eq!(repeated(decide(heartbeat, &next)), (Cut::Behind(4), Some(2)));
    assert_eq!(decide(heartbeat, &within(Some(4))), (Cut::Behind(4), None));
    assert_eq!(decide(events, &next), (Cut::Behind(4), None));
    // Where the transaction has no outbox rows, there is nothing to repeat.
    assert_eq!(decide(events, &Within::default()), (Cut::Begin, None));
}

#[test]
fn place_is_the_begin_of_what_is_counted_or_the_end_of_what_is_out() {
    let events = Inside::Events { events: 3, rows: 1 };

    assert_eq!(up_to(events, 700), UpTo::Events { begin: 700, events: 3, rows: 1 });
    assert_eq!(up_to(Inside::UpToIt, 700), UpTo::Event(700));
    for ends in [Inside::BeforeIt, Inside::Unsaid, Inside::Rows { rows: 1 }] {
        assert_eq!(up_to(ends, 700), UpTo::End(700));
    }
}
