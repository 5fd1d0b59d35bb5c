//! Appending and processing → OpenTelemetry spans, after the conventions for messaging.
//!
//! ```text
//! the service's own span, such as that of a request
//!   └ create order          the row; its context is what the row carries
//!       ├ send order        the relay's, from the commit to Kafka
//!       └ process order     a delivery to a handler, and below it what the handler appends
//! ```
//!
//! Promises:
//! - a trace goes on where the row says, and whoever is told not to sample it records nothing;
//! - no payload, key or error text: any of them may hold personal data.
//!
//! Not promised: that anything is recorded. The service decides, by the tracer provider that it sets up;
//! without one no span begins, and a row carries what its [`Headers`] say.

use std::time::Duration;

use opentelemetry::{
    Context, KeyValue, global,
    trace::{SpanKind, Status, TraceContextExt as _, Tracer as _},
};

use crate::{
    Event, HandlerError, Headers, Outcome, Received, TraceContext, headers::CORRELATION_ID,
};

const SCOPE: &str = "rowpost-outbox";

/// A row that is being appended.
pub(crate) struct Creating {
    span: Context,
    parent: Option<TraceContext>,
}

impl Creating {
    /// Below the task's span; without one, below what `headers` name.
    pub(crate) fn begin(event: &impl Event, headers: &Headers) -> Self {
        let mut parent = Context::current();
        if !parent.span().span_context().is_valid()
            && let Some(named) = headers.traceparent.as_deref().and_then(TraceContext::parse)
        {
            parent = named.as_parent();
        }
        let aggregate_type = event.aggregate_type().to_owned();
        let mut attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.operation.type", "create"),
            KeyValue::new("messaging.operation.name", "create"),
            KeyValue::new("rowpost.event.type", event.event_type().to_owned()),
        ];
        attributes.extend(conversation(headers.correlation_id.as_deref()));
        let name = format!("create {aggregate_type}");
        // The topic is made of it by the relay's configuration.
        attributes.push(KeyValue::new("rowpost.aggregate.type", aggregate_type));
        let parent_context = TraceContext::of(parent.span().span_context());
        let span = begin(name, SpanKind::Producer, attributes, &parent);
        Self { span, parent: parent_context }
    }

    /// What the row is to carry, if a span has begun; without OpenTelemetry the parent stands for it.
    pub(crate) fn traceparent(&self) -> Option<String> {
        let own = TraceContext::of(self.span.span().span_context())?;
        let is_own = self.parent.is_none_or(|parent| parent.span_id != own.span_id);
        is_own.then(|| own.to_string())
    }

    pub(crate) fn created(self, event_id: &str) {
        let span = self.span.span();
        span.set_attribute(KeyValue::new("messaging.message.id", event_id.to_owned()));
        span.end();
    }

    pub(crate) fn failed(self) {
        fail(&self.span, "append");
        self.span.span().end();
    }
}

/// One delivery of a record. What is done within [`Processing::context`] is below it.
pub(crate) struct Processing {
    span: Context,
}

impl Processing {
    pub(crate) fn begin(record: &Received, consumer: &str, failures: u32) -> Self {
        let parent = record.trace().map_or_else(Context::new, TraceContext::as_parent);
        let mut attributes = vec![
            KeyValue::new("messaging.system", "kafka"),
            KeyValue::new("messaging.operation.type", "process"),
            KeyValue::new("messaging.operation.name", "process"),
            KeyValue::new("messaging.destination.name", record.topic.clone()),
            KeyValue::new("messaging.destination.partition.id", record.partition.to_string()),
            KeyValue::new("messaging.kafka.offset", record.kafka_offset),
            KeyValue::new("messaging.message.id", record.event_id.clone()),
            KeyValue::new("messaging.consumer.group.name", consumer.to_owned()),
        ];
        attributes.extend(conversation(record.header(CORRELATION_ID)));
        if failures > 0 {
            attributes.push(KeyValue::new("rowpost.attempt", i64::from(failures) + 1));
        }
        let name = format!("process {}", record.topic);
        Self { span: begin(name, SpanKind::Consumer, attributes, &parent) }
    }

    pub(crate) fn context(&self) -> Context {
        self.span.clone()
    }

    pub(crate) fn processed(&self, outcome: Outcome) {
        if outcome == Outcome::Duplicate {
            self.span.span().set_attribute(KeyValue::new("rowpost.duplicate", true));
        }
    }

    pub(crate) fn failed(&self, error: &HandlerError) {
        fail(
            &self.span,
            match error {
                HandlerError::Transient(_) => "transient",
                HandlerError::Unavailable(_) => "unavailable",
                HandlerError::Permanent(_) => "permanent",
            },
        );
    }

    /// The same record again, after a pause.
    pub(crate) fn retried(&self, pause: Duration) {
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        self.event("retry", vec![KeyValue::new("rowpost.pause_ms", pause_ms)]);
    }

    pub(crate) fn given_up(&self, dead_letter_topic: &str) {
        let topic = KeyValue::new("messaging.destination.name", dead_letter_topic.to_owned());
        self.event("dead letter", vec![topic]);
    }

    fn event(&self, name: &'static str, attributes: Vec<KeyValue>) {
        self.span.span().add_event(name, attributes);
    }
}

impl Drop for Processing {
    fn drop(&mut self) {
        self.span.span().end();
    }
}

fn begin(name: String, kind: SpanKind, attributes: Vec<KeyValue>, parent: &Context) -> Context {
    let tracer = global::tracer(SCOPE);
    let builder = tracer.span_builder(name).with_kind(kind).with_attributes(attributes);
    parent.with_span(tracer.build_with_context(builder, parent))
}

fn conversation(correlation_id: Option<&str>) -> Option<KeyValue> {
    Some(KeyValue::new("messaging.message.conversation_id", correlation_id?.to_owned()))
}

fn fail(span: &Context, kind: &'static str) {
    span.span().set_attribute(KeyValue::new("error.type", kind));
    span.span().set_status(Status::error(""));
}
