//! How the relay itself behaves: delivery, batches, checkpoint, limits, HTTP, logs, traces.

use std::{fmt, net::SocketAddr, num::NonZeroUsize, time::Duration};

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};

/// What a `read_committed` consumer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// Each committed outbox row once: records and checkpoint in one Kafka transaction.
    #[default]
    ExactlyOnce,
    /// Each committed outbox row at least once: idempotent producer, checkpoint after
    /// acknowledgement. For brokers without transactions; a few milliseconds faster.
    AtLeastOnce,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ExactlyOnce => "exactly-once",
            Self::AtLeastOnce => "at-least-once",
        })
    }
}

/// The `[publish]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Publish {
    /// Records of one Kafka transaction at most. 10,000 reaches the throughput of a producer
    /// without transactions; more only delays the first record.
    pub batch_records_max: NonZeroUsize,
    /// Bytes of one Kafka transaction at most; keeps librdkafka's queue below its limit.
    pub batch_bytes_max: ByteSize,
    /// Least time between two commits. It spares the broker transactions, and costs latency only while
    /// the load is high: a record after a pause goes out at once. None is needed to form batches: one is
    /// what arrives while the one before is on its way.
    #[serde(with = "humantime_serde")]
    pub commit_spacing: Duration,
    /// After this long the broker aborts a transaction that nobody finishes. `read_committed`
    /// consumers of the touched partitions wait that long if the relay dies and none takes over.
    #[serde(with = "humantime_serde")]
    pub transaction_timeout: Duration,
    /// How long a record may take to be acknowledged before the batch is given up and the relay
    /// resumes from the checkpoint.
    #[serde(with = "humantime_serde")]
    pub delivery_timeout: Duration,
    /// Transactional ids used in rotation: with 2 a commit is hidden behind the filling of the next
    /// transaction. 1 or 2.
    pub slots: NonZeroUsize,
}

/// The `[checkpoint]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpoint {
    /// Default: `rowpost.<source>.checkpoint`.
    pub topic: Option<String>,
    /// How often the checkpoint moves while no outbox row comes.
    #[serde(with = "humantime_serde")]
    pub interval: Duration,
    /// Of the checkpoint topic when the relay creates it; -1: the broker's default.
    pub replication_factor: i32,
}

/// The `[limits]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Bytes of records read from the source and not yet handed to librdkafka. At the limit the
    /// source waits.
    pub in_flight_bytes_max: ByteSize,
    /// Bytes of one chunk. A transaction larger than this leaves in several chunks.
    pub chunk_bytes_max: ByteSize,
    /// How long SIGTERM may take to drain what was read and to commit it. Past it the relay leaves
    /// anyway; the next start repeats nothing and loses nothing, it only reads that part again.
    #[serde(with = "humantime_serde")]
    pub shutdown_grace: Duration,
    /// Upper bound of the pause between attempts after a failure; the first comes within 100 ms.
    #[serde(with = "humantime_serde")]
    pub retry_backoff_max: Duration,
    /// Give up, with exit code 75, when this long nothing was committed for failures. `off`: never,
    /// because a relay that waits for its servers recovers by itself.
    #[serde(deserialize_with = "or_off::duration")]
    pub retry_time_max: Option<Duration>,
}

/// The `[http]` section: `/metrics`, `/healthz`, `/readyz`, `/api/status`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// `off`: no HTTP at all.
    #[serde(deserialize_with = "or_off::address")]
    pub listen: Option<SocketAddr>,
}

/// The `[log]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    pub format: LogFormat,
    /// A tracing filter: `info`, or `rowpost=debug,info`.
    pub filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// The `[tracing]` section.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracing {
    /// The collector's URL, without `/v1/traces`. None: no spans, and no cost.
    pub otlp_endpoint: Option<String>,
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            batch_records_max: NonZeroUsize::new(10_000).expect("10,000 is not zero"),
            batch_bytes_max: ByteSize::mib(8),
            commit_spacing: Duration::ZERO,
            transaction_timeout: Duration::from_secs(10),
            delivery_timeout: Duration::from_secs(30),
            slots: NonZeroUsize::new(2).expect("2 is not zero"),
        }
    }
}

impl Default for Checkpoint {
    fn default() -> Self {
        Self { topic: None, interval: Duration::from_secs(10), replication_factor: -1 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_bytes_max: ByteSize::mib(8),
            chunk_bytes_max: ByteSize::mib(1),
            shutdown_grace: Duration::from_secs(10),
            retry_backoff_max: Duration::from_secs(5),
            retry_time_max: None,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9187))) }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, filter: "info".to_owned() }
    }
}

/// A value, or the word `off` for none.
mod or_off {
    use std::{net::SocketAddr, time::Duration};

    use serde::{Deserialize, Deserializer, de::Error};

    pub(super) fn address<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SocketAddr>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "off" => Ok(None),
            address => address.parse().map(Some).map_err(D::Error::custom),
        }
    }

    pub(super) fn duration<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "off" => Ok(None),
            duration => humantime::parse_duration(duration).map(Some).map_err(D::Error::custom),
        }
    }
}
