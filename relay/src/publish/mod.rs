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
mod intake;
mod opening;
mod outlet;
mod pacing;
mod partitioner;
mod preflight;
mod producer;
mod properties;
mod report;
mod session;
mod settings;
mod slots;
mod tenure;
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
    client_config::{Isolation, create},
    connection::{Connection, LOGIN_GRACE, log},
    error::code_of,
    fault::Fault,
    partitioner::partition_of,
    session::{Context, REQUEST_TIMEOUT, Session, passes},
};
pub use self::{
    error::{BrokerError, PublishError, RecordError, RecordPlace},
    preflight::preflight,
    report::Committed,
    settings::{Settings, SettingsError},
    tenure::Tenure,
};
use crate::{
    checkpoint::{Checkpoint, Store, Writer},
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
    writer: Writer,
    /// Of the newest checkpoint; 0 while there is none.
    sequence: u64,
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
    /// Called again after a failure, it ends with [`PublishError::AnotherRelay`] when another one has
    /// taken over meanwhile: `tenure` knows.
    ///
    /// With `delivery = "at-least-once"` there is nothing to fence with.
    pub fn fence(
        settings: &Settings,
        metrics: Metrics,
        tenure: &mut Tenure,
    ) -> Result<(Self, Option<Position>), PublishError> {
        let settings = Arc::new(settings.clone());
        let store = Store::new(&settings);
        store.ensure_topic()?;
        tenure.wait(&settings.source, || store.read())?;
        let mode = match settings.delivery {
            Delivery::ExactlyOnce => Mode::ExactlyOnce(slots::fence(&settings)?),
            Delivery::AtLeastOnce => {
                Mode::AtLeastOnce(Producer::create(&settings.idempotent_producer())?)
            }
        };
        // ORDER: after the fence. Read before it, the checkpoint could be overtaken by an older relay's
        // last commit, whose records would then be published again.
        let checkpoint = store.read()?;
        // It may have come since. That relay finds itself fenced and its own checkpoint the newest.
        tenure.check(&settings.source, checkpoint.as_ref())?;
        tenure.begin(checkpoint.as_ref());
        let position = checkpoint.as_ref().map(|checkpoint| checkpoint.position.clone());
        let mut publisher = Self {
            settings,
            metrics,
            mode,
            writer: tenure.writer().clone(),
            sequence: checkpoint.map_or(0, |checkpoint| checkpoint.sequence),
        };
        if let Some(position) = &position {
            publisher.open(position, &CancellationToken::new())?;
        }
        Ok((publisher, position))
    }

    /// Publishes until the channel is closed and the last batch committed, or until something fails.
    /// `start` is where the first chunk begins: the position that [`Self::fence`] returned, or the
    /// source's start policy where it returned none. Blocks: call it on a thread of its own.
    ///
    /// `stop` ends it as soon as possible, with [`PublishError::Stopped`]; what was not committed then
    /// is published by the next relay.
    pub fn run(
        mut self,
        start: Position,
        chunks: mpsc::Receiver<Chunk>,
        committed: watch::Sender<Committed>,
        stop: CancellationToken,
    ) -> Result<(), PublishError> {
        if self.sequence == 0 {
            self.open(&start, &stop)?;
        }
        let Self { settings, metrics, mode, writer, sequence } = self;
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
        let report =
            Report::new(metrics, committed, settings.checkpoint_interval, settings.traces.clone());
        let position = start;
        match mode {
            Mode::ExactlyOnce(slots) => {
                Engine { settings, intake, outlet, report, writer, sequence, position, stop }
                    .run(slots)
            }
            Mode::AtLeastOnce(producer) => AtLeastOnce {
                producer,
                intake,
                outlet,
                report,
                writer,
                sequence,
                position,
                checkpoint_on_its_way: false,
            }
            .run(),
        }
    }

    /// Stores `position` as the newest checkpoint, and publishes nothing. Blocks.
    pub fn set_position(mut self, position: &Position) -> Result<(), PublishError> {
        self.open(position, &CancellationToken::new())
    }

    /// Stores `position` as this publisher's first checkpoint.
    fn open(&mut self, position: &Position, stop: &CancellationToken) -> Result<(), PublishError> {
        self.sequence += 1;
        let checkpoint = Checkpoint::new(self.sequence, position.clone(), self.writer.clone());
        opening::store(&checkpoint, &self.mode, &self.settings, self.metrics.clone(), stop)
    }
}
