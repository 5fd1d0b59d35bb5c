//! A record that cannot be processed → the dead-letter topic.
//!
//! Promises: key, value, timestamp and headers are as they were, the reason comes as further headers;
//! the original's offset is passed only after the broker has acknowledged the copy.
//!
//! Not promised: that it comes once. A crash between the two writes it again, with the same `id`. No
//! inbox row is written for it, so that it can be sent again once the cause is repaired.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};

use super::held::Attempt;
use crate::Received;

/// Header: why, in words.
pub const REASON: &str = "dead-letter-reason";
/// Header: the consumer that gave up.
pub const CONSUMER: &str = "dead-letter-consumer";
/// Header: the original's `topic/partition/offset`.
pub const ORIGIN: &str = "dead-letter-origin";
/// Header: how often it was tried.
pub const ATTEMPTS: &str = "dead-letter-attempts";
/// Header: there if the copy has no value because the topic takes none so large; it lies at the origin.
pub const PAYLOAD_LEFT_OUT: &str = "dead-letter-payload-left-out";

/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 1_000;

/// The broker's limit for making the topic.
const CREATE_MAX: Duration = Duration::from_secs(10);

pub(super) struct DeadLetters {
    client: ClientConfig,
    producer: FutureProducer,
    topic: String,
    consumer: String,
}

impl DeadLetters {
    pub(super) fn new(
        client: ClientConfig,
        topic: &str,
        consumer: &str,
    ) -> Result<Self, KafkaError> {
        let producer = client.create()?;
        Ok(Self { client, producer, topic: topic.to_owned(), consumer: consumer.to_owned() })
    }

    /// Before the first record: a topic that is missed only when something fails would be one more
    /// thing that fails.
    pub(super) async fn ensure_topic(&self) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = self.client.create()?;
        // SERVER: -1 is the broker's default.
        let topic = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(-1));
        let options = AdminOptions::new().request_timeout(Some(CREATE_MAX));
        for created in admin.create_topics([&topic], &options).await? {
            match created {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(KafkaError::AdminOp(code)),
            }
        }
        Ok(())
    }

    /// Returns once the broker has it.
    pub(super) async fn write(&self, attempt: &Attempt, reason: &str) -> Result<(), KafkaError> {
        let headers = headers(attempt, reason, &self.consumer);
        match self.send(&attempt.record, attempt.record.payload.as_deref(), headers).await {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge)) => {
                let headers = headers_without_payload(attempt, reason, &self.consumer);
                self.send(&attempt.record, None, headers).await
            }
            sent => sent,
        }
    }

    async fn send(
        &self,
        record: &Received,
        payload: Option<&[u8]>,
        headers: OwnedHeaders,
    ) -> Result<(), KafkaError> {
        let mut copy = FutureRecord::<[u8], [u8]>::to(&self.topic).headers(headers);
        copy.key = record.key.as_deref();
        copy.payload = payload;
        copy.timestamp = record.timestamp_ms;
        // Only a full queue makes it wait here, and nothing else is sent.
        let sent = self.producer.send(copy, Timeout::After(Duration::ZERO)).await;
        sent.map(|_| ()).map_err(|(error, _)| error)
    }
}

fn headers(attempt: &Attempt, reason: &str, consumer: &str) -> OwnedHeaders {
    let record = &attempt.record;
    let mut headers = OwnedHeaders::new_with_capacity(record.headers.len() + 4);
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: value.as_deref() });
    }
    let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
    let origin = format!("{}/{}/{}", record.topic, record.partition, record.kafka_offset);
    let attempts = attempt.counted.to_string();
    for (key, value) in [
        (REASON, &reason),
        (CONSUMER, &consumer.to_owned()),
        (ORIGIN, &origin),
        (ATTEMPTS, &attempts),
    ] {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    headers
}

fn headers_without_payload(attempt: &Attempt, reason: &str, consumer: &str) -> OwnedHeaders {
    headers(attempt, reason, consumer).insert(Header { key: PAYLOAD_LEFT_OUT, value: Some("true") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rdkafka::message::Headers as _;

    #[test]
    fn original_headers_come_first_and_the_reason_is_cut() {
        let mut record = Received::at("order", 2, 9);
        record.headers.push(("id".to_owned(), Some(b"A".to_vec())));
        record.headers.push(("traceparent".to_owned(), None));

        let written = headers(&Attempt::first(record), &"한".repeat(2_000), "stock");

        let texts: Vec<_> = written
            .iter()
            .map(|header| (header.key, header.value.map(String::from_utf8_lossy)))
            .collect();
        assert_eq!(texts[0], ("id", Some("A".into())));
        assert_eq!(texts[1], ("traceparent", None));
        assert_eq!(texts[2], (REASON, Some("한".repeat(1_000).into())));
        assert_eq!(texts[3], (CONSUMER, Some("stock".into())));
        assert_eq!(texts[4], (ORIGIN, Some("order/2/9".into())));
        assert_eq!(texts.len(), 6);
    }
}
