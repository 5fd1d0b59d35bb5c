//! The first checkpoint that a publisher stores.
//!
//! Promises: it is committed before anything else of this publisher is. Where a first start begins is
//! kept from then on; and everybody can see who publishes now ([`super::Tenure`]).

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Mode, PublishError, Settings, batch::Batch, outlet::Outlet, slots};
use crate::{checkpoint::Checkpoint, metrics::Metrics};

/// Commits `checkpoint`; with at-least-once, waits until it is acknowledged.
pub(super) fn store(
    checkpoint: &Checkpoint,
    mode: &Mode,
    settings: &Arc<Settings>,
    metrics: Metrics,
    stop: &CancellationToken,
) -> Result<(), PublishError> {
    let outlet = Outlet::new(Arc::clone(settings), metrics, stop.clone());
    match mode {
        Mode::AtLeastOnce(producer) => {
            outlet.fill_checkpoint(producer, checkpoint)?;
            outlet.flush(producer, &Batch::default())
        }
        Mode::ExactlyOnce(slots) => {
            // ORDER: on slot 0, where the fence says why.
            let Some(slot) = slots.first() else { return Ok(()) };
            outlet.fill_checkpoint(&slot.producer, checkpoint)?;
            outlet.flush(&slot.producer, &Batch::default())?;
            slots::commit(settings, slot, stop)?;
            slots::begin(settings, &slot.producer)
        }
    }
}
