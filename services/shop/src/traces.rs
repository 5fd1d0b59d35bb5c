//! A service's spans → an OpenTelemetry collector, if the environment names one.
//!
//! `OTEL_EXPORTER_OTLP_ENDPOINT` (or `…_TRACES_ENDPOINT`) turns it on; the other variables of the
//! OpenTelemetry SDK mean what they mean everywhere: sampler, headers, time limits, queue, resource.
//!
//! Promises: a collector that is away, slow, or refuses everything costs spans and a line in the log
//! each minute, nothing else. Spans wait in a queue of their own limit; the end of the service waits
//! for them no longer than [`FLUSH_MAX`].
//!
//! Not promised: that every span arrives. They are for looking, not for counting.

use std::{
    env,
    fmt::Debug,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use opentelemetry::{
    Context, KeyValue,
    context::FutureExt as _,
    global,
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData},
};
use rowpost_outbox::{TraceContext, headers::TRACEPARENT};

use crate::Failure;

/// For the last spans, at the end.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Between two lines about a collector that takes nothing.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(60);

const SCOPE: &str = "shop";

/// Also whether spans are recorded at all.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// Once, before anything that is to be seen.
pub(crate) fn begin() -> Result<(), Failure> {
    if !is_wanted(|name| env::var(name).ok()) {
        return Ok(());
    }
    let exporter = SpanExporter::builder().with_http().build().map_err(|error| {
        Failure::Service(format!("OTEL_EXPORTER_OTLP_ENDPOINT and the like: {error}"))
    })?;
    let exporter = Complaining { exporter, complained: Mutex::default() };
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource())
        .build();
    // The second one of a process is a test's, and the first one stays.
    if PROVIDER.set(provider.clone()).is_ok() {
        global::set_tracer_provider(provider);
    }
    Ok(())
}

/// Sends what is left.
pub(crate) async fn end() {
    let Some(provider) = PROVIDER.get() else { return };
    let flushed = tokio::task::spawn_blocking(|| provider.shutdown_with_timeout(FLUSH_MAX));
    if let Ok(Err(error)) = flushed.await {
        tracing::warn!(%error, "the last spans are not exported");
    }
}

fn is_wanted(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.trim().is_empty());
    let is = |name: &str, value: &str| {
        variable(name).is_some_and(|given| given.trim().eq_ignore_ascii_case(value))
    };
    (is_set("OTEL_EXPORTER_OTLP_ENDPOINT") || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
        && !is("OTEL_SDK_DISABLED", "true")
        && !is("OTEL_TRACES_EXPORTER", "none")
}

/// Named as the program is, unless the environment says otherwise.
fn resource() -> Resource {
    let given = |name: &str| env::var(name).unwrap_or_default();
    let is_named = !given("OTEL_SERVICE_NAME").is_empty()
        || given("OTEL_RESOURCE_ATTRIBUTES").contains("service.name=");
    let program = env::current_exe().unwrap_or_default();
    match program.file_stem().and_then(|name| Path::new(name).to_str()) {
        Some(name) if !is_named => Resource::builder().with_service_name(name.to_owned()).build(),
        _ => Resource::builder().build(),
    }
}

pub(crate) fn is_on() -> bool {
    PROVIDER.get().is_some()
}

/// Below `parent`, or below the task's span where there is none.
///
/// `name` and attributes are for everybody who may look at traces: nothing of a customer's.
pub fn span(
    name: impl Into<String>,
    kind: SpanKind,
    parent: Option<TraceContext>,
    attributes: Vec<KeyValue>,
) -> Context {
    let parent = parent.map_or_else(Context::current, TraceContext::as_parent);
    let tracer = global::tracer(SCOPE);
    let builder = tracer.span_builder(name.into()).with_kind(kind).with_attributes(attributes);
    let span = tracer.build_with_context(builder, &parent);
    parent.with_span(span)
}

/// Marks the span as failed, for this kind of reason.
pub fn fail(span: &Context, kind: impl Into<String>) {
    span.span().set_attribute(KeyValue::new("error.type", kind.into()));
    span.span().set_status(Status::error(""));
}

/// The value of the header with which a request of this task goes on in its trace.
pub fn traceparent() -> Option<(&'static str, String)> {
    Some((TRACEPARENT, TraceContext::current()?.to_string()))
}

/// Around a route: in the client's trace, if it has one. Health is asked for by machines all day, and
/// is no part of anything.
pub(crate) async fn serve(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(|route| route.as_str().to_owned());
    if matches!(route.as_deref(), Some("/healthz" | "/readyz")) {
        return next.run(request).await;
    }
    let client = request
        .headers()
        .get(TRACEPARENT)
        .and_then(|header| header.to_str().ok())
        .and_then(TraceContext::parse);
    let method = request.method().as_str();
    let mut attributes = vec![
        KeyValue::new("http.request.method", method.to_owned()),
        KeyValue::new("url.scheme", "http"),
        // Without the query: there may be a customer in it.
        KeyValue::new("url.path", request.uri().path().to_owned()),
    ];
    let name = match route {
        Some(route) => {
            let name = format!("{method} {route}");
            attributes.push(KeyValue::new("http.route", route));
            name
        }
        None => method.to_owned(),
    };
    let span = span(name, SpanKind::Server, client, attributes);
    let response = next.run(request).with_context(span.clone()).await;
    let status = response.status();
    let code = i64::from(status.as_u16());
    span.span().set_attribute(KeyValue::new("http.response.status_code", code));
    if status.is_server_error() {
        fail(&span, status.as_str());
    }
    span.span().end();
    response
}

/// The SDK would say nothing, or the same every five seconds.
#[derive(Debug)]
struct Complaining<E> {
    exporter: E,
    complained: Mutex<Option<Instant>>,
}

impl<E> Complaining<E> {
    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.complained.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= COMPLAINT_INTERVAL);
        if is_due {
            *last = Some(now);
        }
        is_due
    }
}

impl<E: opentelemetry_sdk::trace::SpanExporter> opentelemetry_sdk::trace::SpanExporter
    for Complaining<E>
{
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.exporter.export(batch).await;
        if let Err(error) = &exported
            && self.is_due(Instant::now())
        {
            tracing::warn!(spans, %error, "spans are lost: the collector does not take them");
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_turns_it_on_and_the_standard_switches_off() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:4318/v1/traces");
        let is_wanted = |given: &[(&str, &str)]| {
            is_wanted(|name| {
                let found = given.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };

        assert!(is_wanted(&[endpoint]));
        assert!(is_wanted(&[traces]));
        assert!(!is_wanted(&[]));
        assert!(!is_wanted(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]));
        assert!(!is_wanted(&[endpoint, ("OTEL_SDK_DISABLED", "True")]));
        assert!(!is_wanted(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]));
    }

    #[test]
    fn complaints_come_once_a_minute() {
        let complaining = Complaining { exporter: (), complained: Mutex::default() };
        let now = Instant::now();
        let at = |seconds| complaining.is_due(now + Duration::from_secs(seconds));

        assert_eq!([at(0), at(5), at(59), at(60), at(61)], [true, false, false, true, false]);
    }
}
