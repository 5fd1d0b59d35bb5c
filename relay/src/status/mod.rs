//! What the relay says of itself: written by the pipeline, read by `http`.
//!
//! Promises: nothing here waits for anything, and nothing here holds a secret or a payload.

mod activity;
mod branches;
pub mod command;
mod lag;
mod report;
mod source_view;
mod text;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

pub use self::{
    activity::{Activity, Summary},
    branches::{Branches, Threat, oldest, threat},
    command::StatusError,
    lag::{Lag, LagWatch},
    report::StatusReport,
    source_view::{Seen, Server, SourceView},
    text::render,
};
use crate::{
    config::Config,
    metrics::{Metrics, StageLabel},
    position::{BinlogCoordinates, PreparedBranch},
    publish::Committed,
};

/// Where the pipeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Starting,
    /// Fencing older relays of the source and reading the checkpoint.
    Fencing,
    /// Connecting to the source and looking for where to start.
    Connecting,
    Publishing,
    /// Waiting to try again after a failure.
    Retrying,
    /// Told to stop; committing what was read.
    Draining,
    Stopped,
}

/// The half of the pipeline that something happened in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Source,
    Publish,
}

/// Shared by handle.
#[derive(Debug, Clone)]
pub struct Status {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    delivery: crate::config::Delivery,
    address: String,
    kafka: report::Kafka,
    metrics: Metrics,
    now: Mutex<Now>,
}

/// What changes.
#[derive(Debug)]
struct Now {
    state: State,
    since: Timestamp,
    committed: Option<watch::Receiver<Committed>>,
    /// When the newest publisher began.
    began: Counts,
    lag_bytes: Option<u64>,
    /// Of the oldest prepared XA branch.
    threat: Option<(PreparedBranch, Threat)>,
    last_error: Option<report::LastError>,
}

impl Status {
    pub fn new(config: &Config, metrics: Metrics) -> Self {
        let now = Now {
            state: State::Starting,
            since: Timestamp::now(),
            committed: None,
            began: Counts::default(),
            lag_bytes: None,
            threat: None,
            last_error: None,
        };
        Self {
            shared: Arc::new(Shared {
                name: config.source.clone(),
                delivery: config.delivery,
                address: config.mysql.url.to_string(),
                kafka: report::Kafka {
                    bootstrap_servers: config.kafka.bootstrap_servers.clone(),
                    checkpoint_topic: config.checkpoint_topic(),
                },
                metrics,
                now: Mutex::new(now),
            }),
        }
    }

    pub fn enter(&self, state: State) {
        let mut now = self.now();
        if now.state != state {
            now.state = state;
            now.since = Timestamp::now();
        }
    }

    /// A publisher runs and reports here.
    pub fn publishing(&self, committed: watch::Receiver<Committed>) {
        let began = self.counts();
        let mut now = self.now();
        now.committed = Some(committed);
        now.began = began;
    }

    /// What the newest publisher has committed, or started from.
    pub fn committed(&self) -> Option<Committed> {
        self.now().committed.as_ref().map(|committed| committed.borrow().clone())
    }

    /// Whether rows wait: read and not committed, or not read because the pipeline is at something
    /// else.
    pub fn has_unpublished(&self) -> bool {
        let counts = self.counts();
        let now = self.now();
        let read = counts.read.saturating_sub(now.began.read);
        let committed = counts.committed.saturating_sub(now.began.committed);
        now.state != State::Publishing || read > committed
    }

    fn counts(&self) -> Counts {
        let metrics = &self.shared.metrics;
        Counts {
            read: metrics.outbox_rows_read.get(),
            committed: metrics.activity.summary().records_total,
        }
    }

    pub fn lag_bytes(&self, bytes: u64) {
        self.now().lag_bytes = Some(bytes);
    }

    /// What threatens the oldest prepared XA branch.
    pub fn threatened(&self, threat: Option<(PreparedBranch, Threat)>) {
        self.now().threat = threat;
    }

    /// Everything is started again after a failure. `message` is the error with its causes; errors
    /// hold no secrets.
    pub fn retrying(&self, stage: Stage, message: &str) {
        self.shared.metrics.retries.get_or_create(&stage.label()).inc();
        self.now().last_error = Some(report::LastError::now(stage, message.to_owned()));
        self.enter(State::Retrying);
    }

    /// Ready is: the source is connected, older relays are fenced and the committed position is
    /// known. Else the reason.
    pub fn readiness(&self) -> Result<(), String> {
        self.now().readiness(&self.source())
    }

    fn source(&self) -> Source {
        let metrics = &self.shared.metrics;
        Source { connected: metrics.source_connected.get() == 1, seen: metrics.source_view.seen() }
    }

    pub fn report(&self) -> StatusReport {
        let Shared { name, delivery, address, kafka, metrics, .. } = &*self.shared;
        let activity = metrics.activity.summary();
        let retries =
            |stage: Stage| metrics.retries.get(&stage.label()).map_or(0, |counter| counter.get());
        let source = self.source();
        let now = self.now();
        let readiness = now.readiness(&source);
        StatusReport {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            name: name.clone(),
            delivery: *delivery,
            state: now.state,
            state_since: now.since,
            ready: readiness.is_ok(),
            not_ready: readiness.err(),
            uptime_seconds: metrics.activity.uptime().as_secs_f64(),
            source: source.report(address, now.committed_on(source.server()).as_ref()),
            kafka: kafka.clone(),
            committed: now.committed(),
            xa_branches: now.branches(),
            lag: report::Lag {
                milliseconds: metrics.replication_lag.get() * 1000.0,
                bytes: now.lag_bytes,
            },
            rates: report::Rates {
                records_1s: activity.records_per_second,
                records_60s: activity.records_per_second_minute,
            },
            commits: report::Commits {
                p50_ms: activity.commit_p50.map(milliseconds),
                p99_ms: activity.commit_p99.map(milliseconds),
                last_ms: activity.commit_last.map(milliseconds),
                count_60s: activity.commits_minute,
            },
            retries: report::Retries {
                source: retries(Stage::Source),
                publish: retries(Stage::Publish),
            },
            last_error: now.last_error(&source).cloned(),
            totals: report::Totals {
                transactions_read: metrics.transactions_read.get(),
                outbox_rows_read: metrics.outbox_rows_read.get(),
                binlog_bytes_read: metrics.binlog_bytes_read.get(),
                records_committed: activity.records_total,
                commits: activity.commits_total,
            },
        }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Every field is whole by itself: a panic elsewhere leaves nothing half written.
        self.shared.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Outbox rows since the process started. What was read before a failure is read again after it.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    read: u64,
    committed: u64,
}

/// What the source's reader said.
struct Source {
    connected: bool,
    seen: Seen,
}

impl Source {
    fn server(&self) -> Option<Uuid> {
        self.seen.server.as_ref().map(|server| server.uuid)
    }

    fn report(&self, address: &str, committed: Option<&BinlogCoordinates>) -> report::Source {
        let server = self.seen.server.as_ref();
        let read = self.seen.read_position.as_ref();
        // SERVER: asked by GTIDs, it goes through the file from its beginning, and sends nothing of
        // what is published already.
        let read = match (read, committed) {
            (Some(read), Some(committed)) if committed > read => Some(committed),
            (read, _) => read,
        };
        report::Source {
            address: address.to_owned(),
            host: self.seen.host.clone(),
            connected: self.connected,
            connected_since: server.filter(|_| self.connected).map(|server| server.opened_at),
            server_uuid: server.map(|server| server.uuid),
            version: server.map(|server| server.version.clone()),
            read_position: read.cloned(),
        }
    }
}

impl Now {
    fn readiness(&self, source: &Source) -> Result<(), String> {
        let because = || {
            let error = self.last_error(source);
            error.map(|error| format!(": {}", error.message)).unwrap_or_default()
        };
        match self.state {
            State::Publishing if !source.connected => {
                Err(format!("the source is not connected{}", because()))
            }
            State::Publishing if self.committed.is_none() => {
                Err("the committed position is not known".to_owned())
            }
            State::Publishing => Ok(()),
            State::Retrying => Err(format!("retrying after a failure{}", because())),
            // After a failure these are the next attempt, which is still at what failed.
            State::Starting | State::Fencing | State::Connecting => {
                Err(format!("{}{}", self.state, because()))
            }
            State::Draining | State::Stopped => Err(self.state.to_string()),
        }
    }

    /// The pipeline's or the source's, whichever came later.
    fn last_error<'a>(&'a self, source: &'a Source) -> Option<&'a report::LastError> {
        let errors = [&self.last_error, &source.seen.last_error];
        errors.into_iter().flatten().max_by_key(|error| error.at)
    }

    /// Where everything is out up to, if that is a place in this server's binlog.
    fn committed_on(&self, server: Option<Uuid>) -> Option<BinlogCoordinates> {
        let position = &self.committed.as_ref()?.borrow().position;
        let is_here = server.is_none_or(|server| server == position.server_uuid);
        is_here.then(|| position.coordinates.clone())
    }

    fn branches(&self) -> Branches {
        let committed = self.committed.as_ref().map(|committed| committed.borrow());
        let prepared = committed.as_ref().map_or(&[][..], |committed| &committed.position.prepared);
        Branches::of(prepared, Timestamp::now(), self.threat.as_ref())
    }

    fn committed(&self) -> Option<report::Committed> {
        let committed = self.committed.as_ref()?.borrow();
        let source_commit = i64::try_from(committed.commit_timestamp_us)
            .ok()
            .filter(|us| *us > 0)
            .and_then(|us| Timestamp::from_microsecond(us).ok());
        Some(report::Committed {
            position: committed.position.clone(),
            source_commit,
            committed_at: committed.committed_at,
        })
    }
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

impl Stage {
    fn label(self) -> StageLabel {
        StageLabel {
            stage: match self {
                Self::Source => "source",
                Self::Publish => "publish",
            },
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label().stage)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Starting => "starting",
            Self::Fencing => "fencing",
            Self::Connecting => "connecting",
            Self::Publishing => "publishing",
            Self::Retrying => "retrying",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        })
    }
}
