//! The queue of spans → OTLP requests, on a thread of its own.
//!
//! Promises: a collector that does not take spans costs those spans, which are counted, and a line in
//! the log each minute.

use std::{
    env, io,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{IdGenerator as _, RandomIdGenerator, SpanData, SpanExporter as _},
};
use prometheus_client::metrics::counter::Counter;
use tokio::runtime::Runtime;

use super::{Message, agent::Agent};
use crate::metrics::Metrics;

/// Behind the endpoint, as the OTLP specification has it.
pub const ENDPOINT_PATH: &str = "/v1/traces";

/// Of one request.
const BATCH_SPANS_MAX: usize = 512;
/// How long the first span of a request waits for others.
const LINGER: Duration = Duration::from_millis(500);
/// For one attempt; another one begins only within it.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// Between two lines about a collector that takes nothing.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

pub(super) struct Exporter {
    otlp: SpanExporter,
    ids: RandomIdGenerator,
    scope: InstrumentationScope,
    exported: Counter,
    lost: Counter,
    complained: Option<Instant>,
    /// The exporter waits in here between two attempts.
    runtime: Runtime,
}

impl Exporter {
    pub(super) fn new(endpoint: &str, source: &str, metrics: &Metrics) -> io::Result<Self> {
        let mut otlp = SpanExporter::builder()
            .with_http()
            .with_http_client(Agent::new(EXPORT_TIMEOUT))
            .with_endpoint(format!("{}{ENDPOINT_PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(io::Error::other)?;
        otlp.set_resource(&resource(source));
        let scope =
            InstrumentationScope::builder("rowpost").with_version(env!("CARGO_PKG_VERSION"));
        Ok(Self {
            otlp,
            ids: RandomIdGenerator::default(),
            scope: scope.build(),
            exported: metrics.spans_exported.clone(),
            lost: metrics.spans_lost.clone(),
            complained: None,
            runtime: tokio::runtime::Builder::new_current_thread().enable_time().build()?,
        })
    }

    /// Until it is told to end, or nobody is left who could.
    pub(super) fn run(mut self, messages: &Receiver<Message>) {
        let mut batch = Vec::new();
        let mut due_at: Option<Instant> = None;
        loop {
            let message = match due_at {
                None => messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => messages.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            let is_end = match message {
                Ok(Message::Span(span, ended_at)) => {
                    due_at.get_or_insert_with(|| Instant::now() + LINGER);
                    let span_id = self.ids.new_span_id();
                    batch.push(span.ended(span_id, ended_at, self.scope.clone()));
                    if batch.len() < BATCH_SPANS_MAX {
                        continue;
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => true,
            };
            due_at = None;
            self.export(std::mem::take(&mut batch));
            if is_end {
                return;
            }
        }
    }

    fn export(&mut self, batch: Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        match self.runtime.block_on(self.otlp.export(batch)) {
            Ok(()) => {
                self.exported.inc_by(spans);
            }
            Err(error) => {
                self.lost.inc_by(spans);
                let now = Instant::now();
                if self.complained.is_none_or(|last| now - last >= COMPLAINT_INTERVAL) {
                    self.complained = Some(now);
                    tracing::warn!(
                        spans, %error,
                        "spans are lost, the collector does not take them; publishing goes on"
                    );
                }
            }
        }
    }
}

/// `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go over the name.
fn resource(source: &str) -> Resource {
    let given = |name: &str| env::var(name).unwrap_or_default();
    let is_named = !given("OTEL_SERVICE_NAME").is_empty()
        || given("OTEL_RESOURCE_ATTRIBUTES").contains("service.name=");
    let resource =
        Resource::builder().with_attribute(KeyValue::new("rowpost.source", source.to_owned()));
    if is_named { resource.build() } else { resource.with_service_name("rowpost").build() }
}
