//! The rows that a fill writes → the records that a relay makes of them, in memory.

use rowpost_tests::{
    Ledger,
    ledger::{EventId, Outcome},
    outbox,
};

use super::Options;

/// Distinct keys of the benchmark's rows, here and in the tables.
pub(crate) const KEYS: u32 = 10_000;

/// One record: what `rowpost` publishes of an outbox row with the default columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) key: String,
    /// The header `id`.
    pub(super) event_id: String,
    pub(super) value: String,
}

/// All rows, the keys in turn.
pub(super) fn build(options: &Options) -> Vec<Record> {
    events(options).map(|event| record(event, options.payload_bytes)).collect()
}

/// What must be in the topic afterwards.
pub(crate) fn ledger(options: &Options) -> Ledger {
    let mut ledger = Ledger::new(options.run);
    for event in events(options) {
        ledger.record(event.key, Outcome::Committed);
    }
    ledger
}

fn events(options: &Options) -> impl Iterator<Item = EventId> {
    let run = options.run;
    let sequences = 0..u32::try_from(options.rows.div_ceil(u64::from(KEYS))).unwrap_or(u32::MAX);
    let events = sequences
        .flat_map(move |sequence| (0..KEYS).map(move |key| EventId { run, key, sequence }));
    events.take(usize::try_from(options.rows).unwrap_or(usize::MAX))
}

fn record(event: EventId, payload_bytes: usize) -> Record {
    Record {
        key: event.aggregate_id(),
        event_id: event.to_uuid().to_string(),
        value: outbox::payload(event, payload_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_counts_its_rows_from_zero_without_a_gap() {
        let options = Options {
            bootstrap: String::new(),
            source: String::new(),
            topic: String::new(),
            run: 9,
            rows: 25_000,
            payload_bytes: 300,
        };
        let mut next = vec![0; KEYS as usize];

        for event in events(&options) {
            assert_eq!((event.run, event.sequence), (9, next[event.key as usize]));
            next[event.key as usize] += 1;
        }

        assert_eq!(next.iter().sum::<u32>(), 25_000);
        assert_eq!((next[0], next[9_999]), (3, 2));
    }

    #[test]
    fn record_has_the_size_that_was_asked_for() {
        let event = EventId { run: 1, key: 4_711, sequence: 12 };

        let record = record(event, 300);

        assert_eq!((record.value.len(), record.event_id.len()), (300, 36));
        assert_eq!(record.key, "key-4711");
    }
}
