//! Outbox rows that are in the binlog as the statement that inserted them.

use std::sync::Arc;

use rstest::rstest;

use super::{
    Chunk, UNLIMITED, chunks, fault, ids, read,
    script::{Log, Logged, OTHER, OUTBOX},
    small,
};
use crate::{
    config::{NameCase, OutboxTable},
    error::Disposition,
    exit_code::ExitCode,
    source::{Place, SourceError, TransactionFault, assembler::Assembler},
};

/// One row, then a transaction with that statement, then another row.
fn around(statement: impl FnOnce(&mut Log)) -> Log {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).begin();
    statement(&mut log);
    log.xid().transaction(&[(OUTBOX, &[(2, 10)])]);
    log
}

fn halts(log: &Log) -> (Arc<str>, Place, Vec<Chunk>) {
    let start = log.start();
    match read(&log.serve(&start), &start, UNLIMITED) {
        Err((SourceError::StatementFormat { table, place }, chunks)) => (table, *place, chunks),
        other => panic!("it does not halt: {other:?}"),
    }
}

fn passes(log: &Log) {
    assert_eq!(ids(&chunks(log, UNLIMITED)), [[1], [2]]);
}

#[rstest]
#[case::default_database("insert into outbox (id) values (1)", "shop.outbox")]
#[case::other_database("/* app */ REPLACE `crm` . `outbox` select 1", "crm.outbox")]
fn insert_into_an_outbox_halts_behind_everything_before_it(
    #[case] text: &str,
    #[case] expected: &str,
) {
    let (table, _, chunks) = halts(&around(|log| {
        log.query(text);
    }));

    assert_eq!(&*table, expected);
    assert_eq!(ids(&chunks), [[1]]);
}

#[test]
fn load_into_an_outbox_halts_too() {
    let load = |table: &str| {
        around(|log| {
            log.load(&format!("LOAD DATA INFILE 'into table outbox' INTO TABLE `{table}`"));
        })
    };

    assert_eq!(&*halts(&load("outbox")).0, "shop.outbox");
    passes(&load("other"));
}

#[rstest]
#[case("insert into other select * from outbox")]
#[case("insert into other values ('insert into outbox values (1)')")]
#[case("insert into outbox_archive values (1)")]
#[case("update outbox set payload = 'x'")]
#[case("delete from shop.outbox")]
#[case("replace into OUTBOX set id = 1")]
fn statement_that_puts_no_row_into_an_outbox_passes(#[case] text: &str) {
    passes(&around(|log| {
        log.query(text);
    }));
}

#[test]
fn error_names_table_transaction_and_the_place_behind_it_with_the_repair() {
    let mut log = Log::new(true);
    log.transaction(&[(OTHER, &[(1, 10)])]).begin().query("insert into outbox set id = 1").xid();
    let end = log.position;
    log.transaction(&[(OUTBOX, &[(2, 10)])]);

    let (table, place, _) = halts(&log);

    assert_eq!(place.coordinates.position, end, "reading can go on there");
    assert_eq!(place.gtid.unwrap().number, 2);
    let error = SourceError::StatementFormat { table, place: Box::new(place.clone()) };
    let message = error.to_string();
    for part in
        ["`shop.outbox`", &place.to_string(), "binlog_format=ROW", "SESSION_VARIABLES_ADMIN"]
    {
        assert!(message.contains(part), "`{part}` is missing in: {message}");
    }
    assert_eq!(error.disposition(), Disposition::Halt);
    assert_eq!(ExitCode::from(&error), ExitCode::Data);
}

#[test]
fn reading_goes_on_behind_the_place_that_the_error_names() {
    let mut log = Log::new(false);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).begin().query("insert into outbox set id = 9").xid();
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    let (_, place, _) = halts(&log);

    let behind = crate::position::Position { coordinates: place.coordinates, ..log.start() };
    let chunks = read(&log.serve(&behind), &behind, UNLIMITED).unwrap();

    assert_eq!(ids(&chunks), [[2]]);
}

/// MIXED has both in one transaction.
#[test]
fn rows_beside_the_statement_do_not_leave_without_its_rows() {
    let (_, _, chunks) = halts(&around(|log| {
        log.insert(OUTBOX, &[(7, 10)]).query("insert into outbox set id = 8");
        log.insert(OUTBOX, &[(9, 10)]);
    }));

    assert_eq!(ids(&chunks), [[1]]);
}

#[test]
fn statement_that_was_rolled_back_passes() {
    passes(&around(|log| {
        log.query("SAVEPOINT `a`").query("insert into outbox set id = 8");
        log.query("ROLLBACK TO `a`");
    }));
    passes(&around(|log| {
        log.query("insert into outbox set id = 8").query("ROLLBACK TO `set before BEGIN`");
    }));
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    log.begin().query("insert into outbox set id = 8").query("ROLLBACK").end();
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    passes(&log);
}

#[test]
fn statement_before_the_savepoint_stays() {
    halts(&around(|log| {
        log.query("insert into outbox set id = 8").query("SAVEPOINT `a`");
        log.query("insert into outbox set id = 9").query("ROLLBACK TO `a`");
    }));
}

#[test]
fn statement_without_its_commit_event_is_a_transaction_cut_short() {
    let mut log = Log::new(true);
    log.begin().query("insert into outbox set id = 8").end();
    log.transaction(&[(OUTBOX, &small(0..2))]);

    assert!(matches!(fault(&log, UNLIMITED), TransactionFault::CutShort { .. }));
}

#[test]
fn names_are_compared_as_the_server_compares_them() {
    let log = around(|log| {
        log.query("insert into Shop.OutBox set id = 8");
    });
    let start = log.start();
    let halts = |names| {
        let entries = Arc::from(vec![OutboxTable::default()]);
        let mut assembler = Assembler::new(&start, entries, names, UNLIMITED);
        let mut handle = |event: &Logged| assembler.handle(&event.event()).is_err();
        log.serve(&start).iter().any(&mut handle)
    };

    assert!(halts(NameCase::Folded));
    assert!(!halts(NameCase::Sensitive));
}
