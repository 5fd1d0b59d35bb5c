//! When a batch leaves.
//!
//! Group commit needs no timer: a batch is what arrived while the one before was on its way. Two
//! things may hold it back for a while, and both only spare the broker: the spacing of commits under
//! load, and the interval at which a quiet outbox moves its checkpoint.
//!
//! Pure: the clock is an argument.

use std::time::{Duration, Instant};

use super::batch::Batch;

#[derive(Debug, Clone, Copy)]
pub(super) struct Pacing {
    /// Least time between batches with records.
    pub(super) commit_spacing: Duration,
    /// Least time between batches that only move the checkpoint.
    pub(super) checkpoint_interval: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// There is nothing to send.
    Never,
    /// At this time, unless the batch is full before; it may be in the past.
    At(Instant),
    Now,
}

impl Pacing {
    /// `last` is when the batch before left. The first one and one after a pause leave at once.
    pub(super) fn due(&self, batch: &Batch, last: Option<Instant>) -> Due {
        let spacing = match (batch.is_empty(), batch.records()) {
            (true, _) => return Due::Never,
            (false, 0) => self.checkpoint_interval,
            (false, _) => self.commit_spacing,
        };
        // A sum beyond the clock's range is an interval that never ends: the batch leaves with the
        // next records or at the end.
        match last {
            None => Due::Now,
            Some(last) => last.checked_add(spacing).map_or(Due::Never, Due::At),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::batch::tests::chunk, *};

    const PACING: Pacing = Pacing {
        commit_spacing: Duration::from_millis(5),
        checkpoint_interval: Duration::from_secs(10),
    };

    fn batch(records: usize) -> Batch {
        let mut batch = Batch::default();
        batch.push(chunk(records, records, 1));
        batch
    }

    #[test]
    fn first_batch_leaves_at_once() {
        assert_eq!(PACING.due(&batch(1), None), Due::Now);
        assert_eq!(PACING.due(&batch(0), None), Due::Now);
    }

    #[test]
    fn spacing_counts_from_the_batch_before_so_a_record_after_a_pause_is_due_already() {
        let last = Instant::now();

        assert_eq!(PACING.due(&batch(1), Some(last)), Due::At(last + PACING.commit_spacing));
    }

    #[test]
    fn batch_without_records_waits_for_the_checkpoint_interval() {
        let last = Instant::now();

        assert_eq!(PACING.due(&batch(0), Some(last)), Due::At(last + PACING.checkpoint_interval));
    }

    #[test]
    fn records_take_a_waiting_position_with_them() {
        let last = Instant::now();
        let mut batch = batch(0);
        batch.push(chunk(1, 1, 2));

        assert_eq!(PACING.due(&batch, Some(last)), Due::At(last + PACING.commit_spacing));
    }

    #[test]
    fn nothing_is_never_due() {
        assert_eq!(PACING.due(&Batch::default(), Some(Instant::now())), Due::Never);
    }
}
