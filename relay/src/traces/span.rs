//! A record on its way → the span that tells of it.
//!
//! Publishing does the first half, which is small: the names are shared, the rest is a few numbers.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::traceparent::Traceparent;
use crate::{
    position::{BinlogCoordinates, GtidSet},
    record::OutboxRecord,
    source::Chunk,
};

/// Longest event id and GTID set that a span shows.
const SHOWN_CHARS_MAX: usize = 256;

/// Where a chunk's records come from.
#[derive(Debug)]
pub(crate) struct Origin {
    committed_at: SystemTime,
    coordinates: BinlogCoordinates,
    gtids: Option<GtidSet>,
}

impl Origin {
    pub(super) fn of(chunk: &Chunk) -> Self {
        Self {
            committed_at: SystemTime::UNIX_EPOCH + Duration::from_micros(chunk.commit_timestamp_us),
            coordinates: chunk.advance.coordinates.clone(),
            gtids: chunk.advance.gtids.clone(),
        }
    }
}

/// A sampled record that is not committed yet.
#[derive(Debug)]
pub(crate) struct Pending {
    parent: Traceparent,
    table: Arc<str>,
    topic: Arc<str>,
    partition: Option<i32>,
    event_id: Option<Vec<u8>>,
    bytes: usize,
    origin: Arc<Origin>,
}

impl Pending {
    pub(super) fn of(record: &OutboxRecord, parent: Traceparent, origin: Arc<Origin>) -> Self {
        Self {
            parent,
            table: Arc::clone(&record.table),
            topic: Arc::clone(&record.topic),
            partition: record.partition,
            // The first header is the event id's, whatever its name.
            event_id: record.headers.first().and_then(|id| id.value.clone()),
            bytes: record.value.as_ref().map_or(0, Vec::len),
            origin,
        }
    }

    /// By the conventions for messaging.
    pub(super) fn ended(
        &self,
        span_id: SpanId,
        at: SystemTime,
        scope: InstrumentationScope,
    ) -> SpanData {
        let Traceparent { trace_id, span_id: parent_span_id, .. } = self.parent;
        let flags = TraceFlags::SAMPLED;
        let start_time = self.origin.committed_at;
        SpanData {
            span_context: SpanContext::new(trace_id, span_id, flags, false, TraceState::NONE),
            parent_span_id,
            parent_span_is_remote: true,
            span_kind: SpanKind::Producer,
            name: format!("send {}", self.topic).into(),
            start_time,
            // Where the source's clock is ahead of ours.
            end_time: at.max(start_time),
            attributes: self.attributes(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: scope,
        }
    }

    fn attributes(&self) -> Vec<KeyValue> {
        let Origin { coordinates, gtids, .. } = &*self.origin;
        let bytes = i64::try_from(self.bytes).unwrap_or(i64::MAX);
        let mut attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.operation.type", "send"),
            KeyValue::new("messaging.operation.name", "send"),
            KeyValue::new("messaging.destination.name", self.topic.to_string()),
            KeyValue::new("messaging.message.body.size", bytes),
            KeyValue::new("rowpost.table", self.table.to_string()),
            KeyValue::new("rowpost.binlog.coordinates", coordinates.to_string()),
        ];
        let partition = self.partition.map(|partition| partition.to_string());
        attributes.extend(
            partition
                .map(|partition| KeyValue::new("messaging.destination.partition.id", partition)),
        );
        let event_id = self.event_id.as_deref().map(|id| shown(&String::from_utf8_lossy(id)));
        attributes.extend(event_id.map(|id| KeyValue::new("messaging.message.id", id)));
        let gtids = gtids.as_ref().map(|gtids| shown(&gtids.to_string()));
        attributes.extend(gtids.map(|gtids| KeyValue::new("rowpost.gtids", gtids)));
        attributes
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
