//! Published records → OpenTelemetry spans, where `tracing.otlp_endpoint` names a collector.
//!
//! ```text
//! outlet ──pending, for each sampled record──▶ report, once committed ──▶ queue ──▶ exporter thread
//! ```
//!
//! A span begins with the commit of the row on the source and ends with that of the record in Kafka.
//! It is a child of the span that the row names; so is the consumer's. The record itself is not
//! touched: a replay promises it byte for byte.
//!
//! Promises:
//! - publishing never waits for the exporter: a span for which the queue has no room is counted, and
//!   gone;
//! - only records whose `traceparent` says that they are sampled cost anything;
//! - no key and no payload in a span.
//!
//! Not promised: that a span arrives; nor one for each attempt: what was aborted and published again
//! has one.

mod agent;
mod exporter;
mod span;
mod traceparent;

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender, TrySendError},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use prometheus_client::metrics::counter::Counter;

pub use self::exporter::ENDPOINT_PATH;
pub(crate) use self::span::Pending;
use self::{exporter::Exporter, span::Origin, traceparent::Traceparent};
use crate::{config, metrics::Metrics, record::OutboxRecord, source::Chunk};

/// Spans between publishing and the exporter, and those of a batch before its commit: some MiB.
const QUEUE_SPANS_MAX: usize = 8_192;

/// For the last spans, when the relay ends.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Header that holds the W3C trace context.
const TRACEPARENT: &str = "traceparent";

/// Where publishing leaves its spans. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Traces {
    queue: SyncSender<Message>,
    lost: Counter,
}

#[derive(Debug)]
enum Message {
    Span(Box<Pending>, SystemTime),
    End,
}

/// The exporter's thread, to be ended.
#[derive(Debug)]
pub struct Exporting {
    queue: SyncSender<Message>,
    ended: Receiver<()>,
}

/// `None` where nothing is configured.
pub fn start(
    config: &config::Tracing,
    source: &str,
    metrics: &Metrics,
) -> io::Result<Option<(Traces, Exporting)>> {
    let Some(endpoint) = &config.otlp_endpoint else { return Ok(None) };
    let (queue, messages) = mpsc::sync_channel(QUEUE_SPANS_MAX);
    let (end, ended) = mpsc::sync_channel(1);
    let exporter = Exporter::new(endpoint, source, metrics)?;
    thread::Builder::new().name("traces".to_owned()).spawn(move || {
        exporter.run(&messages);
        // Nobody listens any more where the relay was in a hurry.
        end.send(()).ok();
    })?;
    let traces = Traces { queue: queue.clone(), lost: metrics.spans_lost.clone() };
    Ok(Some((traces, Exporting { queue, ended })))
}

impl Exporting {
    /// Sends what is left, for up to a second.
    pub fn end(self) {
        let deadline = Instant::now() + FLUSH_MAX;
        let left = || deadline.saturating_duration_since(Instant::now());
        let mut message = Message::End;
        while let Err(TrySendError::Full(returned)) = self.queue.try_send(message) {
            if left().is_zero() {
                break;
            }
            message = returned;
            thread::sleep(Duration::from_millis(10));
        }
        if self.ended.recv_timeout(left()).is_err() {
            tracing::warn!("the last spans are not exported");
        }
    }
}

impl Traces {
    /// What the spans of a chunk's records have in common; made for the first that needs it.
    pub(crate) fn note(
        &self,
        record: &OutboxRecord,
        chunk: &Chunk,
        origin: &mut Option<Arc<Origin>>,
        pending: &mut Vec<Pending>,
    ) {
        let Some(parent) = sampled(record) else { return };
        if pending.len() >= QUEUE_SPANS_MAX {
            self.lost.inc();
            return;
        }
        let origin = origin.get_or_insert_with(|| Arc::new(Origin::of(chunk)));
        pending.push(Pending::of(record, parent, Arc::clone(origin)));
    }

    /// They are committed, or acknowledged where there is nothing to commit.
    pub(crate) fn finish(&self, pending: Vec<Pending>) {
        if pending.is_empty() {
            return;
        }
        let now = SystemTime::now();
        for span in pending {
            if self.queue.try_send(Message::Span(Box::new(span), now)).is_err() {
                self.lost.inc();
            }
        }
    }
}

/// The span that wrote the row, if somebody wants to see its trace.
fn sampled(record: &OutboxRecord) -> Option<Traceparent> {
    let header = record.headers.iter().find(|header| &*header.name == TRACEPARENT)?;
    Traceparent::parse(header.value.as_deref()?).filter(|parent| parent.is_sampled)
}

#[cfg(test)]
mod tests;
