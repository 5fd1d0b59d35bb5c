//! Batches → acknowledged records: the at-least-once loop.
//!
//! Promises:
//! - the checkpoint never covers a record that is not acknowledged;
//! - records of one partition are acknowledged in order, none is passed over.
//!
//! Not promised: once. What was acknowledged after the last stored checkpoint comes again after a
//! crash, which is up to [`CHECKPOINT_SPACING`] and one batch.
//!
//! Before this: `intake`. After this: consumers, and `report`.

use std::time::{Duration, Instant};

use super::{
    PublishError,
    batch::Batch,
    intake::{Arrival, Intake, sleep_until},
    outlet::Outlet,
    producer::Producer,
    report::{Report, Settled},
};
use crate::{
    checkpoint::{Checkpoint, Writer},
    position::Position,
};

/// Least time between two checkpoint records. Each is one more request to the broker, in the way of
/// the next batch's; the price of a longer time is more repetition after a crash.
const CHECKPOINT_SPACING: Duration = Duration::from_millis(100);

pub(super) struct AtLeastOnce {
    pub(super) producer: Producer,
    pub(super) intake: Intake,
    pub(super) outlet: Outlet,
    pub(super) report: Report,
    pub(super) writer: Writer,
    /// Of the checkpoint before the next one.
    pub(super) sequence: u64,
    /// Everything up to here is acknowledged.
    pub(super) position: Position,
    /// A checkpoint was sent and no flush has covered it yet.
    pub(super) checkpoint_on_its_way: bool,
}

impl AtLeastOnce {
    /// Returns when the channel is closed and everything from it is acknowledged, the checkpoint too,
    /// or at the first failure.
    pub(super) fn run(mut self) -> Result<(), PublishError> {
        let mut last = Instant::now();
        let mut stored_at = None;
        let mut unstored = false;
        loop {
            let due_at = match stored_at {
                Some(stored_at) if unstored => Some(stored_at + CHECKPOINT_SPACING),
                Some(_) | None => None,
            };
            if unstored && due_at.is_none_or(|due_at| due_at <= Instant::now()) {
                self.send_checkpoint()?;
                stored_at = Some(Instant::now());
                unstored = false;
                continue;
            }
            match self.intake.next(last, sleep_until(due_at)) {
                Arrival::Batch(batch) => {
                    last = Instant::now();
                    self.publish(batch)?;
                    unstored = true;
                }
                Arrival::Interrupted => {}
                Arrival::Closed => break,
                Arrival::Stopped => return Err(PublishError::Stopped),
            }
        }
        if unstored {
            self.send_checkpoint()?;
        }
        self.flush(&Batch::default())
    }

    /// Also waits for the checkpoint that was sent after the batch before: its failure shows here.
    fn publish(&mut self, mut batch: Batch) -> Result<(), PublishError> {
        let started = Instant::now();
        let tally = self.outlet.fill(&self.producer, &mut batch)?;
        self.flush(&batch)?;
        batch.advance(&mut self.position);
        self.report.settle(Settled {
            position: self.position.clone(),
            tally,
            commit_timestamp_us: batch.commit_timestamp_us(),
            started,
        });
        Ok(())
    }

    fn flush(&mut self, batch: &Batch) -> Result<(), PublishError> {
        self.outlet.flush(&self.producer, batch)?;
        if std::mem::take(&mut self.checkpoint_on_its_way) {
            self.report.checkpoint_stored();
        }
        Ok(())
    }

    /// Sends the checkpoint and does not wait for it: the next batch may go at once. librdkafka keeps
    /// the order of checkpoints, and the next flush covers this one.
    fn send_checkpoint(&mut self) -> Result<(), PublishError> {
        self.sequence += 1;
        let checkpoint = Checkpoint::new(self.sequence, self.position.clone(), self.writer.clone());
        self.checkpoint_on_its_way = true;
        self.outlet.fill_checkpoint(&self.producer, &checkpoint)
    }
}
