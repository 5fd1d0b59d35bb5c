//! Config file, environment and flags → settings that cannot be wrong.
//!
//! Flags go over environment variables, these over the file, the file over the defaults; each key
//! by itself, so that one flag changes one thing. Every struct denies unknown fields; every limit
//! has a default with its reason. Validated once, before the runtime starts: whoever holds a
//! [`Config`] holds a valid one. Stages take their own section, never the whole.
//!
//! Promises:
//! - a refusal names the key, the value, where it came from and what is allowed;
//! - no secret in `Debug`, in a message or in a source snippet.

mod environment;
mod error;
mod file;
mod flags;
mod kafka;
pub mod keys;
mod load;
mod mysql;
mod outbox;
mod relay;
mod secret;
mod table_pattern;
#[cfg(test)]
mod tests;
mod tree;
mod typed;
mod validate;

use std::num::NonZeroU32;

use serde::Deserialize;

use crate::publish::{self, SettingsError};

pub use self::{
    error::{ConfigError, Problem, SyntaxError},
    flags::Flag,
    kafka::{Kafka, Properties},
    mysql::{Mysql, OnPositionLost, StartPolicy, Tls},
    outbox::{AdditionalField, BinaryFormat, OutboxTable, Placement},
    relay::{Checkpoint, Delivery, Http, Limits, Log, LogFormat, Publish, Tracing},
    secret::{MysqlHost, MysqlUrl, MysqlUrlError, REDACTED},
    table_pattern::{NameCase, TablePattern},
};

/// The whole configuration of `rowpost run` and `rowpost check`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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
    #[serde(default)]
    pub tracing: Tracing,
}

impl Config {
    /// What publishing needs. A configuration that was loaded has been through this once.
    pub fn publish_settings(&self) -> Result<publish::Settings, SettingsError> {
        let Self { source, delivery, kafka, publish, checkpoint, .. } = self;
        publish::Settings::new(source, *delivery, kafka, publish, checkpoint)
    }

    /// The same, of this one of the source's hosts.
    pub fn on(&self, host: &MysqlHost) -> Self {
        let mysql = Mysql { url: self.mysql.url.on(host), ..self.mysql.clone() };
        Self { mysql, ..self.clone() }
    }

    /// Where the position is stored.
    pub fn checkpoint_topic(&self) -> String {
        let default = || format!("rowpost.{}.checkpoint", self.source);
        self.checkpoint.topic.clone().unwrap_or_else(default)
    }

    /// The server id to show the source. Derived from the source's name unless it is set: the same
    /// at every start, another for another source, and in the upper half of the range, which people
    /// who number their servers by hand seldom reach.
    pub fn server_id(&self) -> NonZeroU32 {
        const UPPER_HALF: u32 = 1 << 31;
        let derived = UPPER_HALF | crc32fast::hash(self.source.as_bytes());
        self.mysql
            .server_id
            .unwrap_or_else(|| NonZeroU32::new(derived).expect("its highest bit is set"))
    }
}

fn default_source() -> String {
    "mysql".to_owned()
}

fn default_outbox() -> Vec<OutboxTable> {
    vec![OutboxTable::default()]
}
