//! The bytes of a header → the span that they name.
//!
//! Promises: what the W3C specification wants ignored is `None`.

use opentelemetry::{SpanId, TraceId};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traceparent {
    pub(super) trace_id: TraceId,
    pub(super) span_id: SpanId,
    pub(super) is_sampled: bool,
}

const SAMPLED: u8 = 1;

impl Traceparent {
    pub(super) fn parse(header: &[u8]) -> Option<Self> {
        let mut parts = str::from_utf8(header).ok()?.split('-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = TraceId::from(hex(parts.next()?, 32)?);
        let span_id = SpanId::from(u64::try_from(hex(parts.next()?, 16)?).ok()?);
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        // A later version may have more parts; 00 has none, and ff is none.
        let has_more = parts.next().is_some();
        let is_valid = trace_id != TraceId::INVALID && span_id != SpanId::INVALID;
        if version == 0xff || (version == 0 && has_more) || !is_valid {
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
