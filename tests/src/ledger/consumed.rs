//! What a consumer got, in the order of arrival per key.

use std::collections::{BTreeMap, BTreeSet};

use super::EventId;

/// Faulty records that are kept as examples; all are counted.
const EXAMPLES_MAX: usize = 5;

/// One record of the run, as far as the ledger is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    pub event: EventId,
    pub partition: i32,
}

/// Everything that arrived.
#[derive(Debug, Clone, Default)]
pub struct Consumed {
    keys: BTreeMap<u32, KeyArrivals>,
    records: u64,
    malformed: Malformed,
    extent: Option<Extent>,
}

/// How much arrived, and when it was appended to the log: with `message.timestamp.type=LogAppendTime`
/// by the broker's word, else by that of whoever published it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub records: u64,
    /// Keys, values and headers.
    pub bytes: u64,
    /// Milliseconds since the epoch.
    pub first_ms: i64,
    pub last_ms: i64,
}

#[derive(Debug, Clone, Default)]
pub(super) struct KeyArrivals {
    pub(super) partitions: BTreeSet<i32>,
    pub(super) sequences: Vec<u32>,
    /// Records of other runs under this key.
    pub(super) foreign: Vec<EventId>,
}

/// Records that are not what a writer wrote: a wrong header, key or payload.
#[derive(Debug, Clone, Default)]
pub(super) struct Malformed {
    pub(super) count: u64,
    pub(super) examples: Vec<String>,
}

impl Consumed {
    /// Takes the next arrival; those of one partition in the order of their offsets.
    pub fn add(&mut self, run: u32, arrival: Arrival) {
        self.records += 1;
        let key = self.keys.entry(arrival.event.key).or_default();
        if arrival.event.run == run {
            key.partitions.insert(arrival.partition);
            key.sequences.push(arrival.event.sequence);
        } else {
            key.foreign.push(arrival.event);
        }
    }

    /// Takes time and size of a record, whatever it is.
    pub(super) fn measure(&mut self, timestamp_ms: i64, bytes: usize) {
        let extent = self.extent.get_or_insert(Extent {
            records: 0,
            bytes: 0,
            first_ms: timestamp_ms,
            last_ms: timestamp_ms,
        });
        extent.records += 1;
        extent.bytes += bytes as u64;
        extent.first_ms = extent.first_ms.min(timestamp_ms);
        extent.last_ms = extent.last_ms.max(timestamp_ms);
    }

    pub(super) fn extent(&self) -> Option<Extent> {
        self.extent
    }

    /// Takes a record that cannot be one of ours.
    pub fn add_malformed(&mut self, reason: String) {
        self.records += 1;
        self.malformed.count += 1;
        if self.malformed.examples.len() < EXAMPLES_MAX {
            self.malformed.examples.push(reason);
        }
    }

    /// Records of any kind.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Records whose event had arrived before. Under `read_uncommitted` this counts what aborted
    /// Kafka transactions left behind; under `read_committed` it must be 0.
    pub fn duplicates(&self) -> u64 {
        let mut duplicates = 0;
        for key in self.keys.values() {
            let mut sequences = key.sequences.clone();
            sequences.sort_unstable();
            let arrived = sequences.len();
            sequences.dedup();
            duplicates += (arrived - sequences.len()) as u64;
        }
        duplicates
    }

    pub(super) fn malformed(&self) -> &Malformed {
        &self.malformed
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (u32, &KeyArrivals)> {
        self.keys.iter().map(|(key, arrivals)| (*key, arrivals))
    }

    pub(super) fn sequences_of(&self, key: u32) -> &[u32] {
        self.keys.get(&key).map_or(&[], |arrivals| arrivals.sequences.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extent_spans_the_earliest_and_the_latest_record_in_any_order() {
        let mut consumed = Consumed::default();
        assert_eq!(consumed.extent(), None);

        for (timestamp_ms, bytes) in [(20, 300), (10, 200), (30, 100)] {
            consumed.measure(timestamp_ms, bytes);
        }

        let expected = Extent { records: 3, bytes: 600, first_ms: 10, last_ms: 30 };
        assert_eq!(consumed.extent(), Some(expected));
    }
}
