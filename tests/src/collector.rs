//! An OpenTelemetry collector: what the programs under test export, to be looked at.
//!
//! On a thread of its own, so that it outlives the test that started it.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::Result;
use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    trace::v1 as otlp,
};
use prost::Message as _;

/// A span as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub service: String,
    pub name: String,
    /// `SERVER`, `CLIENT`, `PRODUCER`, `CONSUMER` or `INTERNAL`.
    pub kind: String,
    /// Hexadecimal, as in a `traceparent`.
    pub trace_id: String,
    pub span_id: String,
    /// Empty: the first of its trace.
    pub parent_id: String,
    pub attributes: BTreeMap<String, String>,
    pub events: Vec<String>,
    pub is_error: bool,
    /// Nanoseconds since the epoch.
    pub began: u64,
    pub ended: u64,
}

#[derive(Debug)]
pub struct Collector {
    address: SocketAddr,
    spans: Spans,
}

type Spans = Arc<Mutex<Vec<Span>>>;

impl Collector {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let spans = Spans::default();
        let router = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&spans));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("collector".to_owned()).spawn(move || {
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                axum::serve(listener, router).await
            })
        })?;
        Ok(Self { address, spans })
    }

    /// What `OTEL_EXPORTER_OTLP_ENDPOINT` is to be.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// All that have come.
    pub fn spans(&self) -> Vec<Span> {
        lock(&self.spans).clone()
    }

    pub fn trace(&self, trace_id: &str) -> Vec<Span> {
        self.spans().into_iter().filter(|span| span.trace_id == trace_id).collect()
    }
}

/// A line `service: name` for each span, below its parent's and further in. Neighbours are sorted.
pub fn tree(spans: &[Span], shown: &impl Fn(&Span) -> String) -> Vec<String> {
    let is_root = |span: &&Span| !spans.iter().any(|parent| parent.span_id == span.parent_id);
    let mut roots: Vec<Vec<String>> =
        spans.iter().filter(is_root).map(|root| branch(spans, root, shown)).collect();
    roots.sort();
    roots.concat()
}

fn branch(spans: &[Span], span: &Span, shown: &impl Fn(&Span) -> String) -> Vec<String> {
    let children = spans.iter().filter(|child| child.parent_id == span.span_id);
    let mut children: Vec<Vec<String>> =
        children.map(|child| branch(spans, child, shown)).collect();
    children.sort();
    let below = children.concat().into_iter().map(|line| format!("  {line}"));
    [shown(span)].into_iter().chain(below).collect()
}

async fn take(State(spans): State<Spans>, body: Bytes) -> StatusCode {
    let Ok(request) = ExportTraceServiceRequest::decode(body) else {
        return StatusCode::BAD_REQUEST;
    };
    for resource in request.resource_spans {
        let described = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        let service = attributes(described).remove("service.name").unwrap_or_default();
        let came = resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
        lock(&spans).extend(came.map(|span| read(span, &service)));
    }
    StatusCode::OK
}

fn read(span: otlp::Span, service: &str) -> Span {
    let kind = span.kind().as_str_name().trim_start_matches("SPAN_KIND_").to_owned();
    let error = otlp::status::StatusCode::Error;
    Span {
        service: service.to_owned(),
        name: span.name,
        kind,
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: hex(&span.parent_span_id),
        attributes: attributes(span.attributes),
        events: span.events.into_iter().map(|event| event.name).collect(),
        is_error: span.status.is_some_and(|status| status.code() == error),
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
    }
}

fn attributes(attributes: Vec<KeyValue>) -> BTreeMap<String, String> {
    attributes.into_iter().map(|pair| (pair.key, text(pair.value))).collect()
}

fn text(value: Option<AnyValue>) -> String {
    match value.and_then(|value| value.value) {
        Some(any_value::Value::StringValue(text)) => text,
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(value)) => value.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn lock(spans: &Spans) -> MutexGuard<'_, Vec<Span>> {
    spans.lock().unwrap_or_else(PoisonError::into_inner)
}
