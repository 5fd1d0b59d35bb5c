//! XA branches: when their rows leave, and what of them the position keeps.

use uuid::Uuid;

use super::{
    UNLIMITED, assembler, ids,
    script::{Log, OTHER, OUTBOX, SOURCE},
    small,
};
use crate::{
    position::{GtidSet, Position, PreparedBranch},
    source::{Bounds, Chunk, SourceError, TransactionFault},
};

const XID: &str = "X'67',X'',1";

/// A branch of `g`, up to its `XA PREPARE` or one-phase commit.
fn branch(log: &mut Log, is_one_phase: bool, table_id: u64, rows: &[(u64, usize)]) {
    log.gtid().query(&format!("XA START {XID}")).insert(table_id, rows);
    log.query(&format!("XA END {XID}")).xa_prepare(is_one_phase);
}

fn end(log: &mut Log, verb: &str) {
    log.ddl(&format!("XA {verb} {XID}"));
}

/// Reads the log from `start` on, and branches again where they are asked for.
fn read(log: &Log, start: &Position, cost_max: usize) -> Result<Vec<Chunk>, SourceError> {
    let chunks = read_with(log, start, cost_max, false, Bounds::default())?;
    let from_kept = read_with(log, start, cost_max, true, Bounds::default())?;
    assert_eq!(rows(&chunks), rows(&from_kept), "kept events are those that are read again");
    Ok(chunks)
}

fn read_with(
    log: &Log,
    start: &Position,
    cost_max: usize,
    keeps: bool,
    bounds: Bounds,
) -> Result<Vec<Chunk>, SourceError> {
    let mut assembler = assembler(start, cost_max);
    assembler.keep_to(bounds);
    let mut chunks = Vec::new();
    let unneeded = start.unneeded(start.server_uuid, &GtidSet::default());
    for event in log.serve(&Position { gtid_set: unneeded, ..start.clone() }) {
        assembler.handle(&event.event())?;
        if let Some(recall) = assembler.recall() {
            let coordinates = recall.begins_at.clone();
            let kept = assembler.take_kept().filter(|_| keeps);
            for event in kept.into_iter().flatten() {
                assembler.handle_recalled(&event.event())?;
            }
            let at = Position { coordinates, gtid_set: None, ..start.clone() };
            for event in log.serve(&at) {
                if assembler.recall().is_some() {
                    assembler.handle_recalled(&event.event())?;
                }
            }
            assert_eq!(assembler.recall(), None, "the branch was read to its end");
        }
        assembler.close_position();
        chunks.extend(std::iter::from_fn(|| assembler.take_ready()));
    }
    Ok(chunks)
}

fn rows(chunks: &[Chunk]) -> Vec<u64> {
    ids(chunks).concat()
}

#[test]
fn rows_of_a_branch_leave_where_it_is_committed() {
    for with_gtids in [true, false] {
        let mut log = Log::new(with_gtids);
        branch(&mut log, false, OUTBOX, &[(1, 10), (2, 10)]);
        log.transaction(&[(OUTBOX, &[(3, 10)])]);
        end(&mut log, "COMMIT");
        log.transaction(&[(OUTBOX, &[(4, 10)])]);

        let chunks = read(&log, &log.start(), UNLIMITED).unwrap();

        assert_eq!(rows(&chunks), [3, 1, 2, 4]);
        assert!(chunks.last().unwrap().advance.prepared.is_empty());
    }
}

#[test]
fn rows_of_a_branch_that_is_rolled_back_never_leave() {
    let mut log = Log::new(true);
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    end(&mut log, "ROLLBACK");
    log.transaction(&[(OUTBOX, &[(2, 10)])]);

    let chunks = read(&log, &log.start(), UNLIMITED).unwrap();

    assert_eq!(rows(&chunks), [2]);
    assert!(chunks.last().unwrap().advance.prepared.is_empty());
}

#[test]
fn branch_of_other_tables_and_one_that_was_never_seen_are_nothing_to_hold() {
    let mut log = Log::new(true);
    end(&mut log, "COMMIT");
    branch(&mut log, false, OTHER, &[(1, 10)]);

    let chunks = read(&log, &log.start(), UNLIMITED).unwrap();

    assert!(chunks.iter().all(|chunk| chunk.records.is_empty()));
    assert!(chunks.last().unwrap().advance.prepared.is_empty());
}

#[test]
fn one_phase_commit_is_a_commit_whatever_its_size() {
    for cost_max in [UNLIMITED, 1000] {
        let mut log = Log::new(true);
        branch(&mut log, true, OUTBOX, &small(0..10));

        let chunks = read(&log, &log.start(), cost_max).unwrap();

        assert_eq!(rows(&chunks), (0..10).collect::<Vec<_>>());
    }
}

/// After every chunk a relay may be killed: another one goes on from there.
#[test]
fn branches_are_committed_whole_and_once_wherever_reading_goes_on() {
    for (with_gtids, cost_max) in
        [(true, UNLIMITED), (false, UNLIMITED), (true, 1000), (false, 1000)]
    {
        let mut log = Log::new(with_gtids);
        log.transaction(&[(OUTBOX, &[(100, 10)])]);
        branch(&mut log, false, OUTBOX, &small(0..10));
        log.rotate();
        log.transaction(&[(OUTBOX, &[(101, 10)])]);
        end(&mut log, "COMMIT");
        branch(&mut log, true, OUTBOX, &small(20..30));
        log.transaction(&[(OUTBOX, &[(102, 10)])]);
        let all = read(&log, &log.start(), cost_max).unwrap();
        let expected = rows(&all);
        assert_eq!(expected.len(), 23);

        for killed in 0..all.len() {
            let (out, _) = all.split_at(killed);
            let mut position = log.start();
            for chunk in out {
                position.apply(&chunk.advance);
            }
            let rest = read(&log, &position, cost_max).unwrap();
            assert_eq!([rows(out), rows(&rest)].concat(), expected, "behind chunk {killed}");
        }
    }
}

#[test]
fn gtid_of_a_branch_stays_out_until_it_has_ended() {
    let mut log = Log::new(true);
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    let mut position = log.start();
    for chunk in read(&log, &log.start(), UNLIMITED).unwrap() {
        position.apply(&chunk.advance);
    }
    let gtid = position.prepared[0].gtid.unwrap();

    assert!(!position.gtid_set.as_ref().unwrap().contains(&gtid));
    assert_eq!(position.gtid_set.as_ref().unwrap().count(), 1);

    end(&mut log, "COMMIT");
    for chunk in read(&log, &position.clone(), UNLIMITED).unwrap() {
        position.apply(&chunk.advance);
    }
    assert_eq!(position.gtid_set.unwrap().count(), 3);
}

/// The position after all of the log.
fn read_up_to(log: &Log, start: Position) -> Position {
    let mut position = start;
    for chunk in read(log, &position.clone(), UNLIMITED).unwrap() {
        position.apply(&chunk.advance);
    }
    position
}

#[test]
fn another_server_is_asked_for_the_branch_again_and_the_same_one_is_not() {
    let mut log = Log::new(true);
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    let position = read_up_to(&log, log.start());
    let gtid = position.prepared[0].gtid.unwrap();

    let purged = GtidSet::default();
    assert!(position.unneeded(position.server_uuid, &purged).unwrap().contains(&gtid));
    assert!(!position.unneeded(Uuid::max(), &purged).unwrap().contains(&gtid));

    // There everything lies elsewhere.
    let mut log = Log::new(true);
    log.rotate();
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    end(&mut log, "COMMIT");
    let there = Position {
        server_uuid: Uuid::max(),
        coordinates: log.start().coordinates,
        ..position.clone()
    };
    let chunks = read(&log, &there, UNLIMITED).unwrap();
    assert_eq!(rows(&chunks), [1]);
    assert!(chunks.last().unwrap().advance.prepared.is_empty());
}

#[test]
fn branch_that_another_server_has_purged_halts_where_it_is_committed() {
    let mut log = Log::new(true);
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    let position = read_up_to(&log, log.start());
    let purged = GtidSet::from_iter(position.prepared[0].gtid);
    end(&mut log, "COMMIT");
    let there = Position {
        server_uuid: Uuid::max(),
        gtid_set: position.unneeded(Uuid::max(), &purged),
        ..position
    };

    let error = read(&log, &there, UNLIMITED).unwrap_err();

    assert!(matches!(error, SourceError::BranchGone { ref xid, .. } if xid == XID), "{error}");
}

/// As in a replay of what has certain GTIDs.
#[test]
fn branch_belongs_to_the_range_that_its_commit_is_in() {
    let mut log = Log::new(true);
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    end(&mut log, "COMMIT");
    log.transaction(&[(OUTBOX, &[(3, 10)])]);
    let range = |bounds| rows(&read_with(&log, &log.start(), UNLIMITED, false, bounds).unwrap());
    let upto = |numbers: &str| Some(format!("{SOURCE}:{numbers}").parse().unwrap());

    assert_eq!(range(Bounds { after: upto("1-2"), ..Bounds::default() }), [1, 3]);
    assert_eq!(range(Bounds { after: upto("1-3"), ..Bounds::default() }), [3]);
    assert_eq!(range(Bounds { within: upto("1-2"), ..Bounds::default() }), [2]);
}

/// A server that died may have the branch in its binlog and not in its engine.
#[test]
fn branch_of_an_xid_that_is_used_again_has_ended() {
    let mut log = Log::new(true);
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    branch(&mut log, false, OUTBOX, &[(2, 10)]);
    end(&mut log, "COMMIT");

    let chunks = read(&log, &log.start(), UNLIMITED).unwrap();
    assert_eq!(rows(&chunks), [2]);
    let position = read_up_to(&log, log.start());
    assert_eq!((position.prepared.len(), position.gtid_set.unwrap().count()), (0, 3));
}

#[test]
fn another_branch_in_its_place_halts() {
    let mut log = Log::new(false);
    branch(&mut log, false, OUTBOX, &[(1, 10)]);
    end(&mut log, "COMMIT");
    let mut start = log.start();
    start.prepared = vec![PreparedBranch {
        xid: XID.replace("67", "68"),
        gtid: None,
        server_uuid: start.server_uuid,
        begins_at: start.coordinates.clone(),
        prepared_at: jiff::Timestamp::UNIX_EPOCH,
    }];
    log.ddl("XA COMMIT X'68',X'',1");

    let error = read(&log, &start, UNLIMITED).unwrap_err();

    assert!(matches!(
        error,
        SourceError::Transaction { fault: TransactionFault::BranchReplaced { .. }, .. }
    ));
}
