//! Which rows of which transactions leave.

use std::iter;

use super::{
    UNLIMITED, assembler, chunks, fault, ids, read,
    script::{Log, OTHER, OUTBOX, table_map},
    small,
};
use crate::{
    position::BinlogCoordinates,
    source::{
        Chunk, SourceError, TransactionFault, event::EventType, table_map::ColumnDescription,
    },
};

#[test]
fn transactions_leave_in_commit_order_with_their_outbox_rows_only() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])])
        .transaction(&[(OTHER, &[(2, 10)]), (OUTBOX, &[(3, 10), (4, 10)]), (OTHER, &[(5, 10)])])
        .transaction(&[(OTHER, &[(6, 10)])])
        .compressed(&[(OTHER, &[(7, 10)]), (OUTBOX, &[(8, 10)])]);

    let chunks = chunks(&log, UNLIMITED);

    assert_eq!(ids(&chunks), [vec![1], vec![3, 4], vec![8]]);
}

#[test]
fn each_transaction_leaves_by_itself_where_that_is_asked_for() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10), (2, 10)])])
        .transaction(&[(OTHER, &[(3, 10)])])
        .transaction(&[(OUTBOX, &[(4, 10)])]);
    let start = log.start();
    let read_at_once = |singly| {
        let mut assembler = assembler(&start, UNLIMITED);
        if singly {
            assembler.cut_after_each_transaction();
        }
        for event in log.serve(&start) {
            assembler.handle(&event.event()).unwrap();
        }
        assembler.close();
        iter::from_fn(|| assembler.take_ready()).collect::<Vec<_>>()
    };

    assert_eq!(ids(&read_at_once(false)), [vec![1, 2, 4]]);
    let singly = read_at_once(true);
    assert_eq!(ids(&singly), [vec![1, 2], vec![4]]);
    assert!(singly[0].advance.coordinates < singly[1].advance.coordinates);
}

#[test]
fn chunk_of_one_transaction_says_where_that_begins_and_how_many_rows_stand_before() {
    let mut log = Log::new(true);
    let first = log.position;
    log.transaction(&[(OUTBOX, &small(0..2))]).transaction(&[(OTHER, &[(0, 10)])]);
    let begin = log.position;
    log.transaction(&[(OUTBOX, &small(0..13))]);
    let start = log.start();
    let mut assembler = assembler(&start, 1200);
    assembler.cut_after_each_transaction();
    for event in log.serve(&start) {
        assembler.handle(&event.event()).unwrap();
    }

    let chunks: Vec<_> = iter::from_fn(|| assembler.take_ready()).collect();

    let told = |chunk: &Chunk| {
        let transaction = chunk.transaction.clone().unwrap();
        (transaction.gtid.unwrap().number, transaction.begins_at, transaction.rows_before)
    };
    let told: Vec<_> = chunks.iter().map(told).collect();
    let at = |position| BinlogCoordinates { position, ..start.coordinates.clone() };
    assert_eq!(told[0], (1, at(first), 0));
    assert_eq!(told[1..], [(3, at(begin), 0), (3, at(begin), 5), (3, at(begin), 10)]);
}

#[test]
fn record_is_made_of_the_row_by_the_configured_columns() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(9, 3)])]);

    let chunks = chunks(&log, UNLIMITED);

    let record = &chunks[0].records[0];
    assert_eq!(&*record.topic, "outbox.event.order");
    assert_eq!(record.key.as_deref(), Some(b"2".as_slice()));
    assert_eq!(record.value.as_deref(), Some(b"ppp".as_slice()));
    assert_eq!(record.timestamp_ms, 1_700_000_000_000);
}

#[test]
fn nothing_leaves_before_the_commit_event() {
    let mut log = Log::new(true);
    log.begin().insert(OUTBOX, &[(1, 10)]);

    let start = log.start();
    let chunks = read(&log.serve(&start), &start, UNLIMITED).unwrap();

    assert!(chunks.is_empty());
}

#[test]
fn updates_and_deletes_of_outbox_rows_are_passed_over() {
    let mut log = Log::new(true);
    log.begin()
        .insert(OUTBOX, &[(1, 10)])
        .table_map(OUTBOX)
        .rows(EventType::DELETE_ROWS, OUTBOX, &[(1, 10)])
        .table_map(OUTBOX)
        .rows(EventType::UPDATE_ROWS, OUTBOX, &[(2, 10), (2, 11)])
        .insert(OUTBOX, &[(3, 10)])
        .xid();

    assert_eq!(ids(&chunks(&log, UNLIMITED)), [[1, 3]]);
}

#[test]
fn rows_behind_a_savepoint_that_was_rolled_back_do_not_leave() {
    let mut log = Log::new(true);
    log.begin()
        .insert(OUTBOX, &[(1, 10)])
        .query("SAVEPOINT `a`")
        .insert(OUTBOX, &[(2, 10)])
        .query("ROLLBACK TO `a`")
        .insert(OUTBOX, &[(3, 10)])
        .xid();

    assert_eq!(ids(&chunks(&log, UNLIMITED)), [[1, 3]]);
}

#[test]
fn logged_rollback_drops_the_transaction() {
    let mut log = Log::new(true);
    log.begin().insert(OUTBOX, &[(1, 10)]).query("ROLLBACK").end();
    log.transaction(&[(OUTBOX, &[(2, 10)])]);

    let chunks = chunks(&log, UNLIMITED);

    assert_eq!(ids(&chunks), [[2]]);
    let gtids = chunks[0].advance.gtids.as_ref().unwrap();
    assert_eq!(gtids.count(), 2, "a transaction that was rolled back is passed too");
}

#[test]
fn logged_rollback_of_what_is_out_halts() {
    let mut log = Log::new(true);
    log.begin().insert(OUTBOX, &small(0..10)).query("ROLLBACK").end();

    let fault = fault(&log, 1000);

    assert!(matches!(fault, TransactionFault::RolledBack { outbox_rows: 8.. }), "{fault}");
}

#[test]
fn ddl_is_a_transaction_of_its_own_between_others() {
    for with_gtids in [true, false] {
        let mut log = Log::new(with_gtids);
        log.transaction(&[(OUTBOX, &[(1, 10)])])
            .ddl("alter table shop.other add column c int")
            .ddl("XA COMMIT X'67',X'',1")
            .transaction(&[(OUTBOX, &[(2, 10)])]);

        assert_eq!(ids(&chunks(&log, UNLIMITED)), [[1], [2]]);
    }
}

#[test]
fn create_table_select_is_ddl_inside_of_a_transaction() {
    let mut log = Log::new(true);
    log.begin()
        .query("CREATE TABLE `outbox` (`id` bigint) START TRANSACTION")
        .insert(OUTBOX, &[(1, 10), (2, 10)])
        .xid();

    assert_eq!(ids(&chunks(&log, UNLIMITED)), [[1, 2]]);
}

#[test]
fn transaction_of_a_table_without_transactions_ends_in_commit() {
    let mut log = Log::new(true);
    log.begin().insert(OUTBOX, &[(1, 10)]).query("COMMIT").end();

    assert_eq!(ids(&chunks(&log, UNLIMITED)), [[1]]);
}

#[test]
fn server_without_gtid_events_is_read_too() {
    let mut log = Log::new(false);
    log.query("BEGIN").insert(OUTBOX, &[(1, 10)]).xid();
    log.query("create table t (a int)");
    log.query("BEGIN").insert(OUTBOX, &[(2, 10)]).xid();

    assert_eq!(ids(&chunks(&log, UNLIMITED)), [[1], [2]]);
}

/// Writes what follows the open transaction.
type Follow = fn(&mut Log);

#[test]
fn transaction_without_its_commit_event_is_never_passed_over() {
    let open = || {
        let mut log = Log::new(true);
        log.transaction(&[(OUTBOX, &[(1, 10)])]).begin().insert(OUTBOX, &[(2, 10)]).end();
        log
    };
    let follow: [(&str, Follow); 5] = [
        ("gtid", |log| {
            log.gtid();
        }),
        ("begin", |log| {
            log.query("BEGIN");
        }),
        ("rotate", |log| {
            log.rotate();
        }),
        ("stop", |log| log.push(EventType::STOP, Vec::new())),
        ("next file", |log| log.push(EventType::FORMAT_DESCRIPTION, vec![0; 100])),
    ];

    for (what, follow) in follow {
        let mut log = open();
        follow(&mut log);
        let start = log.start();

        let (error, chunks) = read(&log.serve(&start), &start, UNLIMITED).unwrap_err();

        assert_eq!(ids(&chunks), [[1]], "{what}");
        let SourceError::Transaction { place, fault } = error else { panic!("{what}: {error}") };
        assert!(matches!(fault, TransactionFault::CutShort { .. }), "{what}: {fault}");
        assert_eq!(place.gtid.unwrap().number, 2, "{what}");
    }
}

#[test]
fn compressed_transaction_whose_payload_is_empty_is_not_passed_over() {
    let mut log = Log::new(true);
    log.gtid().end();
    log.push(EventType::TRANSACTION_PAYLOAD, vec![0; 50]);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);

    assert_eq!(fault(&log, UNLIMITED), TransactionFault::CutShort { found: EventType::GTID });
}

#[test]
fn position_inside_a_transaction_is_noticed() {
    for skipped in 1..=2 {
        let mut log = Log::new(false);
        log.transaction(&[(OUTBOX, &[(1, 10)])]);
        let start = log.start();
        // The artificial rotate, the file's head, GTID; then without BEGIN, or without table map too.
        let mut events = log.serve(&start);
        events.drain(3..=3 + skipped);

        let (error, chunks) = read(&events, &start, UNLIMITED).unwrap_err();

        assert!(chunks.is_empty());
        assert!(
            matches!(
                error,
                SourceError::Transaction { fault: TransactionFault::Headless { .. }, .. }
            ),
            "{error}"
        );
    }
}

#[test]
fn rows_of_a_table_that_was_not_announced_in_their_statement_are_refused() {
    let mut log = Log::new(true);
    log.begin().insert(OUTBOX, &[(1, 10)]).rows(EventType::WRITE_ROWS, OUTBOX, &[(2, 10)]);

    assert_eq!(fault(&log, UNLIMITED), TransactionFault::Unannounced { table_id: OUTBOX });
}

#[test]
fn incident_halts_with_its_message() {
    let mut log = Log::new(true);
    log.push(EventType::INCIDENT, b"\x01\0\x0bLOST_EVENTS".to_vec());

    assert_eq!(
        fault(&log, UNLIMITED),
        TransactionFault::Incident { message: "LOST_EVENTS".to_owned() }
    );
}

#[test]
fn unknown_event_halts_unless_it_may_be_ignored() {
    const FROM_THE_FUTURE: EventType = EventType(99);
    let mut log = Log::new(true);
    log.push(FROM_THE_FUTURE, Vec::new());
    let mut ignorable = log.clone();
    ignorable.events.last_mut().unwrap().header.flags = 0x80;

    assert_eq!(
        fault(&log, UNLIMITED),
        TransactionFault::UnknownEvent { event_type: FROM_THE_FUTURE }
    );
    assert!(chunks(&ignorable, UNLIMITED).is_empty());
}

#[test]
fn columns_are_asked_for_where_the_binlog_has_no_names_and_again_behind_ddl() {
    let mut log = Log::new(true);
    let nameless = |log: &mut Log, id| {
        log.begin();
        log.push(EventType::TABLE_MAP, table_map(OUTBOX, "outbox", false));
        log.rows(EventType::WRITE_ROWS, OUTBOX, &[(id, 10)]).xid();
    };
    nameless(&mut log, 1);
    nameless(&mut log, 2);
    log.ddl("alter table unrelated add column c int");
    nameless(&mut log, 3);
    let columns: Vec<_> = iter::zip(
        ["id", "aggregatetype", "aggregateid", "payload"],
        ["bigint", "varchar(20)", "varchar(20)", "varchar(20000)"],
    )
    .map(|(name, column_type)| ColumnDescription {
        name: name.to_owned(),
        column_type: column_type.to_owned(),
        character_set: (name != "id").then(|| "latin1".to_owned()),
    })
    .collect();

    let start = log.start();
    let mut assembler = assembler(&start, UNLIMITED);
    let mut asked = 0;
    for event in log.serve(&start) {
        if let Some(name) = assembler.handle(&event.event()).unwrap() {
            assert_eq!((name.database.as_str(), name.table.as_str()), ("shop", "outbox"));
            asked += 1;
            assembler.describe(&columns).unwrap();
        }
    }
    assembler.close();

    assert_eq!(ids(&[assembler.take_ready().unwrap()]), [[1, 2, 3]]);
    assert_eq!(asked, 2, "once for the table, once more behind the DDL");
}

#[test]
fn table_that_is_gone_or_changed_halts_and_names_the_setting() {
    let mut log = Log::new(true);
    log.begin();
    log.push(EventType::TABLE_MAP, table_map(OUTBOX, "outbox", false));
    let start = log.start();
    let other = ColumnDescription {
        name: "id".to_owned(),
        column_type: "bigint".to_owned(),
        character_set: None,
    };

    for columns in [vec![], vec![other]] {
        let mut assembler = assembler(&start, UNLIMITED);
        for event in log.serve(&start) {
            assembler.handle(&event.event()).unwrap();
        }
        let error = assembler.describe(&columns).unwrap_err();
        assert!(error.to_string().contains("binlog_row_metadata=FULL"), "{error}");
    }
}
