//! Chunks → what one Kafka transaction carries, and the position after it.
//!
//! Promises:
//! - a chunk is in a batch whole or not at all, so that a batch ends where a chunk ends;
//! - the position after a batch covers its chunks and nothing else.
//!
//! Pure: no clock, no client. Before this: `intake`. After this: `engine`, `at_least_once`.

use std::sync::Arc;

use crate::{
    position::{BinlogCoordinates, Position},
    source::Chunk,
};

/// What one Kafka transaction carries at most. A single chunk over a limit goes alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchLimits {
    pub(crate) records_max: usize,
    pub(crate) bytes_max: usize,
}

/// Chunks in commit order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    chunks: Vec<Chunk>,
    /// Records up to and with the chunk of the same index; outlives the records themselves.
    record_ends: Vec<usize>,
    /// Tables of the records, one entry for neighbours of the same: where they end, and which.
    tables: Vec<(usize, Arc<str>)>,
    bytes: usize,
    commit_timestamp_us: u64,
}

impl Batch {
    pub(super) fn records(&self) -> usize {
        self.record_ends.last().copied().unwrap_or(0)
    }

    /// No chunk at all. A batch with chunks but without records moves the checkpoint.
    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// A chunk without records counts as one, or a quiet outbox could collect them without limit.
    pub(super) fn is_full(&self, limits: BatchLimits) -> bool {
        self.records().max(self.chunks.len()) >= limits.records_max
            || self.bytes >= limits.bytes_max
    }

    pub(super) fn admits(&self, chunk: &Chunk, limits: BatchLimits) -> bool {
        self.is_empty()
            || !self.is_full(limits)
                && self.records() + chunk.records.len() <= limits.records_max
                && self.bytes + chunk.bytes <= limits.bytes_max
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        if !chunk.records.is_empty() || self.records() == 0 {
            self.commit_timestamp_us = chunk.commit_timestamp_us;
        }
        let mut end = self.records();
        for record in &chunk.records {
            end += 1;
            match self.tables.last_mut() {
                Some((last, table)) if Arc::ptr_eq(table, &record.table) => *last = end,
                Some(_) | None => self.tables.push((end, Arc::clone(&record.table))),
            }
        }
        self.record_ends.push(end);
        self.bytes += chunk.bytes;
        self.chunks.push(chunk);
    }

    pub(super) fn chunks_mut(&mut self) -> impl Iterator<Item = &mut Chunk> {
        self.chunks.iter_mut()
    }

    /// Moves `position` over this batch.
    pub(super) fn advance(&self, position: &mut Position) {
        for chunk in &self.chunks {
            position.apply(&chunk.advance);
        }
    }

    /// When the newest transaction with records was committed on the source; without records, the
    /// newest transaction at all. `None` without chunks.
    pub(super) fn commit_timestamp_us(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.commit_timestamp_us)
    }

    /// Which table record number `ordinal` of this batch is a row of. For messages.
    pub(super) fn table_of(&self, ordinal: usize) -> Option<&Arc<str>> {
        let run = self.tables.partition_point(|(end, _)| *end <= ordinal);
        self.tables.get(run).map(|(_, table)| table)
    }

    /// Which transactions record number `ordinal` of this batch belongs to: the coordinates that are
    /// reached with its chunk. For messages.
    pub(super) fn coordinates_of(&self, ordinal: usize) -> Option<&BinlogCoordinates> {
        let chunk = self.record_ends.partition_point(|end| *end <= ordinal);
        self.chunks.get(chunk).map(|chunk| &chunk.advance.coordinates)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use proptest::{collection::vec, prelude::*};
    use uuid::Uuid;

    use super::*;
    use crate::{
        position::{Advance, InProgress},
        record::OutboxRecord,
    };

    const LIMITS: BatchLimits = BatchLimits { records_max: 10, bytes_max: 1_000 };

    pub(in crate::publish) fn position() -> Position {
        Position {
            server_uuid: Uuid::nil(),
            coordinates: coordinates(0),
            file_begun: None,
            gtid_set: None,
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }

    fn coordinates(position: u64) -> BinlogCoordinates {
        BinlogCoordinates { file: "bin-log.000001".into(), position }
    }

    pub(in crate::publish) fn chunk(records: usize, bytes: usize, end: u64) -> Chunk {
        let record = OutboxRecord {
            table: Arc::from("shop.outbox"),
            topic: Arc::from("outbox.event.order"),
            partition: None,
            key: None,
            value: None,
            headers: Vec::new(),
            timestamp_ms: 0,
            event_type: None,
        };
        Chunk {
            records: vec![record; records],
            advance: Advance {
                server_uuid: Uuid::nil(),
                coordinates: coordinates(end),
                file_begun: None,
                gtids: None,
                in_progress: None,
                table_start: None,
                prepared: Vec::new(),
            },
            bytes,
            commit_timestamp_us: end,
            transaction: None,
            permit: None,
        }
    }

    /// Cuts chunks into batches the way the intake does.
    fn cut(chunks: Vec<Chunk>, limits: BatchLimits) -> Vec<Batch> {
        let mut batches = vec![Batch::default()];
        for chunk in chunks {
            if !batches.last().unwrap().admits(&chunk, limits) {
                batches.push(Batch::default());
            }
            batches.last_mut().unwrap().push(chunk);
        }
        batches
    }

    #[test]
    fn chunk_that_would_pass_a_limit_waits_for_the_next_batch() {
        let mut batch = Batch::default();
        batch.push(chunk(6, 100, 1));

        assert!(batch.admits(&chunk(4, 100, 2), LIMITS));
        assert!(!batch.admits(&chunk(5, 100, 2), LIMITS));
        assert!(!batch.admits(&chunk(1, 901, 2), LIMITS));
    }

    #[test]
    fn chunk_larger_than_a_batch_goes_alone() {
        let mut batch = Batch::default();
        assert!(batch.admits(&chunk(50, 9_000, 1), LIMITS));

        batch.push(chunk(50, 9_000, 1));

        assert!(batch.is_full(LIMITS));
        assert!(!batch.admits(&chunk(0, 0, 2), LIMITS));
    }

    #[test]
    fn chunks_without_records_fill_a_batch_too() {
        let mut batch = Batch::default();
        for end in 0..9 {
            batch.push(chunk(0, 0, end));
        }
        assert!(!batch.is_full(LIMITS));

        batch.push(chunk(0, 0, 9));

        assert!(batch.is_full(LIMITS));
    }

    #[test]
    fn position_inside_a_transaction_is_kept_until_its_end_is_covered() {
        let mut first = chunk(3, 30, 10);
        first.advance.in_progress = Some(InProgress { gtid: None, outbox_rows: 3 });
        let mut batch = Batch::default();
        batch.push(first);
        let mut position = position();

        batch.advance(&mut position);
        assert_eq!(position.in_progress, Some(InProgress { gtid: None, outbox_rows: 3 }));

        batch.push(chunk(2, 20, 55));
        batch.advance(&mut position);
        assert_eq!(position.in_progress, None);
        assert_eq!(position.coordinates, coordinates(55));
    }

    #[test]
    fn lag_is_counted_from_the_newest_transaction_with_records() {
        let mut batch = Batch::default();
        assert_eq!(batch.commit_timestamp_us(), None);
        batch.push(chunk(0, 0, 5));
        assert_eq!(batch.commit_timestamp_us(), Some(5));

        batch.push(chunk(1, 1, 6));
        batch.push(chunk(0, 0, 9));

        assert_eq!(batch.commit_timestamp_us(), Some(6));
    }

    #[test]
    fn record_is_traced_to_its_chunk_after_the_records_are_gone() {
        let mut batch = Batch::default();
        for (records, end) in [(2, 10), (0, 20), (3, 30)] {
            batch.push(chunk(records, 1, end));
        }
        let mut other = chunk(2, 1, 40);
        other.records[1].table = Arc::from("shop.other");
        batch.push(other);
        for chunk in batch.chunks_mut() {
            chunk.records.clear();
        }

        let table = |ordinal| batch.table_of(ordinal).map(|table| &**table);
        assert_eq!(table(0), Some("shop.outbox"));
        assert_eq!(table(5), Some("shop.outbox"));
        assert_eq!(table(6), Some("shop.other"));
        assert_eq!(table(7), None);

        assert_eq!(batch.coordinates_of(1), Some(&coordinates(10)));
        assert_eq!(batch.coordinates_of(2), Some(&coordinates(30)));
        assert_eq!(batch.coordinates_of(4), Some(&coordinates(30)));
        assert_eq!(batch.coordinates_of(6), Some(&coordinates(40)));
        assert_eq!(batch.coordinates_of(7), None);
        assert_eq!(batch.commit_timestamp_us(), Some(40));
    }

    proptest! {
        #[test]
        fn batches_hold_every_chunk_once_in_order_and_keep_the_limits(
            sizes in vec((0_usize..15, 0_usize..1_500), 1..80),
        ) {
            let chunks: Vec<_> =
                sizes.iter().zip(1..).map(|((records, bytes), end)| chunk(*records, *bytes, end)).collect();

            let batches = cut(chunks, LIMITS);

            let ends: Vec<_> = batches
                .iter()
                .flat_map(|batch| batch.chunks.iter().map(|chunk| chunk.advance.coordinates.position))
                .collect();
            prop_assert_eq!(ends, (1..=u64::try_from(sizes.len()).unwrap()).collect::<Vec<_>>());
            for batch in &batches {
                let alone = batch.chunks.len() == 1;
                prop_assert!(alone || batch.records() <= LIMITS.records_max);
                prop_assert!(alone || batch.bytes <= LIMITS.bytes_max);
                prop_assert!(batch.chunks.len() <= LIMITS.records_max);
            }
        }

        #[test]
        fn position_after_the_batches_does_not_depend_on_where_they_were_cut(
            sizes in vec((0_usize..15, 0_usize..1_500), 1..80),
            records_max in 1_usize..40,
        ) {
            let chunks = || sizes.iter().zip(1..).map(|((r, b), end)| chunk(*r, *b, end)).collect();
            let reached = |limits| {
                let mut reached = position();
                for batch in cut(chunks(), limits) {
                    batch.advance(&mut reached);
                }
                reached
            };

            prop_assert_eq!(reached(LIMITS), reached(BatchLimits { records_max, bytes_max: 700 }));
        }
    }
}
