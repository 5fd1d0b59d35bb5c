//! One librdkafka producer.
//!
//! Promises:
//! - a flush returns as soon as the last record is acknowledged, not at the next tick of a poll;
//! - `Drop` discards what is queued and closes the connections; it never finishes a transaction.
//!
//! Not promised: that a flush that succeeded delivered anything. [`Deliveries`] knows.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig},
};

use super::{PublishError, client_config, deliveries::Deliveries};
use crate::record::OutboxRecord;

/// A record on its way into librdkafka, with its number within the batch.
pub(super) type Outgoing<'a> = BaseRecord<'a, [u8], [u8], usize>;

pub(super) struct Producer {
    inner: Arc<BaseProducer<Deliveries>>,
    /// Has librdkafka's callbacks called.
    polling: Option<JoinHandle<()>>,
    stop_polling: Arc<AtomicBool>,
}

/// How often the polling thread looks whether it is to end; events wake it at once.
///
/// rdkafka rounds the time that is left down to milliseconds and spins through the rest, with its own
/// polling thread for 1 ms in each 100. These 200 µs are what its first wait is late by.
const POLL: Duration = Duration::from_micros(200_200);

/// A record that librdkafka did not take.
pub(super) enum Refused<'a> {
    /// Its queue is full; the record comes back to be offered again.
    QueueFull(Outgoing<'a>),
    Failed(RDKafkaErrorCode),
}

/// Something librdkafka holds against the whole producer.
#[derive(Debug, Clone)]
pub(super) struct Complaint {
    pub(super) code: RDKafkaErrorCode,
    pub(super) reason: String,
}

impl Producer {
    /// Makes the client; it connects in the background.
    pub(super) fn create(config: &ClientConfig) -> Result<Self, PublishError> {
        let inner: BaseProducer<_> = client_config::create(config, Deliveries::default())?;
        let inner = Arc::new(inner);
        let stop_polling = Arc::new(AtomicBool::new(false));
        let polling = poll(Arc::clone(&inner), Arc::clone(&stop_polling))?;
        Ok(Self { inner, polling: Some(polling), stop_polling })
    }

    pub(super) fn deliveries(&self) -> &Deliveries {
        self.inner.client().context()
    }

    /// Has librdkafka copy the record into its queue.
    pub(super) fn offer<'a>(&self, record: Outgoing<'a>) -> Result<(), Box<Refused<'a>>> {
        self.inner.send(record).map_err(|(error, record)| {
            let refused = match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::QueueFull) => Refused::QueueFull(record),
                Some(code) => Refused::Failed(code),
                // A topic name with a NUL byte.
                None => Refused::Failed(RDKafkaErrorCode::InvalidTopic),
            };
            Box::new(refused)
        })
    }

    /// Sends what lingers and waits until every record is acknowledged or has failed; `false` when
    /// that took longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        // The crate's own flush polls in slices of 100 ms and so makes every commit take 100 ms.
        #[expect(
            unsafe_code,
            reason = "librdkafka's flush is not in the crate's safe interface without that delay"
        )]
        // SAFETY: the pointer is that of a live client, which `self.inner` keeps alive for the whole
        // call; librdkafka's functions are thread-safe; the call takes no other pointer. It waits for
        // deliveries to be reported, which the polling thread does until `self` is dropped.
        let answer = unsafe {
            rdkafka::bindings::rd_kafka_flush(self.inner.client().native_ptr(), timeout_ms)
        };
        answer == rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR
    }

    /// Fences older producers of the same id and finishes what they left open. May be called again
    /// after a time-out, and then goes on where it was.
    pub(super) fn init_transactions(&self, timeout: Duration) -> KafkaResult<()> {
        self.inner.init_transactions(timeout)
    }

    /// Only tells librdkafka; the broker learns of a transaction with its first record.
    pub(super) fn begin_transaction(&self) -> KafkaResult<()> {
        self.inner.begin_transaction()
    }

    /// May be called again after a time-out, and then goes on where it was. Flush before: the crate's
    /// own flush inside this call costs 100 ms while anything is outstanding.
    pub(super) fn commit_transaction(&self, timeout: Duration) -> KafkaResult<()> {
        self.inner.commit_transaction(timeout)
    }

    /// Why the producer is unusable, if it is.
    pub(super) fn fatal_error(&self) -> Option<Complaint> {
        let (code, reason) = self.inner.client().fatal_error()?;
        Some(Complaint { code, reason })
    }

    /// Why the open transaction can only be aborted, if that is so. librdkafka stops sending then and
    /// tells nobody until the commit; a flush would wait for the records' time-out.
    ///
    /// Asks for a second transaction, which changes nothing: the answer is the stored error, or that
    /// one is open already.
    pub(super) fn transaction_error(&self) -> Option<Complaint> {
        match self.inner.begin_transaction() {
            Err(KafkaError::Transaction(error))
                if !matches!(
                    error.code(),
                    // Healthy; and: this producer has no transactions.
                    RDKafkaErrorCode::State | RDKafkaErrorCode::NotConfigured
                ) =>
            {
                Some(Complaint { code: error.code(), reason: error.string() })
            }
            Ok(()) | Err(_) => None,
        }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // ORDER: first nothing more is sent, then the client is closed, which takes a moment.
        self.inner.purge(PurgeConfig::default().queue().inflight());
        self.stop_polling.store(true, Ordering::Relaxed);
        if let Some(polling) = self.polling.take()
            && polling.join().is_err()
        {
            tracing::error!("the thread that polls librdkafka has panicked");
        }
    }
}

fn poll(
    producer: Arc<BaseProducer<Deliveries>>,
    stop: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("rowpost-kafka".to_owned()).spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            producer.poll(POLL);
        }
    })
}

/// An outbox record in librdkafka's form. The headers are copied; key and value are borrowed.
pub(super) fn outgoing(record: &OutboxRecord, ordinal: usize) -> Outgoing<'_> {
    let headers = (!record.headers.is_empty()).then(|| {
        let headers = OwnedHeaders::new_with_capacity(record.headers.len());
        record.headers.iter().fold(headers, |headers, header| {
            headers.insert(Header { key: &header.name, value: header.value.as_deref() })
        })
    });
    BaseRecord {
        topic: &record.topic,
        partition: record.partition,
        payload: record.value.as_deref(),
        key: record.key.as_deref(),
        timestamp: Some(record.timestamp_ms),
        headers,
        delivery_opaque: ordinal,
    }
}
