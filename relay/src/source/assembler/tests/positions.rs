//! What chunks say of how far they reach.

use super::{
    UNLIMITED, assembler, chunks, ids, read,
    script::{Log, OTHER, OUTBOX, SOURCE, artificial_rotate, file_name},
    small,
};
use crate::{
    position::{GtidSet, InProgress, Position},
    source::{SourceError, TransactionFault, event::EventType},
};

#[test]
fn position_of_a_whole_transaction_is_behind_its_commit_event() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let end = log.position;
    log.begin();

    let chunks = chunks(&log, UNLIMITED);

    let advance = &chunks[0].advance;
    assert_eq!(advance.coordinates.to_string(), format!("{}:{end}", file_name(0)));
    assert_eq!(advance.gtids.as_ref().unwrap().to_string(), format!("{SOURCE}:1"));
    assert_eq!(advance.in_progress, None);
    assert_eq!(advance.server_uuid, SOURCE);
    assert_eq!(chunks[0].commit_timestamp_us, 1_700_000_000_000_000);
}

#[test]
fn position_of_a_compressed_transaction_is_behind_its_payload() {
    let mut log = Log::new(true);
    log.compressed(&[(OUTBOX, &[(1, 10)])]);
    let end = log.position;

    assert_eq!(chunks(&log, UNLIMITED)[0].advance.coordinates.position, end);
}

#[test]
fn transactions_without_outbox_rows_leave_with_the_next_chunk() {
    let mut log = Log::new(true);
    log.transaction(&[(OTHER, &[(1, 10)])])
        .transaction(&[(OTHER, &[(2, 10)])])
        .transaction(&[(OUTBOX, &[(3, 10)])]);

    let chunks = chunks(&log, UNLIMITED);

    assert_eq!(ids(&chunks), [[3]]);
    assert_eq!(chunks[0].advance.gtids.as_ref().unwrap().to_string(), format!("{SOURCE}:1-3"));
}

#[test]
fn quiet_outbox_moves_the_position_when_it_is_asked_to() {
    let mut log = Log::new(false);
    log.transaction(&[(OTHER, &[(1, 10)])]).rotate();
    let start = log.start();
    let mut assembler = assembler(&start, UNLIMITED);
    for event in log.serve(&start) {
        assembler.handle(&event.event()).unwrap();
    }

    assembler.close();
    assert!(assembler.take_ready().is_none(), "nothing to publish");
    assembler.close_position();
    let chunk = assembler.take_ready().unwrap();
    assembler.close_position();

    assert!(chunk.records.is_empty());
    assert_eq!(
        chunk.advance.coordinates.to_string(),
        format!("{}:{}", file_name(1), log.position),
        "behind the next file's head"
    );
    assert!(assembler.take_ready().is_none(), "it has not moved since");
}

#[test]
fn large_transaction_leaves_in_parts_that_count_their_rows() {
    let mut log = Log::new(true);
    log.transaction(&[(OTHER, &[(0, 10)])]);
    let begin = log.position;
    log.transaction(&[(OUTBOX, &small(0..10)), (OTHER, &[(0, 10)]), (OUTBOX, &small(10..13))]);

    let chunks = chunks(&log, 1200);

    let counts: Vec<_> = chunks
        .iter()
        .map(|chunk| chunk.advance.in_progress.as_ref().map(|part| part.outbox_rows))
        .collect();
    assert_eq!(counts, [Some(5), Some(10), None]);
    assert_eq!(ids(&chunks).concat(), (0..13).collect::<Vec<_>>());
    for part in &chunks[..2] {
        assert_eq!(part.advance.coordinates.position, begin, "not inside the transaction");
        assert_eq!(part.advance.in_progress.as_ref().unwrap().gtid.unwrap().number, 2);
    }
    assert_eq!(chunks[0].advance.gtids.as_ref().unwrap().count(), 1);
    assert_eq!(chunks[2].advance.coordinates.position, log.position);
}

#[test]
fn transactions_that_wait_leave_before_a_large_one() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).transaction(&[(OUTBOX, &small(10..20))]);
    let start = log.start();
    let mut assembler = assembler(&start, 1200);
    for event in log.serve(&start) {
        assembler.handle(&event.event()).unwrap();
    }

    let first = assembler.take_ready().unwrap();

    assert_eq!(ids(std::slice::from_ref(&first)), [[1]]);
    assert_eq!(first.advance.in_progress, None);
}

#[test]
fn whole_transactions_share_a_chunk_up_to_the_limit() {
    let mut log = Log::new(true);
    for id in 0..10 {
        log.transaction(&[(OUTBOX, &[(id, 20)])]);
    }
    let start = log.start();
    let mut assembler = assembler(&start, 1200);
    let mut chunks = Vec::new();
    for event in log.serve(&start) {
        assembler.handle(&event.event()).unwrap();
        chunks.extend(assembler.take_ready());
    }
    assembler.close();
    chunks.extend(assembler.take_ready());

    assert_eq!(ids(&chunks).concat(), (0..10).collect::<Vec<_>>());
    assert!(chunks.len() <= 3, "{}", chunks.len());
    for chunk in &chunks {
        assert!(chunk.records.iter().map(super::super::cost).sum::<usize>() <= 1200);
    }
}

#[test]
fn positions_beyond_4_gib_are_kept_whole() {
    const BEYOND: u64 = (5 << 32) + 1000;
    let mut log = Log::new(false);
    log.position = BEYOND;
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let start = Position {
        coordinates: format!("{}:{BEYOND}", file_name(0)).parse().unwrap(),
        ..log.start()
    };

    let chunks = read(&log.serve(&start), &start, UNLIMITED).unwrap();

    assert_eq!(chunks[0].advance.coordinates.position, log.position);
}

#[test]
fn position_is_reached_from_the_start_of_its_file() {
    let mut log = Log::new(false);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let position = Position {
        coordinates: format!("{}:{}", file_name(0), log.position).parse().unwrap(),
        ..log.start()
    };
    log.compressed(&[(OUTBOX, &[(2, 10)])]);
    let events = log.serve(&log.start());

    let mut assembler = assembler(&position, UNLIMITED);
    assembler.pass_over_to_start();
    for event in &events {
        assembler.handle(&event.event()).unwrap();
    }
    assembler.close();

    let chunk = assembler.take_ready().unwrap();
    assert_eq!(ids(std::slice::from_ref(&chunk)), [[2]]);
    assert_eq!(chunk.advance.coordinates.position, log.position);
}

#[test]
fn position_that_is_no_boundary_of_its_file_is_refused() {
    let mut log = Log::new(false);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let inside = log.position - 3;
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    let beyond = log.position + 1000;
    log.rotate();
    let events = log.serve(&log.start());

    for position in [inside, beyond] {
        let start = Position {
            coordinates: format!("{}:{position}", file_name(0)).parse().unwrap(),
            ..log.start()
        };
        let mut assembler = assembler(&start, UNLIMITED);
        assembler.pass_over_to_start();
        let error = events.iter().find_map(|event| assembler.handle(&event.event()).err());
        assert!(
            matches!(
                error,
                Some(SourceError::Transaction {
                    fault: TransactionFault::PositionUnreachable { .. },
                    ..
                })
            ),
            "{position}: {error:?}"
        );
    }
}

/// With GTIDs the server begins in an old file and passes over what is out. On another server the
/// file's name may be that of the checkpoint, and means nothing.
#[test]
fn coordinates_do_not_move_before_the_first_transaction_that_is_not_out() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).rotate().transaction(&[(OUTBOX, &[(2, 10)])]).rotate();
    let start = Position {
        file_begun: None,
        gtid_set: Some(format!("{SOURCE}:1-2").parse().unwrap()),
        coordinates: format!("{}:500000", file_name(0)).parse().unwrap(),
        ..log.start()
    };

    let idle = read(&log.serve(&start), &start, UNLIMITED).unwrap();
    log.transaction(&[(OUTBOX, &[(3, 10)])]);
    let moved = read(&log.serve(&start), &start, UNLIMITED).unwrap();

    assert!(idle.is_empty());
    assert_eq!(
        moved[0].advance.coordinates.to_string(),
        format!("{}:{}", file_name(2), log.position)
    );
}

#[test]
fn heartbeats_and_artificial_rotates_move_nothing() {
    let mut log = Log::new(false);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let end = log.position;
    let start = log.start();
    let mut events = log.serve(&start);
    log.push(EventType::HEARTBEAT, file_name(0).into_bytes());
    events.push(log.events.last().unwrap().clone());
    events.push(artificial_rotate(&file_name(0), end));
    log.position = end;
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    events.extend(log.events.iter().rev().take(5).rev().cloned());

    let chunks = read(&events, &start, UNLIMITED).unwrap();

    assert_eq!(ids(&chunks), [[1], [2]]);
    assert_eq!(chunks[1].advance.coordinates.position, log.position);
}

#[test]
fn another_transaction_before_the_one_in_progress_keeps_it_in_the_position() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).transaction(&[(OUTBOX, &small(10..14))]);
    let in_progress =
        InProgress { gtid: Some(format!("{SOURCE}:2").parse().unwrap()), outbox_rows: 3 };
    let start = Position { in_progress: Some(in_progress.clone()), ..log.start() };

    let chunks = read(&log.serve(&start), &start, UNLIMITED).unwrap();

    assert_eq!(ids(&chunks), [[1], [13]]);
    assert_eq!(chunks[0].advance.in_progress, Some(in_progress));
    assert_eq!(chunks[1].advance.in_progress, None);
}

#[test]
fn second_large_transaction_before_the_one_in_progress_halts() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &small(0..10))]).transaction(&[(OUTBOX, &small(10..14))]);
    let gtid = format!("{SOURCE}:2").parse().unwrap();
    let in_progress = Some(InProgress { gtid: Some(gtid), outbox_rows: 3 });
    let start = Position { in_progress, ..log.start() };

    let (error, _) = read(&log.serve(&start), &start, 1200).unwrap_err();

    let SourceError::Transaction { fault, .. } = error else { panic!("{error}") };
    assert_eq!(fault, TransactionFault::SecondInProgress { gtid: Box::new(gtid) });
}

#[test]
fn transaction_with_fewer_rows_than_are_out_is_not_the_one_in_progress() {
    let mut log = Log::new(false);
    log.transaction(&[(OUTBOX, &small(0..3))]);
    let in_progress = Some(InProgress { gtid: None, outbox_rows: 4 });
    let start = Position { in_progress, ..log.start() };

    let (error, chunks) = read(&log.serve(&start), &start, UNLIMITED).unwrap_err();

    assert!(chunks.is_empty());
    let SourceError::Transaction { fault, .. } = error else { panic!("{error}") };
    assert_eq!(fault, TransactionFault::Shorter { published: 4, found: 3 });
}

#[test]
fn coordinates_pass_over_transactions_whose_gtid_is_published() {
    let mut log = Log::new(true);
    for id in 1..=3 {
        log.transaction(&[(OUTBOX, &[(id, 10)])]);
    }
    let published: GtidSet = format!("{SOURCE}:2").parse().unwrap();
    let start = Position { gtid_set: Some(published.clone()), ..log.start() };
    let everything = log.serve(&Position { gtid_set: None, ..log.start() });
    let mut assembler = assembler(&start, UNLIMITED);
    assembler.by_coordinates(start.gtid_set.clone());

    for event in &everything {
        assembler.handle(&event.event()).unwrap();
    }
    assembler.close_position();

    let chunk = assembler.take_ready().unwrap();
    assert_eq!(ids(std::slice::from_ref(&chunk)), [[1, 3]]);
    let mut position = start;
    position.apply(&chunk.advance);
    assert_eq!(position.gtid_set, Some(format!("{SOURCE}:1-3").parse().unwrap()));
}

#[test]
fn position_says_when_its_file_was_begun() {
    let mut log = Log::new(false);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let begun = log.events[0].header.timestamp;

    let chunks = chunks(&log, UNLIMITED);

    assert_eq!(chunks[0].advance.file_begun, Some(begun));
}
