//! Configuration → what publishing needs, checked once.

use std::{sync::Arc, time::Duration};

use serde_json::Value;

use super::{batch::BatchLimits, properties::Properties};
use crate::{
    config::{self, Delivery},
    error::Disposition,
    traces::Traces,
};

/// Ids that an exactly-once relay may rotate through. Every start fences all of them, in use or not:
/// a relay that was configured with more must not be left behind able to write.
pub(crate) const SLOTS_MAX: usize = 2;

/// What publishing needs to know of the configuration. Holds secrets; `Debug` leaves them out.
#[derive(Debug, Clone)]
pub struct Settings {
    pub(crate) source: Arc<str>,
    pub(crate) delivery: Delivery,
    pub(crate) bootstrap_servers: String,
    pub(crate) properties: Properties,
    pub(crate) batch: BatchLimits,
    pub(crate) commit_spacing: Duration,
    pub(crate) transaction_timeout: Duration,
    pub(crate) delivery_timeout: Duration,
    pub(crate) slots: usize,
    pub(crate) checkpoint_topic: String,
    pub(crate) checkpoint_interval: Duration,
    pub(crate) replication_factor: i32,
    pub(crate) queue: QueueLimits,
    /// Where spans of the published records go.
    pub(crate) traces: Option<Traces>,
    /// What every checkpoint says besides the position.
    pub(crate) note: Option<Arc<Value>>,
}

/// Limits of librdkafka's own queue, where records wait between `send` and acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueueLimits {
    pub(crate) kbytes: u64,
    pub(crate) records: u64,
}

/// The configuration cannot work. Always the operator's to repair.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    #[error("kafka property `{name}` cannot be set: {reason}")]
    PropertyRefused { name: String, reason: &'static str },
    #[error("kafka property `{name}`: {reason}")]
    PropertyInvalid { name: String, reason: String },
    #[error("`{setting}` is {actual}; it must be {required}")]
    OutOfRange { setting: &'static str, actual: String, required: String },
    /// Properties that contradict each other, a file that cannot be read.
    #[error("the Kafka client refuses its configuration: {reason}")]
    ClientRefused { reason: String },
}

impl SettingsError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::PropertyRefused { .. }
            | Self::PropertyInvalid { .. }
            | Self::OutOfRange { .. }
            | Self::ClientRefused { .. } => Disposition::Halt,
        }
    }
}

impl Settings {
    /// For publishing up to a record that cannot be published: each transaction by itself, one after
    /// the other.
    pub(crate) fn singly(mut self) -> Self {
        self.batch.records_max = 1;
        self.commit_spacing = Duration::ZERO;
        self
    }

    /// For something else that publishes from the same source: with transactional ids and a checkpoint
    /// of its own, under `source`, in `checkpoint_topic`.
    pub(crate) fn aside(
        self,
        source: &str,
        checkpoint_topic: String,
    ) -> Result<Self, SettingsError> {
        let checkpoint_topic = topic_name("source", checkpoint_topic)?;
        Ok(Self { source: source.into(), checkpoint_topic, ..self })
    }

    /// Records that are sampled have a span.
    #[must_use]
    pub fn traced(self, traces: Option<Traces>) -> Self {
        Self { traces, ..self }
    }

    /// Every checkpoint says this too.
    pub(crate) fn noting(self, note: Value) -> Self {
        Self { note: Some(Arc::new(note)), ..self }
    }

    /// Checks everything that can be checked without a broker.
    pub fn new(
        source: &str,
        delivery: Delivery,
        kafka: &config::Kafka,
        publish: &config::Publish,
        checkpoint: &config::Checkpoint,
    ) -> Result<Self, SettingsError> {
        let properties = Properties::admit(&kafka.properties)?;
        let batch = BatchLimits {
            records_max: publish.batch_records_max.get(),
            bytes_max: usize::try_from(publish.batch_bytes_max.as_u64()).unwrap_or(usize::MAX),
        };
        let checkpoint_topic = match &checkpoint.topic {
            Some(topic) => topic_name("checkpoint.topic", topic.clone())?,
            None => topic_name("source", format!("rowpost.{source}.checkpoint"))?,
        };
        let settings = Self {
            source: source.into(),
            delivery,
            bootstrap_servers: kafka.bootstrap_servers.clone(),
            queue: QueueLimits::choose(&properties, batch)?,
            properties,
            batch,
            commit_spacing: publish.commit_spacing,
            transaction_timeout: within(
                "publish.transaction_timeout",
                publish.transaction_timeout,
                // SERVER: 15 minutes is the broker's default transaction.max.timeout.ms.
                Duration::from_secs(1)..=Duration::from_secs(15 * 60),
            )?,
            delivery_timeout: within(
                "publish.delivery_timeout",
                publish.delivery_timeout,
                Duration::from_secs(1)..=Duration::from_secs(60 * 60),
            )?,
            slots: slots(publish.slots.get())?,
            checkpoint_topic,
            checkpoint_interval: checkpoint.interval,
            replication_factor: checkpoint.replication_factor,
            traces: None,
            note: None,
        };
        settings.check_client_configs()?;
        Ok(settings)
    }

    /// Where the position is kept.
    pub fn checkpoint_topic(&self) -> &str {
        &self.checkpoint_topic
    }

    /// The name under which slot `slot` is known to the broker; the fence works by it.
    pub(crate) fn transactional_id(&self, slot: usize) -> String {
        format!("rowpost.{}.{slot}", self.source)
    }

    /// How long librdkafka tries to deliver a record of a transaction. The broker would abort the
    /// transaction under a record that is tried for longer, so librdkafka refuses more.
    pub(crate) fn record_timeout(&self) -> Duration {
        self.delivery_timeout.min(self.transaction_timeout)
    }
}

impl QueueLimits {
    /// Small on purpose: 16 to 64 MiB was faster than librdkafka's 1 GiB, by fewer page faults. A
    /// batch must fit, and so must the largest record: one that never fits would wait for ever.
    fn choose(properties: &Properties, batch: BatchLimits) -> Result<Self, SettingsError> {
        let batch_bytes = u64::try_from(batch.bytes_max).unwrap_or(u64::MAX);
        let record_bytes = properties.number("message.max.bytes")?.unwrap_or(1_000_000);
        let kbytes_min = batch_bytes.max(record_bytes).div_ceil(1024);
        let records_min = u64::try_from(batch.records_max).unwrap_or(u64::MAX);
        let kbytes = match properties.number("queue.buffering.max.kbytes")? {
            Some(kbytes) if kbytes < kbytes_min => {
                return Err(SettingsError::PropertyInvalid {
                    name: "queue.buffering.max.kbytes".to_owned(),
                    reason: format!(
                        "{kbytes} is less than a batch or the largest record needs: set at least \
                         {kbytes_min}, or lower publish.batch_bytes_max and message.max.bytes"
                    ),
                });
            }
            Some(kbytes) => kbytes,
            None => kbytes_min.saturating_add(1024).max(32 * 1024),
        };
        let records = match properties.number("queue.buffering.max.messages")? {
            Some(records @ 1..) if records < records_min => {
                return Err(SettingsError::PropertyInvalid {
                    name: "queue.buffering.max.messages".to_owned(),
                    reason: format!(
                        "{records} is less than publish.batch_records_max ({records_min})"
                    ),
                });
            }
            Some(records) => records,
            // One more than a batch: the checkpoint record.
            None => records_min.saturating_add(1).max(50_000),
        };
        Ok(Self { kbytes, records })
    }
}

fn slots(slots: usize) -> Result<usize, SettingsError> {
    if (1..=SLOTS_MAX).contains(&slots) {
        return Ok(slots);
    }
    Err(SettingsError::OutOfRange {
        setting: "publish.slots",
        actual: slots.to_string(),
        required: format!("1 to {SLOTS_MAX}"),
    })
}

fn within(
    setting: &'static str,
    actual: Duration,
    range: std::ops::RangeInclusive<Duration>,
) -> Result<Duration, SettingsError> {
    if range.contains(&actual) {
        return Ok(actual);
    }
    Err(SettingsError::OutOfRange {
        setting,
        actual: format!("{actual:?}"),
        required: format!("{:?} to {:?}", range.start(), range.end()),
    })
}

/// SERVER: topic names are up to 249 of `[a-zA-Z0-9._-]`.
fn topic_name(setting: &'static str, topic: String) -> Result<String, SettingsError> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !topic.is_empty() && topic.len() <= 249 && topic.chars().all(legal) {
        return Ok(topic);
    }
    Err(SettingsError::OutOfRange {
        setting,
        actual: format!("`{topic}` as a topic name"),
        required: "of letters, digits, `.`, `_` and `-`, at most 249 in all".to_owned(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use std::num::NonZeroUsize;

    use bytesize::ByteSize;

    use super::*;

    pub(in crate::publish) fn settings(
        properties: &[(&str, &str)],
    ) -> Result<Settings, SettingsError> {
        build(properties, config::Publish::default(), "shop")
    }

    fn build(
        properties: &[(&str, &str)],
        publish: config::Publish,
        source: &str,
    ) -> Result<Settings, SettingsError> {
        let kafka = config::Kafka {
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            properties: properties
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let checkpoint = config::Checkpoint::default();
        Settings::new(source, Delivery::ExactlyOnce, &kafka, &publish, &checkpoint)
    }

    #[test]
    fn names_are_derived_from_the_source() {
        let settings = settings(&[]).unwrap();

        assert_eq!(settings.checkpoint_topic, "rowpost.shop.checkpoint");
        assert_eq!(settings.transactional_id(1), "rowpost.shop.1");
    }

    #[test]
    fn source_that_is_no_topic_name_is_refused() {
        let error = build(&[], config::Publish::default(), "shop eu").unwrap_err();

        assert!(error.to_string().starts_with("`source`"), "{error}");
    }

    #[test]
    fn record_is_not_tried_for_longer_than_its_transaction_lives() {
        let settings = settings(&[]).unwrap();

        assert!(settings.delivery_timeout > settings.transaction_timeout);
        assert_eq!(settings.record_timeout(), settings.transaction_timeout);
    }

    #[test]
    fn queue_holds_a_batch_and_the_largest_record() {
        let publish =
            config::Publish { batch_bytes_max: ByteSize::mib(48), ..config::Publish::default() };

        let settings = build(&[("message.max.bytes", "100000000")], publish, "shop").unwrap();

        assert!(settings.queue.kbytes * 1024 > 100_000_000);
        assert_eq!(settings.queue.records, 50_000);
    }

    #[test]
    fn queue_that_cannot_hold_a_batch_is_refused_with_both_settings() {
        let error = settings(&[("queue.buffering.max.kbytes", "4096")]).unwrap_err().to_string();

        assert!(error.contains("queue.buffering.max.kbytes"), "{error}");
        assert!(error.contains("publish.batch_bytes_max"), "{error}");
    }

    #[test]
    fn three_slots_are_refused() {
        let publish =
            config::Publish { slots: NonZeroUsize::new(3).unwrap(), ..config::Publish::default() };

        let error = build(&[], publish, "shop").unwrap_err().to_string();

        assert_eq!(error, "`publish.slots` is 3; it must be 1 to 2");
    }

    #[test]
    fn debug_of_settings_shows_no_secret() {
        let settings =
            settings(&[("sasl.password", "s3cr3t"), ("ssl.key.password", "s3cr3t")]).unwrap();

        assert!(!format!("{settings:?}").contains("s3cr3t"));
    }
}
