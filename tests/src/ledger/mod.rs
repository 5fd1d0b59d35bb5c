//! What was written against what was published.
//!
//! Promises:
//! - a lost, a doubled, a re-ordered and a rolled-back record are found, each by name;
//! - one byte per written row and four per published one: millions of rows fit.
//!
//! Order is checked per key: each key has one writer, which counts its rows from 0, so the count is the
//! order of commits. Across keys nothing is checked.

mod consumed;
mod event_id;
pub(crate) mod reader;
mod verdict;

pub use self::{
    consumed::{Arrival, Consumed, Extent},
    event_id::EventId,
    reader::{Isolation, Reader},
    verdict::{Findings, Verdict},
};

/// How a row's transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Committed,
    RolledBack,
}

/// Every row that was written, whatever became of it.
#[derive(Debug, Clone)]
pub struct Ledger {
    run: u32,
    /// By key, then by the row's count within the key.
    outcomes: Vec<Vec<Outcome>>,
}

impl Ledger {
    /// An empty ledger of one run; `run` keeps its events apart from those of others.
    pub fn new(run: u32) -> Self {
        Self { run, outcomes: Vec::new() }
    }

    pub fn run(&self) -> u32 {
        self.run
    }

    /// The event that the key's next row would be, `ahead` rows further.
    pub fn upcoming(&self, key: u32, ahead: u32) -> EventId {
        let written = self.outcomes_of(key).len();
        let sequence = u32::try_from(written).expect("fewer than 2^32 rows of one key") + ahead;
        EventId { run: self.run, key, sequence }
    }

    /// Notes the key's next row.
    pub fn record(&mut self, key: u32, outcome: Outcome) -> EventId {
        let event = self.upcoming(key, 0);
        let index = key as usize;
        if self.outcomes.len() <= index {
            self.outcomes.resize(index + 1, Vec::new());
        }
        self.outcomes[index].push(outcome);
        event
    }

    /// Takes in what another writer noted of the same run.
    ///
    /// # Panics
    /// When both wrote rows of the same key: their order would be unknown.
    pub fn merge(&mut self, other: Self) {
        assert_eq!(self.run, other.run, "ledgers of different runs");
        for (key, outcomes) in other.outcomes.into_iter().enumerate() {
            if outcomes.is_empty() {
                continue;
            }
            if self.outcomes.len() <= key {
                self.outcomes.resize(key + 1, Vec::new());
            }
            assert!(self.outcomes[key].is_empty(), "key {key} has two writers");
            self.outcomes[key] = outcomes;
        }
    }

    pub fn committed(&self) -> u64 {
        self.count(Outcome::Committed)
    }

    pub fn rolled_back(&self) -> u64 {
        self.count(Outcome::RolledBack)
    }

    fn count(&self, outcome: Outcome) -> u64 {
        let rows = self.outcomes.iter().flatten();
        rows.filter(|found| **found == outcome).count() as u64
    }

    fn outcomes_of(&self, key: u32) -> &[Outcome] {
        self.outcomes.get(key as usize).map_or(&[], Vec::as_slice)
    }

    /// Compares with what a consumer got.
    pub fn compare(&self, consumed: &Consumed) -> Verdict {
        Verdict::of(self, consumed)
    }

    /// Every committed row was published once and in order, and nothing else was.
    ///
    /// # Panics
    /// With the verdict, when it is not so.
    #[track_caller]
    pub fn assert_complete(&self, consumed: &Consumed) {
        let verdict = self.compare(consumed);
        assert!(verdict.is_complete(), "{verdict}");
    }
}
