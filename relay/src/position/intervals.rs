//! Runs of transaction numbers: the arithmetic under a GTID set.
//!
//! Promises: always sorted, never overlapping, never adjacent (`1-5` and `6-9` are `1-9`), so that
//! equal sets are equal values.

use std::ops::Range;

use super::GTID_NUMBER_MAX;

/// Consecutive transaction numbers, both ends included; within 1 to [`GTID_NUMBER_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GtidInterval {
    first: u64,
    last: u64,
}

impl GtidInterval {
    /// `None` if it is reversed or leaves the range of transaction numbers.
    pub fn new(first: u64, last: u64) -> Option<Self> {
        (1 <= first && first <= last && last <= GTID_NUMBER_MAX).then_some(Self { first, last })
    }

    pub fn first(&self) -> u64 {
        self.first
    }

    pub fn last(&self) -> u64 {
        self.last
    }

    /// How many transactions it holds.
    pub fn count(&self) -> u64 {
        self.last - self.first + 1
    }

    /// The form in which COM_BINLOG_DUMP_GTID and PREVIOUS_GTIDS events carry it: the end is the
    /// first number that does not belong to it.
    pub fn half_open(&self) -> Range<u64> {
        self.first..self.last + 1
    }

    /// Overlaps `other` or lies next to it.
    fn touches(&self, other: &Self) -> bool {
        self.first <= other.last + 1 && other.first <= self.last + 1
    }

    fn join(&self, other: &Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Intervals(Vec<GtidInterval>);

impl Intervals {
    pub(super) fn as_slice(&self) -> &[GtidInterval] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn insert(&mut self, new: GtidInterval) {
        // The common case by far: the source's next transaction.
        if let Some(end) = self.0.last_mut()
            && end.first <= new.first
            && end.touches(&new)
        {
            *end = end.join(&new);
            return;
        }
        let from = self.0.partition_point(|old| old.last + 1 < new.first);
        let touched = self.0.iter().skip(from).take_while(|old| old.touches(&new)).count();
        let joined =
            self.0.iter().skip(from).take(touched).fold(new, |joined, old| joined.join(old));
        self.0.splice(from..from + touched, [joined]);
    }

    pub(super) fn union(&mut self, other: &Self) {
        // What a chunk adds is one or two intervals, the set may have thousands: look those up; two
        // large sets are merged in one pass.
        const LOOKED_UP_MAX: usize = 8;
        if other.0.len() <= LOOKED_UP_MAX {
            for interval in &other.0 {
                self.insert(*interval);
            }
            return;
        }
        let mut merged = Vec::with_capacity(self.0.len() + other.0.len());
        let (mut mine, mut theirs) = (self.0.iter().peekable(), other.0.iter().peekable());
        loop {
            let next = match (mine.peek(), theirs.peek()) {
                (Some(a), Some(b)) if b.first < a.first => theirs.next(),
                (Some(_), _) => mine.next(),
                (None, _) => theirs.next(),
            };
            match (next, merged.last_mut()) {
                (None, _) => break,
                (Some(next), Some(end)) if next.touches(end) => *end = end.join(next),
                (Some(next), _) => merged.push(*next),
            }
        }
        self.0 = merged;
    }

    pub(super) fn subtract(&mut self, other: &Self) {
        let mut left = Vec::with_capacity(self.0.len());
        let mut cuts = other.0.as_slice();
        for interval in &self.0 {
            let mut first = interval.first;
            while let [cut, later @ ..] = cuts
                && cut.first <= interval.last
            {
                if first < cut.first {
                    left.push(GtidInterval { first, last: cut.first - 1 });
                }
                first = first.max(cut.last + 1);
                if cut.last > interval.last {
                    // It reaches on, perhaps into the next interval.
                    break;
                }
                cuts = later;
            }
            if first <= interval.last {
                left.push(GtidInterval { first, last: interval.last });
            }
        }
        self.0 = left;
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        self.at_or_after(number).is_some_and(|found| found.first <= number)
    }

    pub(super) fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|wanted| {
            // Normalised: what is covered at all is covered by one interval.
            self.at_or_after(wanted.first)
                .is_some_and(|found| found.first <= wanted.first && wanted.last <= found.last)
        })
    }

    pub(super) fn intersects(&self, other: &Self) -> bool {
        let (few, many) = if self.0.len() < other.0.len() { (self, other) } else { (other, self) };
        few.0.iter().any(|wanted| {
            many.at_or_after(wanted.first).is_some_and(|found| found.first <= wanted.last)
        })
    }

    /// The first interval that does not end before `number`.
    fn at_or_after(&self, number: u64) -> Option<&GtidInterval> {
        self.0.get(self.0.partition_point(|interval| interval.last < number))
    }
}
