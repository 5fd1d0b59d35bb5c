//! Cut anywhere and resume = uncut.

use proptest::{collection::vec, prelude::*};

use super::{
    assembler, id, read,
    script::{Log, OTHER, OUTBOX},
};
use crate::{position::Position, source::event::EventType};

#[derive(Debug, Clone)]
pub(in crate::source) enum Written {
    Transaction(Vec<(bool, Vec<usize>)>),
    Compressed(Vec<(bool, Vec<usize>)>),
    /// Of the first statements, behind the savepoint the second are rolled back, then the third.
    Savepoint(Vec<usize>, Vec<usize>, Vec<usize>),
    RolledBack(usize),
    Ddl,
    Rotate,
}

fn lengths(count: usize) -> impl Strategy<Value = Vec<usize>> {
    vec(0..600_usize, 0..count)
}

pub(in crate::source) fn written() -> impl Strategy<Value = Written> {
    let statements = || vec((any::<bool>(), lengths(8)), 0..4);
    prop_oneof![
        6 => statements().prop_map(Written::Transaction),
        2 => statements().prop_map(Written::Compressed),
        1 => (lengths(3), lengths(3), lengths(3))
            .prop_map(|(a, b, c)| Written::Savepoint(a, b, c)),
        1 => (0..3_usize).prop_map(Written::RolledBack),
        1 => Just(Written::Ddl),
        1 => Just(Written::Rotate),
    ]
}

pub(in crate::source) struct Writer {
    pub(in crate::source) log: Log,
    next_id: u64,
    /// Of the rows that are committed.
    committed: Vec<u64>,
}

impl Writer {
    pub(in crate::source) fn new(with_gtids: bool) -> Self {
        Self { log: Log::new(with_gtids), next_id: 0, committed: Vec::new() }
    }

    fn rows(&mut self, lengths: &[usize]) -> Vec<(u64, usize)> {
        lengths
            .iter()
            .map(|length| {
                self.next_id += 1;
                (self.next_id, *length)
            })
            .collect()
    }

    fn statements(&mut self, statements: &[(bool, Vec<usize>)]) -> Vec<(u64, Vec<(u64, usize)>)> {
        statements
            .iter()
            .map(|(is_outbox, lengths)| {
                let rows = self.rows(lengths);
                if *is_outbox {
                    self.committed.extend(rows.iter().map(|(id, _)| *id));
                }
                (if *is_outbox { OUTBOX } else { OTHER }, rows)
            })
            .collect()
    }

    pub(in crate::source) fn write(&mut self, written: &Written) {
        match written {
            Written::Transaction(statements) | Written::Compressed(statements) => {
                let statements = self.statements(statements);
                let statements: Vec<_> =
                    statements.iter().map(|(table, rows)| (*table, rows.as_slice())).collect();
                if matches!(written, Written::Compressed(_)) {
                    self.log.compressed(&statements);
                } else {
                    self.log.transaction(&statements);
                }
            }
            // Small, so that nothing of it is out before the rollback.
            Written::Savepoint(kept, dropped, more) => {
                let short = |lengths: &[usize]| lengths.iter().map(|l| l / 20).collect::<Vec<_>>();
                let kept = self.rows(&short(kept));
                let dropped = self.rows(&short(dropped));
                let more = self.rows(&short(more));
                self.log.begin().insert(OUTBOX, &kept).query("SAVEPOINT `a`");
                self.log.insert(OUTBOX, &dropped).query("ROLLBACK TO `a`");
                self.log.insert(OUTBOX, &more).xid();
                self.committed.extend(kept.iter().chain(&more).map(|(id, _)| *id));
            }
            Written::RolledBack(count) => {
                let rows = self.rows(&vec![1; *count]);
                self.log.begin().insert(OUTBOX, &rows).query("ROLLBACK").end();
            }
            Written::Ddl => {
                self.log.ddl("create table t (a int)");
            }
            Written::Rotate => {
                self.log.rotate();
            }
        }
    }
}

/// One life of a relay: reads until it is cut, of what it reads the first chunks are published.
#[derive(Debug, Clone)]
struct Life {
    events: prop::sample::Index,
    chunks: prop::sample::Index,
    /// Whether chunks are closed, and how, behind the events in turn.
    closings: Vec<u8>,
}

fn life() -> impl Strategy<Value = Life> {
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), vec(0..4_u8, 1..20))
        .prop_map(|(events, chunks, closings)| Life { events, chunks, closings })
}

/// More than the savepoint transactions cost, less than most others.
const COST_MAX: usize = 2500;

impl Life {
    fn live(&self, log: &Log, position: &mut Position, published: &mut Vec<u64>, is_last: bool) {
        let served = log.serve(position);
        let cut = if is_last { served.len() } else { self.events.index(served.len() + 1) };
        let mut assembler = assembler(position, COST_MAX);
        let mut chunks = Vec::new();
        for (event, closing) in served.iter().take(cut).zip(self.closings.iter().cycle()) {
            assert_eq!(assembler.handle(&event.event()).unwrap(), None);
            match closing {
                0 => assembler.close(),
                1 => assembler.close_position(),
                _ => {}
            }
            while let Some(chunk) = assembler.take_ready() {
                chunks.push(chunk);
            }
        }
        assembler.close_position();
        chunks.extend(std::iter::from_fn(|| assembler.take_ready()));
        let kept = if is_last { chunks.len() } else { self.chunks.index(chunks.len() + 1) };
        for chunk in chunks.iter().take(kept) {
            published.extend(chunk.records.iter().map(id));
            position.apply(&chunk.advance);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_many_lives_publish_is_what_was_committed(
        with_gtids in any::<bool>(),
        written in vec(written(), 0..15),
        lives in vec(life(), 1..6),
    ) {
        let mut writer = Writer::new(with_gtids);
        for written in &written {
            writer.write(written);
        }
        let log = &writer.log;
        let mut position = log.start();
        let mut published = Vec::new();

        for (at, life) in lives.iter().enumerate() {
            life.live(log, &mut position, &mut published, at + 1 == lives.len());
        }

        prop_assert_eq!(&published, &writer.committed);
        prop_assert_eq!(&position.in_progress, &None);
        let whole = read(&log.serve(&log.start()), &log.start(), COST_MAX).unwrap();
        let mut uncut = log.start();
        for chunk in &whole {
            uncut.apply(&chunk.advance);
        }
        prop_assert_eq!(&position.gtid_set, &uncut.gtid_set);
        // With GTIDs they are for people: a file without transactions that are not out moves nothing.
        prop_assert!(position.coordinates <= uncut.coordinates);
        prop_assert!(with_gtids || position.coordinates == uncut.coordinates);
    }

    #[test]
    fn no_bytes_make_the_assembler_panic(
        written in vec(written(), 1..6),
        damage in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut writer = Writer::new(true);
        for written in &written {
            writer.write(written);
        }
        let start = writer.log.start();
        let mut events = writer.log.serve(&start);
        for (event, byte, value) in damage {
            let event = event.index(events.len());
            let event = &mut events[event];
            match event.body.len() {
                0 => event.header.event_type = EventType(value),
                length => event.body[byte.index(length)] = value,
            }
        }

        let mut assembler = assembler(&start, COST_MAX);
        for event in &events {
            // Damage to a column's name makes it ask for the columns.
            if !matches!(assembler.handle(&event.event()), Ok(None)) {
                break;
            }
        }
    }
}
