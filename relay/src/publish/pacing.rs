//! When a batch leaves.
//!
//! Group commit needs no timer: a batch is what arrived while the one before was on its way. Two
//! things hold it back for a while, and both only spare the broker: the spacing of commits under
//! load, where one is configured, and the interval at which a quiet outbox stores its checkpoint. That
//! one is stored even where nothing has happened: it shows that the relay lives, that no other one has
//! taken over, and it keeps the broker from forgetting the transactional id.
//!
//! Pure: the clock is an argument.

use std::time::{Duration, Instant};

use super::batch::Batch;

#[derive(Debug, Clone, Copy)]
pub(super) struct Pacing {
    /// Least time between batches with records.
    pub(super) commit_spacing: Duration,
    /// Time between batches that only store the checkpoint.
    pub(super) checkpoint_interval: Duration,
}

impl Pacing {
    /// When the batch leaves unless it is full before; may be in the past. `last` is when the one
    /// before left. `None` stands for an interval beyond the clock's range, which never ends.
    pub(super) fn due(&self, batch: &Batch, last: Instant) -> Option<Instant> {
        let spacing =
            if batch.records() == 0 { self.checkpoint_interval } else { self.commit_spacing };
        last.checked_add(spacing)
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
    fn spacing_counts_from_the_batch_before_so_a_record_after_a_pause_is_due_already() {
        let last = Instant::now();

        assert_eq!(PACING.due(&batch(1), last), Some(last + PACING.commit_spacing));
    }

    #[test]
    fn batch_without_records_waits_for_the_checkpoint_interval() {
        let last = Instant::now();

        assert_eq!(PACING.due(&batch(0), last), Some(last + PACING.checkpoint_interval));
        assert_eq!(PACING.due(&Batch::default(), last), Some(last + PACING.checkpoint_interval));
    }

    #[test]
    fn records_take_a_waiting_position_with_them() {
        let last = Instant::now();
        let mut batch = batch(0);
        batch.push(chunk(1, 1, 2));

        assert_eq!(PACING.due(&batch, last), Some(last + PACING.commit_spacing));
    }

    #[test]
    fn interval_beyond_the_clock_never_ends() {
        let never = Pacing { checkpoint_interval: Duration::MAX, ..PACING };

        assert_eq!(never.due(&Batch::default(), Instant::now()), None);
    }
}
