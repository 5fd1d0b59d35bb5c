//! A look at the end of the source's binlog every few seconds: how many bytes are not out, whether the
//! lag that the last commit reported still holds, and whether prepared XA branches are still there.

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use super::branches;
use crate::{
    config::Config,
    error::Chain,
    metrics::Metrics,
    position::{Position, PreparedBranch},
    source::{EndOfBinlog, KeptFiles, SourceError, Watcher},
    status::{Lag, LagWatch, Status, Threat},
};

/// A query of a few microseconds for the server; often enough for people.
const EVERY: Duration = Duration::from_secs(2);

/// Looks for as long as the pipeline runs, between its attempts too: while Kafka is away nothing else
/// says that the lag grows. On a connection of its own, which is opened again when it is lost; that it
/// cannot look is no failure, the source notices an outage itself.
pub(super) struct Looker {
    config: Config,
    metrics: Metrics,
    status: Status,
}

impl Looker {
    pub(super) fn new(config: &Config, metrics: Metrics, status: Status) -> Self {
        Self { config: config.clone(), metrics, status }
    }

    /// Until it is dropped.
    pub(super) async fn run(&self) -> Infallible {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut view = View {
            watch: LagWatch::start(Instant::now()),
            committed_at: Timestamp::UNIX_EPOCH,
            timer: self.config.checkpoint.interval,
            threat: None,
        };
        let mut watcher = None;
        let mut looked_at = None;
        loop {
            ticks.tick().await;
            // Before the first checkpoint is read there is nothing to compare the end with.
            let Some(committed) = self.status.committed() else { continue };
            let now = Instant::now();
            let read = self.metrics.source_view.seen();
            // Another server's coordinates cannot be compared; they are of this one with the next commit.
            if read.server.is_some_and(|server| server.uuid != committed.position.server_uuid) {
                continue;
            }
            if looked_at != read.host {
                watcher = None;
                looked_at.clone_from(&read.host);
            }
            match self.look(&mut watcher, read.host.as_deref(), &committed.position).await {
                Ok((end, kept)) => {
                    self.show(&mut view, now, &end);
                    branches::show(&self.status, &self.metrics, &mut view.threat, kept.as_ref());
                }
                Err(error) => {
                    debug!(error = %Chain(&error), "the end of the binlog could not be looked at");
                    watcher = None;
                }
            }
        }
    }

    async fn look(
        &self,
        watcher: &mut Option<Watcher>,
        host: Option<&str>,
        committed: &Position,
    ) -> Result<(EndOfBinlog, Option<KeptFiles>), SourceError> {
        let watcher = match watcher {
            Some(watcher) => watcher,
            None => watcher.insert(Box::pin(Watcher::open(&self.config, host)).await?),
        };
        let end = watcher.end_of_binlog(&committed.coordinates).await?;
        let kept = match committed.prepared.is_empty() {
            true => None,
            false => watcher.kept_files().await?,
        };
        Ok((end, kept))
    }

    fn show(&self, view: &mut View, now: Instant, end: &EndOfBinlog) {
        if let Some(bytes) = end.bytes_ahead {
            self.status.lag_bytes(bytes);
            self.metrics.replication_lag_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        // Asked again: what was committed since is not behind.
        let Some(committed) = self.status.committed() else { return };
        let seen = Seen {
            lag: view.watch.look(now, &end.coordinates, &committed.position.coordinates),
            has_committed: view.committed_at != committed.committed_at,
            has_unpublished: self.status.has_unpublished(),
            reported: Duration::try_from_secs_f64(self.metrics.replication_lag.get())
                .unwrap_or_default(),
        };
        view.committed_at = committed.committed_at;
        if let Some(lag) = seen.correction(view.timer) {
            self.metrics.replication_lag.set(lag.as_secs_f64());
        }
    }
}

/// What is kept from one look to the next.
struct View {
    watch: LagWatch,
    committed_at: Timestamp,
    timer: Duration,
    /// What was said of the oldest prepared XA branch.
    threat: Option<(PreparedBranch, Threat)>,
}

/// What one look has seen.
struct Seen {
    lag: Lag,
    /// Since the last look.
    has_committed: bool,
    /// Rows were read and are not committed, or nobody reads at all.
    has_unpublished: bool,
    /// By the last commit.
    reported: Duration,
}

impl Seen {
    /// The lag to show instead of what the last commit reported, if that does not hold any more.
    fn correction(&self, checkpoint_interval: Duration) -> Option<Duration> {
        match self.lag {
            Lag::CaughtUp => Some(Duration::ZERO),
            Lag::AtMost(_) if self.has_committed => None,
            // Nothing waits but the checkpoint's timer, as on a busy server with a quiet outbox.
            Lag::AtMost(bound) if !self.has_unpublished && bound <= 2 * checkpoint_interval => {
                Some(Duration::ZERO)
            }
            // Without a commit it can only have grown.
            Lag::AtMost(bound) => Some(bound.max(self.reported)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TIMER: Duration = Duration::from_secs(10);

    fn seen(lag: Lag) -> Seen {
        Seen { lag, has_committed: false, has_unpublished: true, reported: 3 * SECOND }
    }

    #[test]
    fn lag_of_the_last_record_does_not_stay_once_all_is_out() {
        assert_eq!(seen(Lag::CaughtUp).correction(TIMER), Some(Duration::ZERO));
    }

    #[test]
    fn commits_report_their_own_lag() {
        let seen = Seen { has_committed: true, ..seen(Lag::AtMost(50 * SECOND)) };

        assert_eq!(seen.correction(TIMER), None);
    }

    #[test]
    fn lag_grows_while_records_wait_and_nothing_is_committed() {
        assert_eq!(seen(Lag::AtMost(5 * SECOND)).correction(TIMER), Some(5 * SECOND));
        assert_eq!(seen(Lag::AtMost(SECOND)).correction(TIMER), Some(3 * SECOND));
    }

    #[test]
    fn quiet_outbox_on_a_busy_server_has_no_lag_until_the_timer_does_not_explain_it() {
        let quiet = |bound| Seen { has_unpublished: false, ..seen(Lag::AtMost(bound)) };

        assert_eq!(quiet(20 * SECOND).correction(TIMER), Some(Duration::ZERO));
        assert_eq!(quiet(21 * SECOND).correction(TIMER), Some(21 * SECOND));
    }
}
