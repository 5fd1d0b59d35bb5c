//! What librdkafka knows about a failed batch → one error that explains it.
//!
//! One fault shows in several places: as failed deliveries, as an error of the transaction, as a fatal
//! error of the producer. The record's own error says most; where records only failed along with the
//! producer, the producer's error does.

use rdkafka::types::RDKafkaErrorCode;

use super::{
    BrokerError, PublishError, RecordError, RecordPlace, Settings,
    batch::Batch,
    deliveries::{FailedDelivery, is_consequence},
    fault::Fault,
    producer::{Complaint, Producer},
};

impl Settings {
    /// The error behind what went wrong while `batch` was delivered, if anything did.
    pub(super) fn failure(&self, producer: &Producer, batch: &Batch) -> Option<PublishError> {
        let delivery = producer.deliveries().failure();
        let complaint = producer.fatal_error().or_else(|| producer.transaction_error());
        match (delivery, complaint) {
            (Some(delivery), complaint) => {
                Some(self.delivery_error(delivery, complaint, producer, batch))
            }
            (None, Some(complaint)) => Some(self.call_error("delivering records", complaint)),
            (None, None) => None,
        }
    }

    fn delivery_error(
        &self,
        delivery: FailedDelivery,
        complaint: Option<Complaint>,
        producer: &Producer,
        batch: &Batch,
    ) -> PublishError {
        let place = RecordPlace {
            table: batch.table_of(delivery.ordinal).cloned(),
            coordinates: batch.coordinates_of(delivery.ordinal).cloned(),
            topic: delivery.topic,
            partition: delivery.partition,
            event_id: delivery.event_id,
            bytes: delivery.bytes,
        };
        self.record_error(delivery.code, place, complaint, producer)
    }

    /// The error behind a record that failed with `code`.
    pub(super) fn record_error(
        &self,
        code: RDKafkaErrorCode,
        place: RecordPlace,
        complaint: Option<Complaint>,
        producer: &Producer,
    ) -> PublishError {
        let doing = "delivering records";
        let fault = Fault::of(code);
        if fault == Fault::Fenced {
            return self.fenced();
        }
        if let Some(complaint) = complaint
            && is_consequence(code)
        {
            return self.call_error(doing, complaint);
        }
        match RecordError::of(fault, place, code.to_string()) {
            Ok(error) => error.into(),
            Err(place) => {
                let mut reason = format!("{code}, first for {place}");
                if let Some(trouble) = producer.deliveries().connection.trouble() {
                    reason = format!("{reason}; last connection error: {trouble}");
                }
                BrokerError::of(doing, fault, self.record_timeout(), reason).into()
            }
        }
    }

    /// The error behind a failed call or a spoilt producer.
    pub(super) fn call_error(&self, doing: &'static str, complaint: Complaint) -> PublishError {
        let fault = Fault::of(complaint.code);
        if fault == Fault::Fenced {
            return self.fenced();
        }
        BrokerError::of(doing, fault, self.record_timeout(), complaint.reason).into()
    }

    fn fenced(&self) -> PublishError {
        PublishError::Fenced { source_name: self.source.to_string() }
    }
}
