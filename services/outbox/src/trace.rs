//! W3C trace context ↔ the text of a `traceparent`.
//!
//! A trace goes on through the outbox: the request's span is written into the row, the relay makes a
//! header of it, and the handler's span becomes its child. That needs no tracing; where a service has
//! set up OpenTelemetry, the ids are those of its spans.
//!
//! Promises: what [`TraceContext::parse`] takes is valid by the specification; what it prints is
//! version 00.
//!
//! Not promised: `tracestate`. It is vendors' own, and has no column.

use std::fmt;

use opentelemetry::{
    Context, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt as _, TraceState},
};
use uuid::Uuid;

/// A span, as others are told of it.
///
/// ```
/// # use rowpost_outbox::TraceContext;
/// let request = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// let caller = TraceContext::parse(request).unwrap();
/// let ours = caller.child();
/// assert_eq!(ours.trace_id, caller.trace_id);
/// assert_ne!(ours.span_id, caller.span_id);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// Of all spans of the trace; not 0.
    pub trace_id: u128,
    /// Not 0.
    pub span_id: u64,
    /// Whether the caller may have recorded it.
    pub is_sampled: bool,
}

const SAMPLED: u8 = 1;

impl TraceContext {
    /// The first span of a new trace.
    pub fn root(is_sampled: bool) -> Self {
        Self { trace_id: Uuid::new_v4().as_u128(), span_id: random_span_id(), is_sampled }
    }

    /// A span below this one.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span_id: random_span_id(), ..self }
    }

    /// The span that this task is in. `None` without one, and where nobody has set up OpenTelemetry.
    pub fn current() -> Option<Self> {
        Self::of(Context::current().span().span_context())
    }

    pub(crate) fn of(span: &SpanContext) -> Option<Self> {
        span.is_valid().then(|| Self {
            trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
            span_id: u64::from_be_bytes(span.span_id().to_bytes()),
            is_sampled: span.is_sampled(),
        })
    }

    /// What a span below this one, which is another process's, is to begin with.
    pub fn as_parent(self) -> Context {
        let flags = TraceFlags::default().with_sampled(self.is_sampled);
        Context::new().with_remote_span_context(SpanContext::new(
            TraceId::from(self.trace_id),
            SpanId::from(self.span_id),
            flags,
            true,
            TraceState::NONE,
        ))
    }

    /// A header's value; `None` for one that the specification wants ignored.
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let span_id = u64::try_from(hex(parts.next()?, 16)?).ok()?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        // A later version may have more parts; 00 has none, and ff is none.
        let has_more = parts.next().is_some();
        if version == 0xff || (version == 0 && has_more) || trace_id == 0 || span_id == 0 {
            return None;
        }
        Some(Self { trace_id, span_id, is_sampled: flags & SAMPLED != 0 })
    }
}

/// Lower-case digits, as many as that.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

fn random_span_id() -> u64 {
    // The lower half of a UUID begins with its variant, which is not 0; the rest is random.
    Uuid::new_v4().as_u64_pair().1
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.is_sampled);
        write!(f, "00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn context_is_read_and_written_as_it_was() {
        let context = TraceContext::parse(TEXT).unwrap();

        assert_eq!(context.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(context.span_id, 0x00f0_67aa_0ba9_02b7);
        assert!(context.is_sampled);
        assert_eq!(context.to_string(), TEXT);
    }

    #[test]
    fn later_version_is_read_as_far_as_it_is_known() {
        let later = TraceContext::parse(&format!("{}-what-ever", TEXT.replacen("00", "01", 1)));

        assert_eq!(later, TraceContext::parse(TEXT));
    }

    #[test]
    fn what_the_specification_wants_ignored_is_none() {
        let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
        let zero_span = format!("00-{}-{}-01", "a".repeat(32), "0".repeat(16));
        let upper_case = TEXT.to_uppercase();
        let more = format!("{TEXT}-00");
        let forbidden = TEXT.replacen("00", "ff", 1);

        for text in ["", "00", "주문", &zero_trace, &zero_span, &upper_case, &more, &forbidden] {
            assert_eq!(TraceContext::parse(text), None, "{text}");
        }
    }

    #[test]
    fn opentelemetry_knows_the_span_by_the_same_ids() {
        for text in [TEXT, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"] {
            let context = TraceContext::parse(text).unwrap();

            let parent = context.as_parent();

            assert_eq!(TraceContext::of(parent.span().span_context()), Some(context));
            assert!(parent.span().span_context().is_remote());
        }
        assert_eq!(TraceContext::current(), None, "no span has begun");
    }

    #[test]
    fn child_is_another_span_of_the_same_trace() {
        let root = TraceContext::root(true);
        let child = root.child();

        assert_eq!((child.trace_id, child.is_sampled), (root.trace_id, true));
        assert_ne!(child.span_id, root.span_id);
        assert_eq!(TraceContext::parse(&child.to_string()), Some(child));
    }
}
