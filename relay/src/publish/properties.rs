//! librdkafka properties from the user → properties that keep every promise.
//!
//! Promises:
//! - a property that would break a promise, or that has a setting of its own, is refused by name with
//!   the reason;
//! - values never reach a log or an error: many of them are secrets.
//!
//! Not promised: that a value is right. librdkafka checks it when the client is made
//! (`client_config`).

use std::{collections::BTreeMap, fmt};

use super::SettingsError;

/// Properties that the user may set. `Debug` shows names only.
#[derive(Clone, Default)]
pub(crate) struct Properties(BTreeMap<String, String>);

/// Name and why the user may not set it. Aliases are listed: librdkafka takes either.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "it is the setting kafka.bootstrap_servers"),
    ("metadata.broker.list", "it is the setting kafka.bootstrap_servers"),
    ("acks", ACKNOWLEDGED),
    ("request.required.acks", ACKNOWLEDGED),
    ("enable.idempotence", IDEMPOTENT),
    ("enable.gapless.guarantee", IDEMPOTENT),
    ("max.in.flight", IN_FLIGHT),
    ("max.in.flight.requests.per.connection", IN_FLIGHT),
    ("retries", RETRIES),
    ("message.send.max.retries", RETRIES),
    ("queuing.strategy", "only the first-in-first-out queue keeps the order of records"),
    ("transactional.id", "it is derived from `source`: it fences older relays of the same source"),
    ("transaction.timeout.ms", "it is the setting publish.transaction_timeout"),
    ("message.timeout.ms", "it is the setting publish.delivery_timeout"),
    ("delivery.timeout.ms", "it is the setting publish.delivery_timeout"),
    (
        "partitioner",
        "keys go to the partitions that Java producers choose (murmur2); another partitioner would \
         scatter the records of one key",
    ),
    ("delivery.report.only.error", "the relay counts failed deliveries; it needs no other reports"),
    ("topic.blacklist", "records for a hidden topic could never be published"),
    ("allow.auto.create.topics", "the relay decides per client; switch creation off at the broker"),
    ("isolation.level", "the checkpoint is read with read_committed only"),
    ("group.id", READER),
    ("group.instance.id", READER),
    ("group.protocol", READER),
    ("enable.auto.commit", READER),
    ("auto.commit.enable", READER),
    ("auto.commit.interval.ms", READER),
    ("enable.auto.offset.store", READER),
    ("auto.offset.reset", READER),
    ("enable.partition.eof", READER),
    ("fetch.wait.max.ms", READER),
];

const ACKNOWLEDGED: &str =
    "a record counts as published when all in-sync replicas have it (acks=all)";
const IDEMPOTENT: &str = "without it a retry would publish twice or leave a gap";
const IN_FLIGHT: &str = "the idempotent producer keeps the order with at most 5 requests in flight";
const RETRIES: &str = "retries end after publish.delivery_timeout, not after a count";
const READER: &str = "the relay's only consumer reads its own checkpoint, without a group";

/// Two names of one property. librdkafka takes the one that is set last, and a map has no order: the
/// relay knows the second name only.
const ALIASES: &[(&str, &str)] =
    &[("compression.codec", "compression.type"), ("queue.buffering.max.ms", "linger.ms")];

/// Properties that a consumer or admin client would only warn about.
const PRODUCER_ONLY: &[&str] = &[
    "batch.num.messages",
    "batch.size",
    "compression.level",
    "compression.type",
    "linger.ms",
    "queue.buffering.backpressure.threshold",
    "queue.buffering.max.kbytes",
    "queue.buffering.max.messages",
    "request.timeout.ms",
    "sticky.partitioning.linger.ms",
];

impl Properties {
    pub(crate) fn admit<'a>(
        properties: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Self, SettingsError> {
        let owned = |(name, value): (&String, &String)| (name.clone(), value.clone());
        let mut admitted: BTreeMap<_, _> = properties.into_iter().map(owned).collect();
        for name in admitted.keys() {
            if let Some((name, reason)) = REFUSED.iter().find(|(refused, _)| refused == name) {
                return Err(SettingsError::PropertyRefused { name: (*name).to_owned(), reason });
            }
        }
        for (alias, name) in ALIASES {
            let Some(value) = admitted.remove(*alias) else { continue };
            if admitted.insert((*name).to_owned(), value).is_some() {
                return Err(SettingsError::PropertyRefused {
                    name: (*alias).to_owned(),
                    reason: "it is another name of a property that is set too",
                });
            }
        }
        Ok(Self(admitted))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Those that concern the connection, for clients that do not produce.
    pub(crate) fn for_reading(&self) -> impl Iterator<Item = (&str, &str)> {
        self.iter().filter(|(name, _)| !PRODUCER_ONLY.contains(name))
    }

    /// The value as a whole number; `None` where the user did not set it.
    pub(crate) fn number(&self, name: &'static str) -> Result<Option<u64>, SettingsError> {
        self.get(name).map(str::parse).transpose().map_err(|_| SettingsError::PropertyInvalid {
            name: name.to_owned(),
            reason: "not a whole number".to_owned(),
        })
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::ClientConfig;

    use super::*;

    fn admit(pairs: &[(&str, &str)]) -> Result<Properties, SettingsError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Properties::admit(&pairs.iter().map(owned).collect::<BTreeMap<_, _>>())
    }

    #[test]
    fn property_that_breaks_a_promise_is_refused_by_name_with_the_reason() {
        let error = admit(&[("ssl.ca.location", "/ca.pem"), ("acks", "1")]).unwrap_err();

        let text = error.to_string();
        assert!(text.contains("`acks`") && text.contains("all in-sync replicas"), "{text}");
    }

    #[test]
    fn every_refused_name_is_one_that_librdkafka_would_have_taken() {
        for (name, _) in REFUSED {
            let error = ClientConfig::new().set(*name, "?").create_native_config().err();

            let unknown = format!("{error:?}").contains("No such configuration property");
            assert!(!unknown, "`{name}` is misspelt");
        }
    }

    #[test]
    fn connection_and_compression_properties_pass() {
        let properties = admit(&[
            ("security.protocol", "SASL_SSL"),
            ("sasl.password", "s3cr3t"),
            ("compression.type", "zstd"),
            ("linger.ms", "2"),
        ])
        .unwrap();

        assert_eq!(properties.iter().count(), 4);
        let for_reading: Vec<_> = properties.for_reading().map(|(name, _)| name).collect();
        assert_eq!(for_reading, ["sasl.password", "security.protocol"]);
    }

    #[test]
    fn second_name_of_a_property_replaces_our_default_like_the_first() {
        let properties = admit(&[("compression.codec", "zstd")]).unwrap();

        assert_eq!(properties.get("compression.type"), Some("zstd"));
        assert!(admit(&[("compression.codec", "zstd"), ("compression.type", "lz4")]).is_err());
    }

    #[test]
    fn debug_shows_names_but_no_values() {
        let properties = admit(&[("sasl.password", "s3cr3t")]).unwrap();

        let shown = format!("{properties:?}");

        assert_eq!(shown, r#"{"sasl.password"}"#);
    }
}
