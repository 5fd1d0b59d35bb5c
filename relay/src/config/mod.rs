//! Config file, environment and flags → settings that cannot be wrong.
//!
//! Every struct denies unknown fields; every limit has a default with its reason. Validated once,
//! before the runtime starts. Stages take their own section, never the whole.

mod kafka;
mod mysql;
mod outbox;
mod relay;

use serde::Deserialize;

pub use self::{
    kafka::Kafka,
    mysql::{Mysql, StartPolicy, Tls},
    outbox::{AdditionalField, OutboxTable, Placement, TablePattern},
    relay::{Checkpoint, Delivery, Http, Limits, Log, LogFormat, Publish},
};

/// The whole configuration of `rowpost run` and `rowpost check`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Names this source: part of the checkpoint topic `rowpost.<source>.checkpoint` and of the
    /// transactional ids. Two relays with the same name on the same Kafka fence each other.
    #[serde(default = "default_source")]
    pub source: String,
    #[serde(default)]
    pub delivery: Delivery,
    pub mysql: Mysql,
    pub kafka: Kafka,
    /// The outbox tables; default: every table named `outbox`, Debezium's columns and topics.
    #[serde(default = "default_outbox")]
    pub outbox: Vec<OutboxTable>,
    #[serde(default)]
    pub publish: Publish,
    #[serde(default)]
    pub checkpoint: Checkpoint,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub http: Http,
    #[serde(default)]
    pub log: Log,
}

fn default_source() -> String {
    "mysql".to_owned()
}

fn default_outbox() -> Vec<OutboxTable> {
    vec![OutboxTable::default()]
}
