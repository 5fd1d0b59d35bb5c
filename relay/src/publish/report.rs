//! What is committed → metrics and whoever watches.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use super::topics::Tally;
use crate::{metrics::Metrics, position::Position, traces::Traces};

/// How far the relay is: everything up to `position` is out.
#[derive(Debug, Clone)]
pub struct Committed {
    pub position: Position,
    /// Records committed since this publisher started (at-least-once: acknowledged).
    pub records_total: u64,
    /// When the newest transaction that is out was committed on the source, in microseconds since
    /// the epoch.
    pub commit_timestamp_us: u64,
    pub committed_at: Timestamp,
}

/// A batch about to be committed, with what is to be told about it.
pub(super) struct Settled {
    pub(super) position: Position,
    pub(super) tally: Tally,
    /// `None` where nothing new was read: only the checkpoint is stored again.
    pub(super) commit_timestamp_us: Option<u64>,
    /// When the batch began to be filled.
    pub(super) started: Instant,
}

pub(super) struct Report {
    metrics: Metrics,
    committed: watch::Sender<Committed>,
    checkpoint_interval: Duration,
    records_total: u64,
    traces: Option<Traces>,
}

impl Report {
    pub(super) fn new(
        metrics: Metrics,
        committed: watch::Sender<Committed>,
        checkpoint_interval: Duration,
        traces: Option<Traces>,
    ) -> Self {
        Self { metrics, committed, checkpoint_interval, records_total: 0, traces }
    }

    /// The batch is out.
    pub(super) fn settle(&mut self, settled: Settled) {
        let Settled { position, mut tally, commit_timestamp_us, started } = settled;
        let committed_at = Timestamp::now();
        let records = tally.records();
        self.records_total += records;

        tally.acknowledge();
        if let Some(traces) = &self.traces {
            traces.finish(std::mem::take(&mut tally.spans));
        }
        let commit_time = started.elapsed();
        self.metrics.commit_seconds.observe(commit_time.as_secs_f64());
        self.metrics.activity.record(records, commit_time);
        if records > 0 {
            self.metrics.batch_records.observe(count(records));
        }
        if let Some(commit_timestamp_us) = commit_timestamp_us {
            let age = age(committed_at, commit_timestamp_us);
            let lag = if records > 0 { age } else { idle_lag(age, self.checkpoint_interval) };
            self.metrics.replication_lag.set(lag.as_secs_f64());
        }
        self.committed.send_modify(|committed| {
            committed.position = position;
            committed.records_total = self.records_total;
            committed.committed_at = committed_at;
            if let Some(commit_timestamp_us) = commit_timestamp_us {
                committed.commit_timestamp_us = commit_timestamp_us;
            }
        });
    }

    /// A checkpoint is stored (at-least-once: acknowledged).
    pub(super) fn checkpoint_stored(&self) {
        let now = Timestamp::now();
        self.metrics.checkpoint_timestamp.set(now.as_duration().as_secs_f64());
    }
}

/// Zero where the source's clock is ahead of ours.
fn age(now: Timestamp, commit_timestamp_us: u64) -> Duration {
    let now_us = u64::try_from(now.as_microsecond()).unwrap_or(0);
    Duration::from_micros(now_us.saturating_sub(commit_timestamp_us))
}

/// The position of a quiet outbox moves on a timer: an age that the timer explains is no lag.
fn idle_lag(age: Duration, checkpoint_interval: Duration) -> Duration {
    if age <= checkpoint_interval * 2 { Duration::ZERO } else { age }
}

#[expect(clippy::cast_precision_loss, reason = "batches are far below 2^52 records")]
fn count(records: u64) -> f64 {
    records as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_never_negative_when_the_clocks_disagree() {
        let now = Timestamp::from_second(1_000).unwrap();

        assert_eq!(age(now, 1_000_000_500), Duration::ZERO);
        assert_eq!(age(now, 999_000_000), Duration::from_secs(1));
    }

    #[test]
    fn quiet_outbox_has_no_lag_but_a_backlog_without_outbox_rows_has() {
        let interval = Duration::from_secs(10);

        assert_eq!(idle_lag(Duration::from_secs(15), interval), Duration::ZERO);
        assert_eq!(idle_lag(Duration::from_secs(300), interval), Duration::from_secs(300));
    }
}
