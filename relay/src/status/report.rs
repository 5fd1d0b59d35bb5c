//! The status as it is shown: `/api/status`, the page, `rowpost status`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Branches, Stage, State};
use crate::{
    config::Delivery,
    position::{BinlogCoordinates, Position},
};

/// All of it. The field names are stable: monitoring reads them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    pub version: String,
    /// The source's name.
    pub name: String,
    pub delivery: Delivery,
    pub state: State,
    pub state_since: Timestamp,
    pub ready: bool,
    /// Why it is not ready.
    pub not_ready: Option<String>,
    pub uptime_seconds: f64,
    pub source: Source,
    pub kafka: Kafka,
    /// Everything up to here is on the broker.
    pub committed: Option<Committed>,
    /// Relays before 0.2 do not say.
    #[serde(default)]
    pub xa_branches: Branches,
    pub lag: Lag,
    pub rates: Rates,
    pub commits: Commits,
    pub retries: Retries,
    pub last_error: Option<LastError>,
    pub totals: Totals,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Without the password.
    pub address: String,
    /// `host:port` that is read, or was read last.
    #[serde(default)]
    pub host: Option<String>,
    pub connected: bool,
    pub connected_since: Option<Timestamp>,
    pub server_uuid: Option<uuid::Uuid>,
    pub version: Option<String>,
    /// How far the binlog was read.
    pub read_position: Option<BinlogCoordinates>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kafka {
    pub bootstrap_servers: String,
    pub checkpoint_topic: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Committed {
    #[serde(flatten)]
    pub position: Position,
    /// When the newest transaction that is out was committed on the source.
    pub source_commit: Option<Timestamp>,
    /// When the position was committed in Kafka, or found there.
    pub committed_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lag {
    pub milliseconds: f64,
    /// None until the end of the binlog was looked at.
    pub bytes: Option<u64>,
}

/// Committed records per second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    pub records_1s: f64,
    pub records_60s: f64,
}

/// From the first record of a Kafka transaction to the end of its commit, in milliseconds, over the
/// last minute.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Commits {
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub last_ms: Option<f64>,
    pub count_60s: u64,
}

/// Attempts after a failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retries {
    pub source: u64,
    pub publish: u64,
}

/// A failure that was tried again, or the one that ended the relay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LastError {
    pub at: Timestamp,
    pub stage: String,
    pub message: String,
}

impl LastError {
    pub(super) fn now(stage: Stage, message: String) -> Self {
        Self { at: Timestamp::now(), stage: stage.to_string(), message }
    }
}

/// Since the process started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    pub transactions_read: u64,
    pub outbox_rows_read: u64,
    pub binlog_bytes_read: u64,
    pub records_committed: u64,
    pub commits: u64,
}
