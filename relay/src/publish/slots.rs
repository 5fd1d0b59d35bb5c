//! Transactional producers in strict rotation, and the fence.
//!
//! Promises:
//! - once [`fence`] has returned, no older relay of the same source can commit anything, and everything
//!   it had committed is visible to a `read_committed` reader;
//! - slots come back in the order in which they left ([`Rotation`]).
//!
//! Why several: a commit and its markers are hidden behind the filling of the next transaction.
//!
//! Before this: `settings`. After this: the checkpoint is read, then `engine`.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rdkafka::error::KafkaError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    BrokerError, PublishError, Settings,
    connection::LOGIN_GRACE,
    error::code_of,
    fault::Fault,
    producer::{Complaint, Producer},
    settings::SLOTS_MAX,
};

const FENCING: &str = "fencing older relays (init_transactions)";
const COMMITTING: &str = "committing a transaction";

/// How long one call lasts before anything else is looked at; the call goes on where it was.
const SLICE: Duration = Duration::from_secs(1);

/// A producer with its place in the rotation. Its transaction is begun.
pub(super) struct Slot {
    index: usize,
    pub(super) producer: Producer,
}

/// Fences every id that any version or configuration of this relay uses, and begins a transaction on
/// those that this one uses.
pub(super) fn fence(settings: &Settings) -> Result<Vec<Slot>, PublishError> {
    // Clients connect in the background: made together, they do it at the same time.
    let producers = (0..SLOTS_MAX)
        .map(|slot| Producer::create(&settings.transactional_producer(slot)))
        .collect::<Result<Vec<_>, _>>()?;

    // ORDER: one after the other, ascending, all of them before the checkpoint is read, and the first
    // commit is on slot 0. Of two relays that start at the same time one has then lost slot 0 before
    // it can commit at all. In parallel or in another order each may own one slot, and both publish.
    for producer in &producers {
        init(settings, producer)?;
    }

    let slots = producers.into_iter().take(settings.slots).enumerate();
    slots
        .map(|(index, producer)| {
            begin(settings, &producer)?;
            Ok(Slot { index, producer })
        })
        .collect()
}

pub(super) fn init(settings: &Settings, producer: &Producer) -> Result<(), PublishError> {
    let started = Instant::now();
    loop {
        let error = match producer.init_transactions(SLICE) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        let complaint = complaint(&error);
        if !is_retriable(&error) {
            return Err(settings.call_error(FENCING, complaint));
        }
        let connection = &producer.deliveries().connection;
        if let Some(reason) = connection.refused_login()
            && started.elapsed() > LOGIN_GRACE
        {
            return Err(BrokerError::AuthenticationFailed { doing: FENCING, reason }.into());
        }
        if started.elapsed() > settings.delivery_timeout {
            return Err(match (connection.trouble(), Fault::of(complaint.code)) {
                (Some(reason), Fault::TimedOut) => {
                    BrokerError::Unreachable { doing: FENCING, reason }.into()
                }
                _ => settings.call_error(FENCING, complaint),
            });
        }
    }
}

pub(super) fn begin(settings: &Settings, producer: &Producer) -> Result<(), PublishError> {
    producer
        .begin_transaction()
        .map_err(|error| settings.call_error("beginning a transaction", complaint(&error)))
}

/// The records of the open transaction, which are all acknowledged, become visible.
pub(super) fn commit(
    settings: &Settings,
    slot: &Slot,
    stop: &CancellationToken,
) -> Result<(), PublishError> {
    let started = Instant::now();
    loop {
        let error = match slot.producer.commit_transaction(SLICE) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if !is_retriable(&error) {
            return Err(settings.call_error(COMMITTING, complaint(&error)));
        }
        if stop.is_cancelled() {
            return Err(PublishError::Stopped);
        }
        let limit = settings.delivery_timeout;
        if started.elapsed() > limit {
            let reason = error.to_string();
            return Err(BrokerError::TimedOut { doing: COMMITTING, limit, reason }.into());
        }
    }
}

fn complaint(error: &KafkaError) -> Complaint {
    Complaint { code: code_of(error), reason: error.to_string() }
}

/// Whether calling the same again goes on with it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the foreign list of errors is open")]
fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable() && !error.is_fatal(),
        _ => false,
    }
}

/// The slots that are free, oldest first, and the way back for those at the committer.
pub(super) struct Rotation {
    free: VecDeque<Slot>,
    returned: mpsc::Receiver<Slot>,
    next: usize,
    slots: usize,
}

impl Rotation {
    /// Also returns the committer's end. Its limit is the number of slots, so that a return never
    /// waits.
    pub(super) fn new(slots: Vec<Slot>) -> (Self, mpsc::Sender<Slot>) {
        let (give_back, returned) = mpsc::channel(slots.len().max(1));
        (Self { next: 0, slots: slots.len(), free: slots.into(), returned }, give_back)
    }

    /// The next slot in turn, once its last commit is done; `None` when the committer has ended.
    pub(super) async fn next(&mut self) -> Option<Slot> {
        let slot = match self.free.pop_front() {
            Some(slot) => slot,
            None => self.returned.recv().await?,
        };
        assert_eq!(slot.index, self.next, "slots rotate strictly");
        self.next = (self.next + 1) % self.slots;
        Some(slot)
    }

    /// Returns when the committer has ended; slots that come back meanwhile are kept.
    pub(super) async fn committer_ended(&mut self) {
        while let Some(slot) = self.returned.recv().await {
            self.free.push_back(slot);
        }
    }
}
