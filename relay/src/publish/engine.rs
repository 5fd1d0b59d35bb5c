//! Batches → flushed transactions: the exactly-once loop.
//!
//! Promises, for transactions k and k+1:
//! - the first record of k+1 is sent after everything of k is acknowledged: the producers of two
//!   slots are not ordered otherwise;
//! - the checkpoint record is in the transaction that carries what it covers;
//! - after any failure nothing later is sent, and all producers are dropped: only the fence and the
//!   stored checkpoint know what the broker has.
//!
//! So commit, markers and the next begin overlap with filling; fill and flush never overlap.
//!
//! Before this: `intake`. After this: `committer`.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use super::{
    PublishError, Settings,
    batch::Batch,
    committer::{Committer, Flushed},
    intake::{Arrival, Intake},
    outlet::Outlet,
    report::{Report, Settled},
    slots::{Rotation, Slot},
};
use crate::{
    checkpoint::{Checkpoint, Writer},
    position::Position,
};

pub(super) struct Engine {
    pub(super) settings: Arc<Settings>,
    pub(super) intake: Intake,
    pub(super) outlet: Outlet,
    pub(super) report: Report,
    pub(super) writer: Writer,
    /// Of the checkpoint before the next one.
    pub(super) sequence: u64,
    pub(super) position: Position,
    pub(super) stop: tokio_util::sync::CancellationToken,
}

impl Engine {
    /// Returns when the channel is closed and everything from it is committed, or at the first
    /// failure.
    pub(super) fn run(self, slots: Vec<Slot>) -> Result<(), PublishError> {
        let Self { settings, intake, outlet, report, writer, sequence, position, stop } = self;
        let (hand_over, flushed) = mpsc::sync_channel(slots.len());
        let (rotation, give_back) = Rotation::new(slots);
        let committer = Committer { settings, flushed, give_back, report, stop };

        let filler = Filler { intake, outlet, rotation, hand_over, writer, sequence, position };
        thread::scope(|scope| {
            let committer = thread::Builder::new()
                .name("rowpost-committer".to_owned())
                .spawn_scoped(scope, || committer.run())?;
            let filled = filler.run();
            // The committer's failure comes first in the log's order, and is why the engine ended.
            match committer.join() {
                Ok(committed) => committed.and(filled),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }
}

struct Filler {
    intake: Intake,
    outlet: Outlet,
    rotation: Rotation,
    hand_over: mpsc::SyncSender<Flushed>,
    writer: Writer,
    sequence: u64,
    position: Position,
}

impl Filler {
    /// Dropping `self` at the end hangs up on the committer.
    fn run(mut self) -> Result<(), PublishError> {
        let mut last = Instant::now();
        loop {
            let slot = match self.intake.wait(self.rotation.next()) {
                Some(Some(slot)) => slot,
                // It says itself why it ended.
                Some(None) => return Ok(()),
                None => return Err(PublishError::Stopped),
            };
            let batch = match self.intake.next(last, self.rotation.committer_ended()) {
                Arrival::Batch(batch) => batch,
                Arrival::Closed | Arrival::Interrupted => return Ok(()),
                Arrival::Stopped => return Err(PublishError::Stopped),
            };
            // From here to here: commits are as far apart as their batches' beginnings.
            last = Instant::now();
            let flushed = self.publish(slot, batch)?;
            if self.hand_over.send(flushed).is_err() {
                return Ok(());
            }
        }
    }

    /// Fills one transaction and waits until all of it is acknowledged.
    fn publish(&mut self, slot: Slot, mut batch: Batch) -> Result<Flushed, PublishError> {
        let started = Instant::now();
        let tally = self.outlet.fill(&slot.producer, &mut batch)?;
        batch.advance(&mut self.position);
        self.sequence += 1;
        let checkpoint = Checkpoint::new(self.sequence, self.position.clone(), self.writer.clone());
        self.outlet.fill_checkpoint(&slot.producer, &checkpoint)?;
        // ORDER: the flush ends before the next transaction's first record is sent, on whatever slot.
        self.outlet.flush(&slot.producer, &batch)?;
        let settled = Settled {
            position: checkpoint.position,
            tally,
            commit_timestamp_us: batch.commit_timestamp_us(),
            started,
        };
        Ok(Flushed { slot, settled })
    }
}
