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
    pub fn add(&mut self, run: u64, arrival: Arrival) {
        self.records += 1;
        let key = self.keys.entry(arrival.event.key).or_default();
        if arrival.event.run == run {
            key.partitions.insert(arrival.partition);
            key.sequences.push(arrival.event.sequence);
        } else {
            key.foreign.push(arrival.event);
        }
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
