//! Settings → librdkafka's properties, for each kind of client that the relay makes.
//!
//! Promises: what a promise of the relay rests on is set here and nowhere else, after the user's
//! properties, which cannot hold it (`properties`).

use rdkafka::{
    ClientConfig,
    config::{FromClientConfigAndContext, RDKafkaLogLevel},
    error::KafkaError,
};

use super::{Settings, SettingsError};

/// How long librdkafka takes an unknown topic for one that is being created. Well below the
/// transaction timeout, so that the error names the topic and not a timeout.
const TOPIC_CREATION_MS: u128 = 5_000;

/// What a reader sees of transactions that are open or aborted: nothing, or all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Isolation {
    Committed,
    Uncommitted,
}

impl Settings {
    /// For one slot of the exactly-once mode. Public for the benchmark that shows what these properties
    /// leave possible.
    pub fn transactional_producer(&self, slot: usize) -> ClientConfig {
        let mut config = self.producer();
        config
            .set("transactional.id", self.transactional_id(slot))
            .set("transaction.timeout.ms", self.transaction_timeout.as_millis().to_string())
            .set("message.timeout.ms", self.record_timeout().as_millis().to_string());
        config
    }

    /// For the at-least-once mode. Nothing takes back a record that left before one that failed, so
    /// no record may be given up while a later one goes on: librdkafka retries without limit
    /// (`message.timeout.ms=0`), stops at what cannot be retried (`enable.gapless.guarantee`), and the
    /// relay gives up the whole producer after `publish.delivery_timeout`.
    pub(crate) fn idempotent_producer(&self) -> ClientConfig {
        let mut config = self.producer();
        config.set("enable.gapless.guarantee", "true").set("message.timeout.ms", "0");
        config
    }

    /// For reading the checkpoint: the end of a partition is told at once (by default after 500 ms),
    /// and only committed records are seen.
    pub(crate) fn checkpoint_reader(&self) -> ClientConfig {
        let mut config = self.client();
        config.extend(owned(self.properties.for_reading()));
        config
            // librdkafka wants a group to assign partitions by hand; nothing is ever committed to it.
            .set("group.id", format!("rowpost.{}.checkpoint", self.source))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "error")
            .set("isolation.level", "read_committed")
            .set("allow.auto.create.topics", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10");
        config
    }

    /// For looking for records in the topics of events, also uncommitted ones.
    pub(crate) fn event_reader(&self, isolation: Isolation) -> ClientConfig {
        let mut config = self.checkpoint_reader();
        let isolation = match isolation {
            Isolation::Committed => "read_committed",
            Isolation::Uncommitted => "read_uncommitted",
        };
        // A partition that was shortened meanwhile is an error, not a silent jump.
        config.set("isolation.level", isolation);
        config
    }

    /// For creating and looking at the checkpoint topic.
    pub(crate) fn admin(&self) -> ClientConfig {
        let mut config = self.client();
        config.extend(owned(self.properties.for_reading()));
        config.set("allow.auto.create.topics", "false");
        config
    }

    /// What every producer has: the user's properties over our defaults, our promises over both.
    fn producer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("compression.type", "lz4")
            // Lets lz4 run while the engine still sends; 1 MiB was a third slower, 16 KiB two thirds.
            .set("batch.size", (128 * 1024).to_string())
            // The native flush sends what is there; a linger would only add to it.
            .set("linger.ms", "0")
            .set("topic.metadata.propagation.max.ms", self.topic_creation_ms().to_string());
        config.extend(owned(self.properties.iter()));
        config
            .set("queue.buffering.max.kbytes", self.queue.kbytes.to_string())
            .set("queue.buffering.max.messages", self.queue.records.to_string())
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("partitioner", "murmur2_random")
            .set("delivery.report.only.error", "true")
            .set("allow.auto.create.topics", "true");
        config
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("client.id", format!("rowpost-{}", self.source))
            // Back within half a second of a broker's restart (default: up to 10 s).
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "500")
            // Client telemetry to the broker's operator only where that is asked for.
            .set("enable.metrics.push", "false")
            .set("bootstrap.servers", &self.bootstrap_servers);
        config.set_log_level(log_level());
        config
    }

    fn topic_creation_ms(&self) -> u128 {
        TOPIC_CREATION_MS.min(self.record_timeout().as_millis() / 2)
    }

    /// Has librdkafka look at every name and value without a broker.
    pub(super) fn check_client_configs(&self) -> Result<(), SettingsError> {
        for config in [
            self.transactional_producer(0),
            self.idempotent_producer(),
            self.checkpoint_reader(),
            self.admin(),
        ] {
            config.create_native_config().map_err(SettingsError::from_creation)?;
        }
        Ok(())
    }
}

/// Makes a client and says well what librdkafka dislikes.
pub(crate) fn create<C, T>(config: &ClientConfig, context: C) -> Result<T, SettingsError>
where
    C: rdkafka::ClientContext,
    T: FromClientConfigAndContext<C>,
{
    config.create_with_context(context).map_err(SettingsError::from_creation)
}

impl SettingsError {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the foreign list of errors is open")]
    pub(crate) fn from_creation(error: KafkaError) -> Self {
        match error {
            // The error's last part is the value, which may be a secret: it is left out, also where
            // librdkafka's text repeats it.
            KafkaError::ClientConfig(_, text, name, value) => Self::PropertyInvalid {
                name,
                reason: if value.is_empty() { text } else { text.replace(&value, "…") },
            },
            KafkaError::ClientCreation(reason) => Self::ClientRefused { reason },
            other => Self::ClientRefused { reason: other.to_string() },
        }
    }
}

/// librdkafka's own lines come through `tracing` under the target `librdkafka`.
fn log_level() -> RDKafkaLogLevel {
    if tracing::enabled!(target: "librdkafka", tracing::Level::DEBUG) {
        RDKafkaLogLevel::Debug
    } else {
        RDKafkaLogLevel::Info
    }
}

fn owned<'a>(
    properties: impl Iterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = (String, String)> {
    properties.map(|(name, value)| (name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::settings::tests::settings;

    #[test]
    fn users_property_replaces_a_default_but_not_a_promise() {
        let settings = settings(&[("compression.type", "zstd"), ("linger.ms", "3")]).unwrap();

        let config = settings.transactional_producer(1);

        assert_eq!(config.get("compression.type"), Some("zstd"));
        assert_eq!(config.get("linger.ms"), Some("3"));
        assert_eq!(config.get("acks"), Some("all"));
        assert_eq!(config.get("partitioner"), Some("murmur2_random"));
        assert_eq!(config.get("transactional.id"), Some("rowpost.shop.1"));
        assert_eq!(config.get("message.timeout.ms"), Some("10000"));
    }

    #[test]
    fn at_least_once_never_gives_up_a_record_and_goes_on_with_the_next() {
        let config = settings(&[]).unwrap().idempotent_producer();

        assert_eq!(config.get("enable.idempotence"), Some("true"));
        assert_eq!(config.get("enable.gapless.guarantee"), Some("true"));
        assert_eq!(config.get("message.timeout.ms"), Some("0"));
        assert_eq!(config.get("transactional.id"), None);
    }

    #[test]
    fn reader_is_told_the_end_of_the_partition_at_once_and_sees_committed_records_only() {
        let config = settings(&[("linger.ms", "3")]).unwrap().checkpoint_reader();

        assert_eq!(config.get("isolation.level"), Some("read_committed"));
        assert_eq!(config.get("fetch.wait.max.ms"), Some("10"));
        assert_eq!(config.get("linger.ms"), None);
    }

    #[test]
    fn unknown_property_is_named() {
        let error = settings(&[("compresion.type", "zstd")]).unwrap_err().to_string();

        assert!(error.starts_with("kafka property `compresion.type`:"), "{error}");
    }

    #[test]
    fn wrong_value_is_named_by_its_property_and_not_repeated() {
        let error = settings(&[("security.protocol", "s3cr3t")]).unwrap_err();

        assert!(error.to_string().starts_with("kafka property `security.protocol`:"), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error:?}");
    }
}
