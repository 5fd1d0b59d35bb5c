//! An older producer of a slot that notices when it is fenced.

use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Result;
use rdkafka::{
    ClientConfig, ClientContext,
    message::DeliveryResult,
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};

use crate::stage::{DEADLINE, Stage};

/// Sends a record every few milliseconds in a transaction that it never ends.
pub(crate) struct Witness {
    sending: JoinHandle<()>,
    refused: mpsc::Receiver<Instant>,
}

/// Tells when the first delivery failed.
struct Refusals(mpsc::SyncSender<Instant>);

impl ClientContext for Refusals {}

impl ProducerContext for Refusals {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if result.is_err() {
            // Only the first is waited for.
            self.0.try_send(Instant::now()).ok();
        }
    }
}

impl Witness {
    pub(crate) fn start(stage: &Stage, slot: usize) -> Result<Self> {
        let (tell, refused) = mpsc::sync_channel(1);
        let producer: ThreadedProducer<Refusals> = ClientConfig::new()
            .set("bootstrap.servers", &stage.bootstrap)
            .set("transactional.id", format!("rowpost.{}.{slot}", stage.source))
            .set("linger.ms", "0")
            .create_with_context(Refusals(tell))?;
        producer.init_transactions(DEADLINE)?;
        producer.begin_transaction()?;
        let topic = stage.topic.clone();
        let sending = thread::spawn(move || {
            let record = || BaseRecord::to(&topic).key("0").payload("0");
            while producer.send(record()).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        Ok(Self { sending, refused })
    }

    /// # Panics
    /// When it is not fenced in time.
    pub(crate) fn fenced_at(self) -> Instant {
        let at = self.refused.recv_timeout(DEADLINE).expect("the witness is fenced");
        self.sending.join().expect("the witness does not panic");
        at
    }
}
