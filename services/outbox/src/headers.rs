//! What an event carries besides its payload, and how one event hands it to the next.
//!
//! ```text
//! OrderPlaced       id A   correlation-id S   causation-id –
//!   └ StockReserved id B   correlation-id S   causation-id A
//!       └ Charged   id C   correlation-id S   causation-id B
//! ```

use crate::{Received, TraceContext, event::InvalidEvent};

/// Header of the event id, as the relay writes it by default.
pub const EVENT_ID: &str = "id";
/// Header of the event type.
pub const EVENT_TYPE: &str = "type";
/// Header of the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";
/// Header of the business process.
pub const CORRELATION_ID: &str = "correlation-id";
/// Header of the event that this one answers.
pub const CAUSATION_ID: &str = "causation-id";

/// Longest `traceparent`: more than version 00 has.
pub const TRACEPARENT_CHARS_MAX: usize = 255;
/// Longest correlation and causation id, and event id in the inbox: the longest place of a record
/// (249 characters of topic, a partition, an offset) fits.
pub const ID_CHARS_MAX: usize = 290;

/// Headers of an event to be appended. All are optional.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// The span that writes the event, so that its consumers go on with the same trace.
    pub traceparent: Option<String>,
    /// The business process that the event belongs to, such as the saga's id.
    pub correlation_id: Option<String>,
    /// The event id of the event that this one answers.
    pub causation_id: Option<String>,
}

impl Headers {
    /// Of the first event of a business process.
    pub fn of_process(correlation_id: impl Into<String>) -> Self {
        Self { correlation_id: Some(correlation_id.into()), ..Self::default() }
    }

    /// Of an event that answers `received`: of the same process (one that names none begins with
    /// it), caused by it, in its trace. What its headers hold is others' text: what the columns cannot
    /// hold is left out, so that it makes no dead letter of an event that can be processed.
    pub fn caused_by(received: &Received) -> Self {
        let correlation_id = received
            .header(CORRELATION_ID)
            .filter(|id| is_fit(id, ID_CHARS_MAX))
            .unwrap_or(&received.event_id);
        Self {
            traceparent: received.trace().map(|trace| trace.to_string()),
            correlation_id: Some(correlation_id.to_owned()),
            causation_id: Some(received.event_id.clone()),
        }
    }

    /// The same as written by this span: that of the request, or one below the span of the event that
    /// is answered, `received.trace().map(TraceContext::child)`.
    #[must_use]
    pub fn with_trace(mut self, trace: TraceContext) -> Self {
        self.traceparent = Some(trace.to_string());
        self
    }

    /// Whether everything fits its column.
    pub(crate) fn check(&self) -> Result<(), InvalidEvent> {
        let fields = [
            ("traceparent", &self.traceparent, TRACEPARENT_CHARS_MAX, true),
            ("correlation_id", &self.correlation_id, ID_CHARS_MAX, false),
            ("causation_id", &self.causation_id, ID_CHARS_MAX, true),
        ];
        for (field, text, chars_max, is_ascii) in fields {
            let Some(text) = text else { continue };
            crate::event::check_length(field, text, chars_max)?;
            if is_ascii && !is_visible_ascii(text) {
                return Err(InvalidEvent::NotAscii { field });
            }
        }
        Ok(())
    }
}

fn is_fit(text: &str, chars_max: usize) -> bool {
    (1..=chars_max).contains(&text.chars().count())
}

pub(crate) fn is_visible_ascii(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn received(headers: &[(&str, &str)]) -> Received {
        let mut received = Received::at("order", 0, 7);
        for (name, value) in headers {
            received.headers.push(((*name).to_owned(), Some(value.as_bytes().to_vec())));
        }
        received.identify();
        received
    }

    #[test]
    fn answer_stays_in_the_process_and_the_trace_and_names_its_cause() {
        let cause = received(&[("id", "A"), ("correlation-id", "S"), ("traceparent", TRACE)]);

        let headers = Headers::caused_by(&cause);

        assert_eq!(headers.correlation_id.as_deref(), Some("S"));
        assert_eq!(headers.causation_id.as_deref(), Some("A"));
        assert_eq!(headers.traceparent.as_deref(), Some(TRACE));
    }

    #[test]
    fn span_of_the_service_is_below_that_of_its_cause() {
        let cause = received(&[("id", "A"), ("traceparent", TRACE)]);
        let span = cause.trace().unwrap().child();

        let headers = Headers::caused_by(&cause).with_trace(span);

        assert_eq!(headers.traceparent, Some(span.to_string()));
        assert!(headers.traceparent.unwrap().starts_with(&TRACE[..36]), "another trace");
    }

    #[test]
    fn process_begins_with_an_event_that_names_none() {
        let headers = Headers::caused_by(&received(&[("id", "A")]));

        assert_eq!(headers.correlation_id.as_deref(), Some("A"));
        assert_eq!(headers.traceparent, None);
    }

    #[test]
    fn headers_that_no_column_can_hold_are_left_out_of_the_answer() {
        let long = "x".repeat(ID_CHARS_MAX + 1);

        for unusable in ["", &long] {
            let headers = Headers::caused_by(&received(&[
                ("id", "A"),
                ("correlation-id", unusable),
                ("traceparent", unusable),
            ]));

            assert_eq!(headers.correlation_id.as_deref(), Some("A"));
            assert_eq!(headers.traceparent, None);
            assert_eq!(headers.check(), Ok(()));
        }
    }

    #[test]
    fn header_that_its_column_cannot_hold_is_refused_by_name() {
        let long = Headers::of_process("x".repeat(ID_CHARS_MAX + 1)).check();
        let traceparent = Some("00-é".to_owned());
        let foreign = Headers { traceparent, ..Headers::default() }.check();

        assert!(matches!(long, Err(InvalidEvent::TooLong { field: "correlation_id", .. })));
        assert_eq!(foreign, Err(InvalidEvent::NotAscii { field: "traceparent" }));
        assert_eq!(Headers::of_process("주문-1").check(), Ok(()));
    }
}
