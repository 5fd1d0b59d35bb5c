//! Batches → librdkafka, and the wait for their acknowledgement.
//!
//! Promises:
//! - records go in the order of the batch; a full queue makes this wait, never drop;
//! - a chunk's share of the in-flight limit is given back as soon as librdkafka has copied it;
//! - a flush that returns `Ok` means that every record of the batch is acknowledged.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::producer::BaseRecord;
use tokio_util::sync::CancellationToken;

use super::{
    BrokerError, PublishError, RecordPlace, Settings,
    batch::Batch,
    deliveries::shown,
    producer::{Outgoing, Producer, Refused, outgoing},
    topics::{Tally, Topics},
};
use crate::{checkpoint::Checkpoint, metrics::Metrics, record::OutboxRecord, source::Chunk};

/// The checkpoint record's number within its batch: none of the records'.
const CHECKPOINT_ORDINAL: usize = usize::MAX;

/// How long to wait when librdkafka's queue is full; its CPU cost is in the noise.
const QUEUE_FULL_PAUSE: Duration = Duration::from_micros(500);

/// How long one wait for acknowledgements lasts before the producer is asked whether it still tries.
const FLUSH_SLICE: Duration = Duration::from_millis(200);

pub(super) struct Outlet {
    settings: Arc<Settings>,
    topics: Topics,
    stop: CancellationToken,
}

impl Outlet {
    pub(super) fn new(settings: Arc<Settings>, metrics: Metrics, stop: CancellationToken) -> Self {
        Self { settings, topics: Topics::new(metrics), stop }
    }

    /// Hands over every record of the batch; the records are gone afterwards.
    pub(super) fn fill(
        &mut self,
        producer: &Producer,
        batch: &mut Batch,
    ) -> Result<Tally, PublishError> {
        let mut tally = Tally::default();
        let mut ordinal = 0;
        for chunk in batch.chunks_mut() {
            let mut origin = None;
            for record in &chunk.records {
                self.offer(producer, outgoing(record, ordinal), || place(record, chunk))?;
                self.topics.count(&record.topic, &mut tally);
                if let Some(traces) = &self.settings.traces {
                    traces.note(record, chunk, &mut origin, &mut tally.spans);
                }
                ordinal += 1;
            }
            // Memory first, then the permit that stands for it.
            chunk.records = Vec::new();
            chunk.permit = None;
            if self.stop.is_cancelled() {
                return Err(PublishError::Stopped);
            }
            if producer.deliveries().has_failed() {
                break;
            }
        }
        self.topics.publish(&mut tally);
        match producer.deliveries().has_failed() {
            true => self.settings.failure(producer, batch).map_or(Ok(tally), Err),
            false => Ok(tally),
        }
    }

    /// Hands over the checkpoint record.
    pub(super) fn fill_checkpoint(
        &self,
        producer: &Producer,
        checkpoint: &Checkpoint,
    ) -> Result<(), PublishError> {
        let value = checkpoint.encode(self.settings.note.as_deref())?;
        let topic = &self.settings.checkpoint_topic;
        let record = BaseRecord {
            topic: topic.as_str(),
            partition: Some(0),
            payload: Some(value.as_slice()),
            key: Some(self.settings.source.as_bytes()),
            timestamp: None,
            headers: None,
            delivery_opaque: CHECKPOINT_ORDINAL,
        };
        self.offer(producer, record, || RecordPlace {
            table: None,
            topic: topic.clone(),
            partition: Some(0),
            event_id: None,
            bytes: value.len(),
            coordinates: None,
        })
    }

    /// Waits until everything handed over is acknowledged.
    pub(super) fn flush(&self, producer: &Producer, batch: &Batch) -> Result<(), PublishError> {
        let limit = self.settings.delivery_timeout;
        let started = Instant::now();
        while !producer.flush(FLUSH_SLICE) {
            if self.stop.is_cancelled() {
                return Err(PublishError::Stopped);
            }
            if self.settings.failure(producer, batch).is_some() {
                // The producer knows before the record that is to blame is reported.
                producer.flush(FLUSH_SLICE);
                return self.settings.failure(producer, batch).map_or(Ok(()), Err);
            }
            if started.elapsed() > limit {
                return Err(not_acknowledged(producer, limit));
            }
        }
        match producer.deliveries().has_failed() {
            true => self.settings.failure(producer, batch).map_or(Ok(()), Err),
            false => Ok(()),
        }
    }

    /// Offers one record until librdkafka has room for it.
    fn offer(
        &self,
        producer: &Producer,
        mut record: Outgoing<'_>,
        place: impl FnOnce() -> RecordPlace,
    ) -> Result<(), PublishError> {
        let mut waiting_since = None;
        loop {
            match producer.offer(record).map_err(|refused| *refused) {
                Ok(()) => return Ok(()),
                Err(Refused::QueueFull(returned)) => record = returned,
                Err(Refused::Failed(code)) => {
                    let complaint = producer.fatal_error().or_else(|| producer.transaction_error());
                    return Err(self.settings.record_error(code, place(), complaint, producer));
                }
            }
            let since = *waiting_since.get_or_insert_with(Instant::now);
            if self.stop.is_cancelled() {
                return Err(PublishError::Stopped);
            }
            if let Some(complaint) = producer.fatal_error() {
                return Err(self.settings.call_error("delivering records", complaint));
            }
            if since.elapsed() > self.settings.delivery_timeout {
                return Err(not_acknowledged(producer, self.settings.delivery_timeout));
            }
            thread::sleep(QUEUE_FULL_PAUSE);
        }
    }
}

fn not_acknowledged(producer: &Producer, limit: Duration) -> PublishError {
    let reason = producer.deliveries().connection.trouble().map_or_else(
        || "the broker does not acknowledge".to_owned(),
        |trouble| format!("last connection error: {trouble}"),
    );
    BrokerError::TimedOut { doing: "delivering records", limit, reason }.into()
}

fn place(record: &OutboxRecord, chunk: &Chunk) -> RecordPlace {
    RecordPlace {
        table: Some(Arc::clone(&record.table)),
        // A name may be illegal, down to control characters.
        topic: record.topic.escape_debug().to_string(),
        partition: record.partition,
        // The first header is the event id's, whatever its name.
        event_id: record.headers.first().and_then(|id| id.value.as_deref()).map(shown),
        bytes: record.bytes(),
        coordinates: Some(chunk.advance.coordinates.clone()),
    }
}
