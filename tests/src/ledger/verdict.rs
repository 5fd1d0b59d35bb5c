//! Written and published, compared.

use std::fmt;

use super::{Consumed, EventId, Ledger, Outcome};

/// Examples that a verdict shows of each kind of fault.
const EXAMPLES_MAX: usize = 5;

/// Faults of one kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    pub count: u64,
    /// The first of them.
    pub examples: Vec<EventId>,
}

impl Findings {
    fn add(&mut self, event: EventId) {
        self.count += 1;
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(event);
        }
    }
}

/// What the comparison found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    pub committed: u64,
    pub published: u64,
    /// Committed and not published.
    pub lost: Findings,
    /// Published again.
    pub doubled: Findings,
    /// Published after a later row of the same key.
    pub reordered: Findings,
    /// Published although the transaction was rolled back.
    pub rolled_back: Findings,
    /// Published and never written.
    pub unknown: Findings,
    /// Keys with records in more than one partition: they have no order.
    pub split_keys: Vec<u32>,
    /// Records with a wrong header, key or payload.
    pub malformed: u64,
    pub malformed_examples: Vec<String>,
}

impl Verdict {
    pub(super) fn of(ledger: &Ledger, consumed: &Consumed) -> Self {
        let mut verdict = Self {
            committed: ledger.committed(),
            published: consumed.records(),
            malformed: consumed.malformed().count,
            malformed_examples: consumed.malformed().examples.clone(),
            ..Self::default()
        };
        for (key, arrivals) in consumed.keys() {
            if arrivals.partitions.len() > 1 {
                verdict.split_keys.push(key);
            }
            arrivals.foreign.iter().for_each(|event| verdict.unknown.add(*event));
            verdict.arrivals(ledger, key, &arrivals.sequences);
        }
        for key in 0..ledger.outcomes.len() {
            let key = u32::try_from(key).expect("keys are 32 bits wide");
            verdict.missing(ledger, key, consumed.sequences_of(key));
        }
        verdict
    }

    /// What arrived of one key and should not have, or not then.
    fn arrivals(&mut self, ledger: &Ledger, key: u32, sequences: &[u32]) {
        let outcomes = ledger.outcomes_of(key);
        let mut has_arrived = vec![false; outcomes.len()];
        let mut latest = None;
        for sequence in sequences {
            let event = EventId { run: ledger.run(), key, sequence: *sequence };
            let Some(outcome) = outcomes.get(*sequence as usize) else {
                self.unknown.add(event);
                continue;
            };
            if *outcome == Outcome::RolledBack {
                self.rolled_back.add(event);
            }
            let has_arrived = &mut has_arrived[*sequence as usize];
            if *has_arrived {
                self.doubled.add(event);
            } else if latest.is_some_and(|latest| *sequence < latest) {
                self.reordered.add(event);
            }
            *has_arrived = true;
            latest = latest.max(Some(*sequence));
        }
    }

    /// What was committed under one key and did not arrive.
    fn missing(&mut self, ledger: &Ledger, key: u32, sequences: &[u32]) {
        let outcomes = ledger.outcomes_of(key);
        let mut has_arrived = vec![false; outcomes.len()];
        for sequence in sequences {
            if let Some(has_arrived) = has_arrived.get_mut(*sequence as usize) {
                *has_arrived = true;
            }
        }
        for (sequence, (outcome, has_arrived)) in (0_u32..).zip(outcomes.iter().zip(has_arrived)) {
            if *outcome == Outcome::Committed && !has_arrived {
                self.lost.add(EventId { run: ledger.run(), key, sequence });
            }
        }
    }

    /// Committed = published, each once, in order, and nothing else.
    pub fn is_complete(&self) -> bool {
        self.lost.count == 0 && self.is_sound()
    }

    /// As far as it goes: rows may still be on their way, but nothing arrived that is wrong.
    pub fn is_sound(&self) -> bool {
        let counts = [
            self.doubled.count,
            self.reordered.count,
            self.rolled_back.count,
            self.unknown.count,
            self.malformed,
        ];
        counts == [0; 5] && self.split_keys.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} committed, {} published", self.committed, self.published)?;
        for (name, findings) in [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("reordered", &self.reordered),
            ("rolled back but published", &self.rolled_back),
            ("never written", &self.unknown),
        ] {
            write!(formatter, ", {} {name}", findings.count)?;
            if !findings.examples.is_empty() {
                let examples: Vec<String> =
                    findings.examples.iter().map(ToString::to_string).collect();
                write!(formatter, " ({})", examples.join("; "))?;
            }
        }
        if !self.split_keys.is_empty() {
            write!(formatter, ", keys in two partitions: {:?}", self.split_keys)?;
        }
        if self.malformed > 0 {
            let examples = self.malformed_examples.join("; ");
            write!(formatter, ", {} malformed ({examples})", self.malformed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Arrival;

    const RUN: u32 = 9;

    /// Key 1: rows 0 to 3, of which row 2 was rolled back; key 2: row 0.
    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(RUN);
        for outcome in [Outcome::Committed, Outcome::Committed, Outcome::RolledBack] {
            ledger.record(1, outcome);
        }
        ledger.record(1, Outcome::Committed);
        ledger.record(2, Outcome::Committed);
        ledger
    }

    fn event(key: u32, sequence: u32) -> EventId {
        EventId { run: RUN, key, sequence }
    }

    fn verdict_of(arrivals: &[(u32, u32)]) -> Verdict {
        let mut consumed = Consumed::default();
        for (key, sequence) in arrivals {
            consumed.add(RUN, Arrival { event: event(*key, *sequence), partition: 0 });
        }
        ledger().compare(&consumed)
    }

    fn one(event: EventId) -> Findings {
        Findings { count: 1, examples: vec![event] }
    }

    #[test]
    fn every_committed_row_once_and_in_order_is_complete() {
        let verdict = verdict_of(&[(1, 0), (2, 0), (1, 1), (1, 3)]);

        assert!(verdict.is_complete(), "{verdict}");
        assert_eq!((verdict.committed, verdict.published), (4, 4));
    }

    #[test]
    fn lost_record_is_found_in_the_middle_and_at_the_end_of_a_key() {
        assert_eq!(verdict_of(&[(1, 0), (2, 0), (1, 3)]).lost, one(event(1, 1)));
        assert_eq!(verdict_of(&[(1, 0), (2, 0), (1, 1)]).lost, one(event(1, 3)));
        assert_eq!(verdict_of(&[(1, 0), (1, 1), (1, 3)]).lost, one(event(2, 0)));
    }

    #[test]
    fn lost_record_makes_it_incomplete_but_sound() {
        let verdict = verdict_of(&[(1, 0), (1, 1), (1, 3)]);

        assert!(verdict.is_sound() && !verdict.is_complete(), "{verdict}");
    }

    #[test]
    fn doubled_record_is_found_at_once_and_after_others() {
        for arrivals in [[(1, 0), (1, 0), (1, 1)], [(1, 0), (1, 1), (1, 0)]] {
            let verdict = verdict_of(&arrivals);

            assert_eq!(verdict.doubled, one(event(1, 0)));
            assert_eq!(verdict.reordered.count, 0);
            assert!(!verdict.is_sound());
        }
    }

    #[test]
    fn doubled_record_does_not_stand_in_for_a_lost_one() {
        let verdict = verdict_of(&[(1, 0), (2, 0), (1, 0), (1, 3)]);

        assert_eq!((verdict.committed, verdict.published), (4, 4));
        assert_eq!(verdict.lost, one(event(1, 1)));
        assert!(!verdict.is_complete());
    }

    #[test]
    fn reordered_record_is_found() {
        let verdict = verdict_of(&[(1, 1), (2, 0), (1, 0), (1, 3)]);

        assert_eq!(verdict.reordered, one(event(1, 0)));
        assert!(!verdict.is_sound());
    }

    #[test]
    fn rolled_back_record_is_found() {
        let verdict = verdict_of(&[(1, 0), (1, 1), (1, 2), (1, 3), (2, 0)]);

        assert_eq!(verdict.rolled_back, one(event(1, 2)));
        assert!(!verdict.is_sound());
    }

    #[test]
    fn record_that_was_never_written_is_found() {
        assert_eq!(verdict_of(&[(1, 4)]).unknown, one(event(1, 4)));
        assert_eq!(verdict_of(&[(77, 0)]).unknown, one(event(77, 0)));
    }

    #[test]
    fn record_of_another_run_is_not_taken_for_ours() {
        let stranger = EventId { run: RUN + 1, key: 1, sequence: 0 };
        let mut consumed = Consumed::default();
        consumed.add(RUN, Arrival { event: stranger, partition: 0 });

        let verdict = ledger().compare(&consumed);

        assert_eq!(verdict.unknown, one(stranger));
        assert_eq!(verdict.lost.count, 4);
    }

    #[test]
    fn key_in_two_partitions_is_found() {
        let mut consumed = Consumed::default();
        for (sequence, partition) in [(0, 0), (1, 1)] {
            consumed.add(RUN, Arrival { event: event(1, sequence), partition });
        }

        let verdict = ledger().compare(&consumed);

        assert_eq!(verdict.split_keys, [1]);
        assert!(!verdict.is_sound());
    }

    #[test]
    fn malformed_record_is_shown_with_its_reason() {
        let mut consumed = Consumed::default();
        consumed.add_malformed("no header `id`".to_owned());

        let verdict = ledger().compare(&consumed);

        assert!(!verdict.is_sound());
        assert!(verdict.to_string().contains("no header `id`"), "{verdict}");
    }

    #[test]
    fn examples_are_few_and_the_count_is_whole() {
        let mut ledger = Ledger::new(RUN);
        for _ in 0..1_000 {
            ledger.record(3, Outcome::Committed);
        }

        let verdict = ledger.compare(&Consumed::default());

        assert_eq!((verdict.lost.count, verdict.lost.examples.len()), (1_000, EXAMPLES_MAX));
    }

    #[test]
    fn duplicates_are_counted_per_event() {
        let mut consumed = Consumed::default();
        for sequence in [0, 1, 1, 0, 0] {
            consumed.add(RUN, Arrival { event: event(1, sequence), partition: 0 });
        }

        assert_eq!(consumed.duplicates(), 3);
    }

    #[test]
    #[should_panic(expected = "1 lost (key-2 #0)")]
    fn assertion_shows_what_is_missing() {
        let mut consumed = Consumed::default();
        for sequence in [0, 1, 3] {
            consumed.add(RUN, Arrival { event: event(1, sequence), partition: 0 });
        }

        ledger().assert_complete(&consumed);
    }

    #[test]
    #[should_panic(expected = "key 1 has two writers")]
    fn two_writers_of_one_key_are_refused() {
        ledger().merge(ledger());
    }
}
