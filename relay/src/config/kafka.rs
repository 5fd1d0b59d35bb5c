//! How to reach Kafka.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The `[kafka]` section.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Comma-separated `host:port` list.
    pub bootstrap_servers: String,
    /// librdkafka properties, passed through: TLS, SASL, compression, socket settings. Those that
    /// would break a promise (`acks`, `enable.idempotence`, …) are refused by name.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}
