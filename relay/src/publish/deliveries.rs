//! librdkafka's callbacks → the failure that says most.
//!
//! Promises: a delivery that failed is counted before the flush that covers it returns: librdkafka
//! holds its count of outstanding records until the callback is over.
//!
//! Not promised: success reports. Only failures come (`delivery.report.only.error`), which costs the
//! polling thread nothing while all is well.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rdkafka::{
    ClientContext, Message,
    config::RDKafkaLogLevel,
    error::KafkaError,
    message::{DeliveryResult, Headers},
    producer::ProducerContext,
    types::RDKafkaErrorCode,
};

use super::{
    connection::{self, Connection},
    fault::Fault,
};

/// Longest part of a record that a message shows.
const SHOWN_BYTES_MAX: usize = 64;

/// What one producer's callbacks have seen.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    failed: AtomicBool,
    failure: Mutex<Option<FailedDelivery>>,
    pub(super) connection: Connection,
}

/// A record that was not delivered.
#[derive(Debug, Clone)]
pub(super) struct FailedDelivery {
    pub(super) code: RDKafkaErrorCode,
    /// Number of the record within its batch.
    pub(super) ordinal: usize,
    pub(super) topic: String,
    pub(super) partition: Option<i32>,
    pub(super) bytes: usize,
    pub(super) event_id: Option<String>,
}

impl Deliveries {
    /// Cheap enough to ask for each chunk.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// The first record that failed for a reason of its own; where there is none, the first one.
    pub(super) fn failure(&self) -> Option<FailedDelivery> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fail(&self, failure: FailedDelivery) {
        let mut known = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        let says_more = match known.as_ref() {
            None => true,
            Some(known) => known.is_consequence() && !failure.is_consequence(),
        };
        if says_more {
            *known = Some(failure);
        }
        self.failed.store(true, Ordering::Release);
    }
}

impl FailedDelivery {
    /// Whether the record only failed along with its producer or transaction. Those that wait in the
    /// queue for other partitions often fail before the one that is to blame.
    pub(super) fn is_consequence(&self) -> bool {
        is_consequence(self.code)
    }
}

pub(super) fn is_consequence(code: RDKafkaErrorCode) -> bool {
    code == RDKafkaErrorCode::State
        || matches!(Fault::of(code), Fault::Purged | Fault::Fatal | Fault::TimedOut)
}

impl ProducerContext for Deliveries {
    /// Number of the record within its batch.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ordinal: usize) {
        let Err((error, message)) = result else { return };
        self.fail(FailedDelivery {
            code: error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
            ordinal,
            topic: message.topic().to_owned(),
            partition: (message.partition() >= 0).then_some(message.partition()),
            bytes: message.key_len() + message.payload_len(),
            // The first header is the event id's, whatever its name.
            event_id: message.headers().and_then(|headers| headers.iter().next()?.value).map(shown),
        });
    }
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        connection::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.note(&error, reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

/// An event id as text, shortened; bytes that are no text as hexadecimal digits.
pub(super) fn shown(id: &[u8]) -> String {
    let id = id.get(..SHOWN_BYTES_MAX).unwrap_or(id);
    match str::from_utf8(id) {
        Ok(text) => text.escape_debug().collect(),
        Err(_) => id.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(ordinal: usize, code: RDKafkaErrorCode) -> FailedDelivery {
        let topic = "t".to_owned();
        FailedDelivery { code, ordinal, topic, partition: None, bytes: 1, event_id: None }
    }

    #[test]
    fn first_failure_is_kept() {
        let deliveries = Deliveries::default();
        assert!(!deliveries.has_failed());

        deliveries.fail(failed(3, RDKafkaErrorCode::InvalidRecord));
        deliveries.fail(failed(4, RDKafkaErrorCode::InvalidRecord));

        assert!(deliveries.has_failed());
        assert_eq!(deliveries.failure().unwrap().ordinal, 3);
    }

    #[test]
    fn record_that_is_to_blame_replaces_those_that_failed_because_of_it() {
        let deliveries = Deliveries::default();

        deliveries.fail(failed(7, RDKafkaErrorCode::PurgeQueue));
        deliveries.fail(failed(8, RDKafkaErrorCode::Fatal));
        assert_eq!(deliveries.failure().unwrap().ordinal, 7);

        deliveries.fail(failed(2, RDKafkaErrorCode::MessageSizeTooLarge));
        deliveries.fail(failed(9, RDKafkaErrorCode::PurgeQueue));
        assert_eq!(deliveries.failure().unwrap().ordinal, 2);
    }

    #[test]
    fn event_id_that_is_no_text_is_shown_in_hexadecimal() {
        assert_eq!(shown(b"0193-ab"), "0193-ab");
        assert_eq!(shown(&[0xff, 0x00, 0x1a]), "ff001a");
    }
}
