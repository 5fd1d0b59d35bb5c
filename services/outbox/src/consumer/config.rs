//! What a consumer is told.

use std::{num::NonZeroU32, time::Duration};

use rdkafka::ClientConfig;

use crate::inbox::CONSUMER_CHARS_MAX;

/// Settings of one consumer. [`ConsumerConfig::new`] has the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerConfig {
    /// The Kafka consumer group, and the consumer of the inbox rows. Renamed it is a new consumer,
    /// which processes everything again.
    pub name: String,
    /// What is read; read from the start by a new group.
    pub topics: Vec<String>,
    /// Where records go that cannot be processed. Created at the start if it is missing, with one
    /// partition: it is meant to stay empty.
    pub dead_letter_topic: String,
    /// Attempts at one record before it is a dead letter. Those that fail because the database does
    /// not answer are not counted. Default 8: with the back-off below some half a minute.
    pub attempts_max: NonZeroU32,
    /// Pause before the second attempt; each further one is twice as long. Default 250 ms.
    pub backoff_first: Duration,
    /// Longest pause. Default 30 s.
    pub backoff_max: Duration,
    /// Longest attempt; a longer one is rolled back and counts as failed. Default 30 s. Keep it well
    /// below `max.poll.interval.ms` (5 min), or the group takes the consumer for dead.
    pub attempt_time_max: Duration,
}

impl ConsumerConfig {
    /// With the dead letters in `<name>.dead-letter`.
    pub fn new(
        name: impl Into<String>,
        topics: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        let name = name.into();
        Self {
            dead_letter_topic: format!("{name}.dead-letter"),
            name,
            topics: topics.into_iter().map(Into::into).collect(),
            attempts_max: NonZeroU32::new(8).expect("8 is not 0"),
            backoff_first: Duration::from_millis(250),
            backoff_max: Duration::from_secs(30),
            attempt_time_max: Duration::from_secs(30),
        }
    }

    /// The name must fit its column: a longer one would fail at every record.
    pub(super) fn is_name_valid(&self) -> bool {
        (1..=CONSUMER_CHARS_MAX).contains(&self.name.len())
            && self.name.bytes().all(|byte| byte.is_ascii_graphic())
    }

    /// What the promises rest on is set over whatever `kafka` says.
    pub(super) fn consumer_client(&self, kafka: &ClientConfig) -> ClientConfig {
        let mut client = kafka.clone();
        if client.get("auto.offset.reset").is_none() {
            client.set("auto.offset.reset", "earliest");
        }
        client
            .set("group.id", &self.name)
            .set("isolation.level", "read_committed")
            .set("partition.assignment.strategy", "cooperative-sticky")
            // ORDER: librdkafka commits, in the background and when a partition is given away, what
            // was stored; the loop stores an offset only after the record's transaction.
            .set("enable.auto.offset.store", "false")
            .set("enable.auto.commit", "true");
        client
    }

    pub(super) fn producer_client(&self, kafka: &ClientConfig) -> ClientConfig {
        let mut client = kafka.clone();
        for name in OF_CONSUMERS {
            client.remove(name);
        }
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "10000")
            // The topic's limit decides, not the client's own.
            .set("message.max.bytes", "1000000000");
        client
    }
}

/// Properties that a producer warns about at every start (librdkafka's CONFIGURATION.md, column "C").
const OF_CONSUMERS: [&str; 26] = [
    "auto.commit.interval.ms",
    "auto.offset.reset",
    "check.crcs",
    "coordinator.query.interval.ms",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "fetch.error.backoff.ms",
    "fetch.max.bytes",
    "fetch.message.max.bytes",
    "fetch.min.bytes",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "group.id",
    "group.instance.id",
    "group.protocol",
    "group.protocol.type",
    "group.remote.assignor",
    "heartbeat.interval.ms",
    "isolation.level",
    "max.partition.fetch.bytes",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "session.timeout.ms",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn producer_is_not_told_what_only_a_consumer_knows() {
        let mut kafka = ClientConfig::new();
        kafka.set("session.timeout.ms", "6000").set("sasl.username", "stock");

        let client = ConsumerConfig::new("stock", ["order"]).producer_client(&kafka);

        assert_eq!(client.get("session.timeout.ms"), None);
        assert_eq!(client.get("sasl.username"), Some("stock"));
    }

    #[test]
    fn settings_that_would_break_a_promise_are_overruled() {
        let mut kafka = ClientConfig::new();
        kafka
            .set("enable.auto.offset.store", "true")
            .set("isolation.level", "read_uncommitted")
            .set("auto.offset.reset", "latest");

        let client = ConsumerConfig::new("stock", ["order"]).consumer_client(&kafka);

        assert_eq!(client.get("enable.auto.offset.store"), Some("false"));
        assert_eq!(client.get("isolation.level"), Some("read_committed"));
        assert_eq!(client.get("auto.offset.reset"), Some("latest"));
    }

    #[test]
    fn name_that_the_inbox_cannot_hold_is_invalid() {
        for (name, is_valid) in [("stock", true), ("", false), ("재고", false), ("a b", false)] {
            assert_eq!(ConsumerConfig::new(name, ["t"]).is_name_valid(), is_valid, "{name}");
        }
        assert!(!ConsumerConfig::new("x".repeat(101), ["t"]).is_name_valid());
    }
}
