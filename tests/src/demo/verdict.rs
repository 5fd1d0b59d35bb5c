//! The topics' verdicts → the demo's one line.

use std::fmt;

use super::text::thousands;
use crate::{Ledger, ledger};

/// All topics together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Total {
    committed: u64,
    published: u64,
    lost: u64,
    doubled: u64,
    /// Records behind a later one of their key, and keys spread over partitions.
    out_of_order: u64,
    rolled_back: u64,
    rolled_back_published: u64,
    /// Records that no writer wrote, or not like this.
    foreign: u64,
}

impl Total {
    pub(super) fn add(&mut self, ledger: &Ledger, verdict: &ledger::Verdict) {
        self.committed += verdict.committed;
        self.published += verdict.published;
        self.lost += verdict.lost.count;
        self.doubled += verdict.doubled.count;
        self.out_of_order += verdict.reordered.count + verdict.split_keys.len() as u64;
        self.rolled_back += ledger.rolled_back();
        self.rolled_back_published += verdict.rolled_back.count;
        self.foreign += verdict.unknown.count + verdict.malformed;
    }

    /// Something was written, and all of it and nothing else was published, once and in order.
    pub(super) fn is_good(&self) -> bool {
        let faults = [
            self.lost,
            self.doubled,
            self.out_of_order,
            self.rolled_back_published,
            self.foreign,
            self.committed.abs_diff(self.published),
        ];
        self.committed > 0 && faults == [0; 6]
    }
}

impl fmt::Display for Total {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [committed, published, lost, doubled, rolled_back, rolled_back_published] = [
            self.committed,
            self.published,
            self.lost,
            self.doubled,
            self.rolled_back,
            self.rolled_back_published,
        ]
        .map(thousands);
        let equals = if self.committed == self.published { "=" } else { "≠" };
        let order = match self.out_of_order {
            0 => "order kept per key".to_owned(),
            count => format!("order broken {} times", thousands(count)),
        };
        write!(
            formatter,
            "{committed} rows committed {equals} {published} records published, {lost} lost, \
             {doubled} doubled, {order}; {rolled_back} rolled back, {rolled_back_published} of them \
             published"
        )?;
        match self.foreign {
            0 => Ok(()),
            count => write!(formatter, ", {} records that nobody wrote so", thousands(count)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Arrival, Consumed, Outcome};

    const RUN: u32 = 4;

    /// Rows 0, 1 and 3 of key 1 are committed, row 2 is rolled back; `sequences` arrived.
    fn total(sequences: &[u32]) -> Total {
        let mut ledger = Ledger::new(RUN);
        for outcome in [Outcome::Committed, Outcome::Committed, Outcome::RolledBack] {
            ledger.record(1, outcome);
        }
        ledger.record(1, Outcome::Committed);
        let mut consumed = Consumed::default();
        for sequence in sequences {
            let event = ledger::EventId { run: RUN, key: 1, sequence: *sequence };
            consumed.add(RUN, Arrival { event, partition: 0 });
        }
        let mut total = Total::default();
        total.add(&ledger, &ledger.compare(&consumed));
        total
    }

    #[test]
    fn line_of_a_good_run_is_the_promise() {
        let total = total(&[0, 1, 3]);

        assert!(total.is_good());
        assert_eq!(
            total.to_string(),
            "3 rows committed = 3 records published, 0 lost, 0 doubled, order kept per key; \
             1 rolled back, 0 of them published"
        );
    }

    #[test]
    fn each_fault_spoils_it_and_is_named() {
        for (sequences, named) in [
            (&[0, 1][..], "3 rows committed ≠ 2 records published, 1 lost"),
            (&[0, 1, 1, 3], "≠ 4 records published, 0 lost, 1 doubled"),
            (&[0, 0, 3], "3 rows committed = 3 records published, 1 lost, 1 doubled"),
            (&[1, 0, 3], "order broken 1 times"),
            (&[0, 1, 2, 3], "1 rolled back, 1 of them published"),
            (&[0, 1, 3, 9], "1 records that nobody wrote so"),
        ] {
            let total = total(sequences);

            assert!(!total.is_good(), "{total}");
            assert!(total.to_string().contains(named), "{total}");
        }
    }

    #[test]
    fn every_count_of_a_fault_spoils_it_by_itself() {
        let good = total(&[0, 1, 3]);

        for faulty in [
            Total { lost: 1, ..good },
            Total { doubled: 1, ..good },
            Total { out_of_order: 1, ..good },
            Total { rolled_back_published: 1, ..good },
            Total { foreign: 1, ..good },
            Total { published: 2, ..good },
            Total { published: 4, ..good },
        ] {
            assert!(!faulty.is_good(), "{faulty:?}");
        }
    }

    #[test]
    fn run_in_which_nothing_was_written_proves_nothing() {
        assert!(!Total::default().is_good());
    }
}
