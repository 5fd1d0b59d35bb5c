//! Records that failed, each until its next attempt.
//!
//! Promises:
//! - a partition has at most one held record, and stands still meanwhile: order is kept;
//! - what does not fail for the database's sake is given up after as many attempts as configured.
//!
//! No clock and no client in here: the loop says what time it is.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use crate::Received;

/// A partition of a topic.
pub(super) type Place = (String, i32);

/// A record between two attempts.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) record: Received,
    /// Attempts that were the record's own fault, as far as is known.
    pub(super) counted: u32,
    /// All of them.
    failures: u32,
    due: Instant,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Policy {
    pub(super) attempts_max: NonZeroU32,
    pub(super) backoff_first: Duration,
    pub(super) backoff_max: Duration,
}

#[derive(Debug, Default)]
pub(super) struct HeldRecords(HashMap<Place, Held>);

/// A record on its way through the attempts.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) record: Received,
    pub(super) counted: u32,
    failures: u32,
}

impl Attempt {
    pub(super) fn first(record: Received) -> Self {
        Self { record, counted: 0, failures: 0 }
    }

    pub(super) fn place(&self) -> Place {
        (self.record.topic.clone(), self.record.partition)
    }

    /// Then its partition stands still.
    pub(super) fn has_been_held(&self) -> bool {
        self.failures > 0
    }

    /// Attempts before this one.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// After a failure.
    pub(super) fn count(&mut self, is_counted: bool) {
        self.failures = self.failures.saturating_add(1);
        self.counted += u32::from(is_counted);
    }

    pub(super) fn is_exhausted(&self, policy: &Policy) -> bool {
        self.counted >= policy.attempts_max.get()
    }

    /// The pause after the failures so far.
    pub(super) fn backoff(&self, policy: &Policy) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(30);
        policy.backoff_first.saturating_mul(1 << doublings).min(policy.backoff_max)
    }
}

impl HeldRecords {
    pub(super) fn hold(&mut self, attempt: Attempt, due: Instant) {
        let place = attempt.place();
        let Attempt { record, counted, failures } = attempt;
        self.0.insert(place, Held { record, counted, failures, due });
    }

    /// Whose partition now belongs to another consumer, or to this one anew.
    pub(super) fn forget(&mut self, place: &Place) {
        self.0.remove(place);
    }

    pub(super) fn has(&self, place: &Place) -> bool {
        self.0.contains_key(place)
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.0.values().map(|held| held.due).min()
    }

    /// One that is due, no longer held.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Attempt> {
        let (place, _) = self.0.iter().find(|(_, held)| held.due <= now)?;
        let place = place.clone();
        let Held { record, counted, failures, .. } = self.0.remove(&place)?;
        Some(Attempt { record, counted, failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            attempts_max: NonZeroU32::new(3).unwrap(),
            backoff_first: Duration::from_millis(100),
            backoff_max: Duration::from_secs(1),
        }
    }

    #[test]
    fn record_is_given_up_after_as_many_failures_of_its_own() {
        let mut attempt = Attempt::first(Received::at("order", 0, 7));

        let given_up: Vec<bool> = (0..3)
            .map(|_| {
                attempt.count(true);
                attempt.is_exhausted(&policy())
            })
            .collect();

        assert_eq!(given_up, [false, false, true]);
    }

    #[test]
    fn failures_of_the_database_never_exhaust_a_record() {
        let mut attempt = Attempt::first(Received::at("order", 0, 7));

        for _ in 0..1_000 {
            attempt.count(false);
        }

        assert!(!attempt.is_exhausted(&policy()));
        assert_eq!(attempt.backoff(&policy()), Duration::from_secs(1));
    }

    #[test]
    fn pause_doubles_up_to_the_longest() {
        let mut attempt = Attempt::first(Received::at("order", 0, 7));

        let pauses: Vec<u128> = (0..6)
            .map(|_| {
                attempt.count(true);
                attempt.backoff(&policy()).as_millis()
            })
            .collect();

        assert_eq!(pauses, [100, 200, 400, 800, 1_000, 1_000]);
    }

    #[test]
    fn held_record_keeps_its_count_and_comes_when_it_is_due() {
        let (now, later) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let mut held = HeldRecords::default();
        let mut attempt = Attempt::first(Received::at("order", 0, 7));
        attempt.count(true);

        held.hold(attempt, later);

        assert!(held.take_due(now).is_none());
        assert_eq!(held.next_due(), Some(later));
        let attempt = held.take_due(later).unwrap();
        assert_eq!((attempt.counted, attempt.record.kafka_offset), (1, 7));
        assert!(!held.has(&attempt.place()));
    }
}
