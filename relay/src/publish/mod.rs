//! Records and checkpoint → one Kafka transaction.
//!
//! Promises, to a `read_committed` consumer and with `delivery = "exactly-once"`:
//! - each record of each chunk comes once, in the order of the chunks for each partition;
//! - a transaction holds records and the position after them, or nothing;
//! - no older publisher of the same source commits anything once [`Publisher::fence`] has returned.
//!
//! Not promised: recovery within. After any failure the publisher is gone; the caller fences again and
//! resumes from the checkpoint that the fence returns.
//!
//! Before this: `source`. After this: Kafka.

mod at_least_once;
mod batch;
mod client_config;
mod committer;
mod connection;
mod deliveries;
mod engine;
mod error;
mod failure;
mod fault;
mod fence_history;
mod intake;
mod outlet;
mod pacing;
mod preflight;
mod producer;
mod properties;
mod report;
mod settings;
mod slots;
mod topics;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::{
    at_least_once::AtLeastOnce, engine::Engine, intake::Intake, outlet::Outlet, pacing::Pacing,
    producer::Producer, report::Report, slots::Slot,
};
pub(crate) use self::{
    client_config::create,
    connection::{Connection, LOGIN_GRACE, log},
    error::code_of,
    fault::Fault,
};
pub use self::{
    error::{BrokerError, PublishError, RecordError, RecordPlace},
    fence_history::FenceHistory,
    preflight::preflight,
    report::Committed,
    settings::{Settings, SettingsError},
};
use crate::{
    checkpoint::{Checkpoint, Store},
    config::Delivery,
    metrics::Metrics,
    position::Position,
    source::Chunk,
};

/// The only writer of its source's records and checkpoint, until another one fences it.
pub struct Publisher {
    settings: Arc<Settings>,
    metrics: Metrics,
    mode: Mode,
    /// The checkpoint that was found.
    checkpoint: Option<Checkpoint>,
}

enum Mode {
    ExactlyOnce(Vec<Slot>),
    AtLeastOnce(Producer),
}

impl Publisher {
    /// Connects, fences older relays of the same source, then reads the checkpoint; creates its topic
    /// if it is missing. Blocks, for up to a few times `publish.delivery_timeout`: call it on a thread
    /// of its own.
    ///
    /// With `delivery = "at-least-once"` there is nothing to fence with.
    pub fn fence(
        settings: &Settings,
        metrics: Metrics,
    ) -> Result<(Self, Option<Position>), PublishError> {
        let settings = Arc::new(settings.clone());
        let store = Store::new(&settings);
        store.ensure_topic()?;
        let mode = match settings.delivery {
            Delivery::ExactlyOnce => Mode::ExactlyOnce(slots::fence(&settings)?),
            Delivery::AtLeastOnce => {
                Mode::AtLeastOnce(Producer::create(&settings.idempotent_producer())?)
            }
        };
        // ORDER: after the fence. Read before it, the checkpoint could be overtaken by an older relay's
        // last commit, whose records would then be published again.
        let checkpoint = store.read()?;
        let position = checkpoint.as_ref().map(|checkpoint| checkpoint.position.clone());
        Ok((Self { settings, metrics, mode, checkpoint }, position))
    }

    /// Publishes until the channel is closed and the last batch committed, or until something fails.
    /// `start` is where the first chunk begins: the position that [`Self::fence`] returned, or the
    /// source's start policy where it returned none. Blocks: call it on a thread of its own.
    ///
    /// `stop` ends it as soon as possible, with [`PublishError::Stopped`]; what was not committed then
    /// is published by the next relay.
    pub fn run(
        self,
        start: Position,
        chunks: mpsc::Receiver<Chunk>,
        committed: watch::Sender<Committed>,
        stop: CancellationToken,
    ) -> Result<(), PublishError> {
        let Self { settings, metrics, mode, checkpoint } = self;
        let first_start = checkpoint.is_none();
        let sequence = checkpoint.map_or(0, |checkpoint| checkpoint.sequence);
        let pacing = Pacing {
            commit_spacing: match settings.delivery {
                Delivery::ExactlyOnce => settings.commit_spacing,
                // There is no commit whose cost would have to be spread.
                Delivery::AtLeastOnce => std::time::Duration::ZERO,
            },
            checkpoint_interval: settings.checkpoint_interval,
        };
        let intake = Intake::new(chunks, settings.batch, pacing, stop.clone())?;
        let outlet = Outlet::new(Arc::clone(&settings), metrics.clone(), stop.clone());
        let report = Report::new(metrics, committed, settings.checkpoint_interval);
        let position = start;
        match mode {
            Mode::ExactlyOnce(slots) => {
                Engine { settings, intake, outlet, report, sequence, position, first_start, stop }
                    .run(slots)
            }
            Mode::AtLeastOnce(producer) => AtLeastOnce {
                producer,
                intake,
                outlet,
                report,
                sequence,
                position,
                first_start,
                checkpoint_on_its_way: false,
            }
            .run(),
        }
    }
}
