//! A service's own type → what an outbox row says of it.
//!
//! Promises: what `append` lets pass fits the columns of `sql/outbox/0001_outbox.sql`, and its topic is
//! one that Kafka takes.

use serde::Serialize;

/// Longest `aggregatetype`: a topic name has 249 characters, some of which the relay's prefix takes.
pub const AGGREGATE_TYPE_CHARS_MAX: usize = 200;
/// Longest `aggregateid` and `type`.
pub const COLUMN_CHARS_MAX: usize = 255;

/// Something that happened in the service, said in its own words. What serde makes of the type is the
/// payload.
///
/// ```
/// # use rowpost_outbox::Event;
/// #[derive(serde::Serialize)]
/// struct OrderPlaced {
///     order_id: String,
///     total: u32,
/// }
///
/// impl Event for OrderPlaced {
///     fn aggregate_type(&self) -> &str {
///         "order"
///     }
///     fn aggregate_id(&self) -> &str {
///         &self.order_id
///     }
///     fn event_type(&self) -> &str {
///         "OrderPlaced"
///     }
/// }
/// ```
pub trait Event: Serialize {
    /// The kind of entity. The relay makes the topic of it.
    fn aggregate_type(&self) -> &str;

    /// The entity. It is the record key: events of one entity are consumed in the order of their
    /// commits.
    fn aggregate_id(&self) -> &str;

    /// What happened, in the past tense.
    fn event_type(&self) -> &str;
}

/// Why an event cannot be a row. The same event will never be one: it is a fault of the program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvent {
    /// Without it there would be no topic, no order or no meaning.
    #[error("an event's {field} is empty")]
    Empty {
        /// The method of [`Event`] that returned it.
        field: &'static str,
    },
    /// The column would cut it, or refuse it.
    #[error("an event's {field} has {chars} characters; at most {chars_max} fit")]
    TooLong {
        /// The method of [`Event`] or the field of [`Headers`](crate::Headers).
        field: &'static str,
        /// As many as it has.
        chars: usize,
        /// As many as its column holds.
        chars_max: usize,
    },
    /// The relay would halt on it.
    #[error(
        "an event's aggregate type `{aggregate_type}` cannot be part of a topic name; ASCII letters, \
         digits, `.`, `_` and `-` can"
    )]
    IllegalTopic {
        /// What it says.
        aggregate_type: String,
    },
    /// A column of ASCII would refuse it.
    #[error("an event's {field} holds other characters than visible ASCII")]
    NotAscii {
        /// The field of [`Headers`](crate::Headers).
        field: &'static str,
    },
}

/// Looks at everything but the payload.
pub(crate) fn check(event: &impl Event) -> Result<(), InvalidEvent> {
    let aggregate_type = event.aggregate_type();
    check_length("aggregate_type", aggregate_type, AGGREGATE_TYPE_CHARS_MAX)?;
    check_length("aggregate_id", event.aggregate_id(), COLUMN_CHARS_MAX)?;
    check_length("event_type", event.event_type(), COLUMN_CHARS_MAX)?;
    let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if !aggregate_type.bytes().all(is_legal) {
        return Err(InvalidEvent::IllegalTopic { aggregate_type: aggregate_type.to_owned() });
    }
    Ok(())
}

pub(crate) fn check_length(
    field: &'static str,
    text: &str,
    chars_max: usize,
) -> Result<(), InvalidEvent> {
    match text.chars().count() {
        0 => Err(InvalidEvent::Empty { field }),
        chars if chars > chars_max => Err(InvalidEvent::TooLong { field, chars, chars_max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Said(&'static str, String, &'static str);

    impl Event for Said {
        fn aggregate_type(&self) -> &str {
            self.0
        }
        fn aggregate_id(&self) -> &str {
            &self.1
        }
        fn event_type(&self) -> &str {
            self.2
        }
    }

    fn checked(aggregate_type: &'static str, key: &str, event_type: &'static str) -> String {
        let event = Said(aggregate_type, key.to_owned(), event_type);
        check(&event).map_or_else(|error| error.to_string(), |()| "fits".to_owned())
    }

    #[test]
    fn every_part_of_an_event_is_required() {
        assert_eq!(checked("order", "42", "OrderPlaced"), "fits");
        assert_eq!(checked("", "42", "OrderPlaced"), "an event's aggregate_type is empty");
        assert_eq!(checked("order", "", "OrderPlaced"), "an event's aggregate_id is empty");
        assert_eq!(checked("order", "42", ""), "an event's event_type is empty");
    }

    #[test]
    fn key_is_measured_in_characters_as_its_column_is() {
        assert_eq!(checked("order", &"한".repeat(255), "OrderPlaced"), "fits");
        assert_eq!(
            checked("order", &"한".repeat(256), "OrderPlaced"),
            "an event's aggregate_id has 256 characters; at most 255 fit"
        );
    }

    #[test]
    fn aggregate_type_that_no_topic_can_have_is_refused() {
        for illegal in ["an order", "주문", "order/eu"] {
            assert!(checked(illegal, "42", "OrderPlaced").contains("cannot be part of a topic"));
        }
    }
}
