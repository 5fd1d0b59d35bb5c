//! Flushed transactions → committed transactions, in order.
//!
//! Promises:
//! - a transaction is committed only after the one before it is;
//! - after the first failure nothing more is committed.
//!
//! Before this: `engine`. After this: consumers, and `report`.

use std::sync::{Arc, mpsc::Receiver};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    PublishError, Settings,
    report::{Report, Settled},
    slots::{self, Slot},
};

/// A transaction whose records and checkpoint are all acknowledged.
pub(super) struct Flushed {
    pub(super) slot: Slot,
    pub(super) settled: Settled,
}

pub(super) struct Committer {
    pub(super) settings: Arc<Settings>,
    pub(super) flushed: Receiver<Flushed>,
    pub(super) give_back: mpsc::Sender<Slot>,
    pub(super) report: Report,
    pub(super) stop: CancellationToken,
}

impl Committer {
    /// Returns when the engine has hung up and everything it handed over is committed.
    pub(super) fn run(mut self) -> Result<(), PublishError> {
        while let Ok(Flushed { slot, settled }) = self.flushed.recv() {
            slots::commit(&self.settings, &slot, &self.stop)?;
            self.report.settle(settled);
            self.report.checkpoint_stored();
            slots::begin(&self.settings, &slot.producer)?;
            if self.give_back.blocking_send(slot).is_err() {
                // The engine has ended; what it handed over before is still to be committed.
            }
        }
        Ok(())
    }
}
