//! Kafka record → an event that outlives the client's buffer.
//!
//! Promises: the same record has the same event id at every delivery.

use rdkafka::message::{Headers as _, Message};
use serde::de::DeserializeOwned;

use crate::{
    TraceContext,
    headers::{EVENT_ID, EVENT_TYPE, ID_CHARS_MAX, TRACEPARENT, is_visible_ascii},
};

/// A record as the consumer got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The header `id`, by which a duplicate is known. A record without one, or with one that the
    /// inbox cannot hold, has its place `topic/partition/offset` instead: delivered twice it is
    /// known, written twice it is not.
    pub event_id: String,
    /// Where it lies.
    pub topic: String,
    /// Where it lies.
    pub partition: i32,
    /// Where it lies.
    pub kafka_offset: i64,
    /// The aggregate id.
    pub key: Option<Vec<u8>>,
    /// `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// All of them, in their order. One whose column is NULL has no value.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Milliseconds since the epoch: the commit's time, for a record from the relay.
    pub timestamp_ms: Option<i64>,
}

impl Received {
    /// An empty record at this place. Fill in the rest, then call [`Received::identify`].
    pub fn at(topic: &str, partition: i32, kafka_offset: i64) -> Self {
        let mut received = Self {
            event_id: String::new(),
            topic: topic.to_owned(),
            partition,
            kafka_offset,
            key: None,
            payload: None,
            headers: Vec::new(),
            timestamp_ms: None,
        };
        received.identify();
        received
    }

    /// As any client of rdkafka got it, for services that have a loop of their own.
    pub fn of(message: &impl Message) -> Self {
        let mut received = Self::at(message.topic(), message.partition(), message.offset());
        received.key = message.key().map(<[u8]>::to_vec);
        received.payload = message.payload().map(<[u8]>::to_vec);
        received.timestamp_ms = message.timestamp().to_millis();
        if let Some(headers) = message.headers() {
            let owned = |header: rdkafka::message::Header<'_, &[u8]>| {
                (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
            };
            received.headers = headers.iter().map(owned).collect();
        }
        received.identify();
        received
    }

    /// Sets the event id by the headers and the place.
    pub fn identify(&mut self) {
        let usable = |id: &&str| (1..=ID_CHARS_MAX).contains(&id.len()) && is_visible_ascii(id);
        let named = self.header(EVENT_ID).filter(usable).map(str::to_owned);
        self.event_id = named
            .unwrap_or_else(|| format!("{}/{}/{}", self.topic, self.partition, self.kafka_offset));
    }

    /// The last header of this name, as Kafka's own clients understand a repeated one; `None` if
    /// there is none, or its value is no UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().rev().find(|(header, _)| header == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// What happened, if the relay is configured to say it.
    pub fn event_type(&self) -> Option<&str> {
        self.header(EVENT_TYPE)
    }

    /// The span that wrote the event, if it was traced.
    pub fn trace(&self) -> Option<TraceContext> {
        self.header(TRACEPARENT).and_then(TraceContext::parse)
    }

    /// The payload as the consumer's own type. A tombstone is read as JSON's `null`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(self.payload.as_deref().unwrap_or(b"null"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_id(value: Option<&[u8]>) -> Received {
        let mut received = Received::at("order", 3, 17);
        received.headers.push(("id".to_owned(), value.map(<[u8]>::to_vec)));
        received.identify();
        received
    }

    #[test]
    fn event_id_is_the_header() {
        assert_eq!(with_id(Some(b"0198-aa")).event_id, "0198-aa");
    }

    #[test]
    fn record_without_a_usable_id_is_known_by_its_place() {
        let long = "x".repeat(ID_CHARS_MAX + 1);

        assert_eq!(Received::at("order", 3, 17).event_id, "order/3/17");
        for unusable in [None, Some(&b""[..]), Some(b"\xff"), Some(b"a b"), Some(long.as_bytes())] {
            assert_eq!(with_id(unusable).event_id, "order/3/17", "{unusable:?}");
        }
    }

    #[test]
    fn longest_place_fits_the_inbox() {
        let place = Received::at(&"t".repeat(249), i32::MAX, i64::MAX).event_id;

        assert!(place.len() <= ID_CHARS_MAX, "{}", place.len());
    }

    #[test]
    fn last_of_several_headers_counts() {
        let mut received = with_id(Some(b"first"));
        received.headers.push(("id".to_owned(), Some(b"second".to_vec())));
        received.identify();

        assert_eq!(received.event_id, "second");
    }

    #[test]
    fn tombstone_is_null() {
        assert_eq!(Received::at("order", 0, 0).json::<Option<u32>>().unwrap(), None);
    }
}
