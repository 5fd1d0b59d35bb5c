//! Old rows → none, while the service works.
//!
//! Promises:
//! - an outbox row is deleted only once the relay has published it: its transaction lies before a
//!   checkpoint that the relay has committed with the records;
//! - an inbox row is deleted only after the retention;
//! - no transaction deletes more than a batch, and there is a pause after each.
//!
//! Not promised: that the tables are small. While no relay runs the outbox grows.
//!
//! The relay reads the binlog, so that even a row deleted too early would be published. It would be
//! missed where the binlog was purged before the relay had read it: then the table has the only copy.

mod mark;
mod rows;
mod source;

use std::{num::NonZeroUsize, time::Duration};

use sqlx::MySqlPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    Disposition,
    checkpoint::{CheckpointError, RelayCheckpoint},
};

/// SERVER: a transaction is visible some moments before its GTID is in `@@gtid_executed`.
const GTID_SETTLES: Duration = Duration::from_secs(1);
/// How long a checkpoint is waited for before the next round tries it with other rows.
const CHECKPOINT_WAIT_MAX: Duration = Duration::from_secs(60);
const CHECKPOINT_POLL: Duration = Duration::from_secs(1);

/// Settings of the pruning. [`PruneConfig::default`] has the defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PruneConfig {
    /// Inbox rows younger than this stay. Longer than the topics keep their records, or than the
    /// longest time that a consumer may be behind or set back: a record that comes after its row is
    /// gone has its effect again. Default 30 days; Kafka keeps records for 7 by default.
    pub inbox_retention: Duration,
    /// Outbox rows younger than this stay, for people to look at. Default 1 hour.
    pub outbox_retention: Duration,
    /// Rows that one transaction deletes. Default 200: some ten milliseconds.
    pub batch_rows: NonZeroUsize,
    /// After each transaction. Default 100 ms.
    pub pause: Duration,
    /// Between two rounds. Default 1 minute.
    pub interval: Duration,
}

impl Default for PruneConfig {
    fn default() -> Self {
        Self {
            inbox_retention: Duration::from_secs(30 * 24 * 3_600),
            outbox_retention: Duration::from_secs(3_600),
            batch_rows: NonZeroUsize::new(200).expect("200 is not 0"),
            pause: Duration::from_millis(100),
            interval: Duration::from_secs(60),
        }
    }
}

/// What a round deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Older than the retention.
    pub inbox_rows: u64,
    /// Older than the retention and published.
    pub outbox_rows: u64,
}

/// Why a round ended early. What it deleted until then is gone.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// MySQL refuses or is gone.
    #[error("cannot {doing}: {source}")]
    Database {
        /// What was tried.
        doing: &'static str,
        /// MySQL's answer.
        source: sqlx::Error,
    },
    /// Nobody knows what is published.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Without GTIDs only the coordinates say which rows are published.
    #[error(
        "this account may not ask where the binlog ends, which it must as the server has no GTIDs: \
         `grant replication client on *.* to …`, or set gtid_mode=ON"
    )]
    NoPrivilege,
    /// The relay reads a replica, or there was a fail-over that it has not followed yet.
    #[error(
        "the relay's checkpoint is of server {relay_server_uuid}, this is {server_uuid}: without GTIDs \
         on both nothing says whether a row is published. Outbox rows are kept"
    )]
    OtherServer {
        /// Of the checkpoint.
        relay_server_uuid: String,
        /// Of the service's pool.
        server_uuid: String,
    },
}

impl PruneError {
    fn database(doing: &'static str, source: sqlx::Error) -> Self {
        Self::Database { doing, source }
    }

    /// What the caller should do; [`Pruner::run`] says it in the log and goes on in any case.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Database { .. }
            | Self::OtherServer { .. }
            | Self::Checkpoint(CheckpointError::Kafka { .. }) => Disposition::Retry,
            Self::NoPrivilege
            | Self::Checkpoint(
                CheckpointError::Malformed { .. } | CheckpointError::NewerFormat { .. },
            ) => Disposition::Halt,
        }
    }
}

/// Deletes old rows of one schema. Several at once do no harm.
///
/// ```no_run
/// # use rowpost_outbox::{CancellationToken, MySqlPool, PruneConfig, Pruner, RelayCheckpoint};
/// # fn start(pool: MySqlPool, kafka: rdkafka::ClientConfig, stop: CancellationToken)
/// # -> Result<(), Box<dyn std::error::Error>> {
/// let checkpoint = RelayCheckpoint::of_source(&kafka, "shop")?;
/// let pruner = Pruner::new(pool, PruneConfig::default(), checkpoint);
/// tokio::spawn(pruner.run(stop));
/// # Ok(())
/// # }
/// ```
pub struct Pruner {
    pool: MySqlPool,
    config: PruneConfig,
    checkpoint: Option<RelayCheckpoint>,
}

impl Pruner {
    /// Of the inbox only: for services that append nothing, or with
    /// [`Rows::DeleteAtOnce`](crate::Rows::DeleteAtOnce).
    pub fn of_inbox(pool: MySqlPool, config: PruneConfig) -> Self {
        Self { pool, config, checkpoint: None }
    }

    /// Of the inbox, and of the outbox up to where the relay is. The account of `pool` needs
    /// `replication client` where the server has no GTIDs.
    pub fn new(pool: MySqlPool, config: PruneConfig, checkpoint: RelayCheckpoint) -> Self {
        Self { pool, config, checkpoint: Some(checkpoint) }
    }

    /// One round after the other until `stop` is cancelled. Errors are logged: a service works without
    /// pruning, for a while.
    pub async fn run(self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.prune(&stop).await {
                Ok(Pruned { inbox_rows: 0, outbox_rows: 0 }) => {}
                Ok(Pruned { inbox_rows, outbox_rows }) => {
                    tracing::info!(inbox_rows, outbox_rows, "old rows deleted");
                }
                Err(error) => tracing::warn!(error = %error, "old rows not deleted"),
            }
            pause(&stop, self.config.interval).await;
        }
    }

    /// One round: all that is old now. Returns early when `stop` is cancelled.
    pub async fn prune(&self, stop: &CancellationToken) -> Result<Pruned, PruneError> {
        let inbox_rows = self.prune_inbox(stop).await?;
        let outbox_rows = match &self.checkpoint {
            Some(checkpoint) => self.prune_outbox(checkpoint, stop).await?,
            None => 0,
        };
        Ok(Pruned { inbox_rows, outbox_rows })
    }

    async fn prune_inbox(&self, stop: &CancellationToken) -> Result<u64, PruneError> {
        let failed = |source| PruneError::database("delete old inbox rows", source);
        let mut deleted = 0;
        while !stop.is_cancelled() {
            let keys = rows::old_inbox_keys(&self.pool, self.config.inbox_retention)
                .await
                .map_err(failed)?;
            if keys.is_empty() {
                break;
            }
            for batch in keys.chunks(self.config.batch_rows.get()) {
                if stop.is_cancelled() {
                    break;
                }
                deleted += rows::delete_inbox(&self.pool, batch).await.map_err(failed)?;
                pause(stop, self.config.pause).await;
            }
        }
        Ok(deleted)
    }

    async fn prune_outbox(
        &self,
        checkpoint: &RelayCheckpoint,
        stop: &CancellationToken,
    ) -> Result<u64, PruneError> {
        let failed = |source| PruneError::database("delete old outbox rows", source);
        let mut deleted = 0;
        while !stop.is_cancelled() {
            let ids = self.published_ids(checkpoint, stop).await?;
            if ids.is_empty() {
                break;
            }
            for batch in ids.chunks(self.config.batch_rows.get()) {
                if stop.is_cancelled() {
                    break;
                }
                deleted += rows::delete_outbox(&self.pool, batch).await.map_err(failed)?;
                pause(stop, self.config.pause).await;
            }
        }
        Ok(deleted)
    }

    /// Some of the oldest rows, once the relay has published them; none if it does not get there, or
    /// if there are none.
    async fn published_ids(
        &self,
        checkpoint: &RelayCheckpoint,
        stop: &CancellationToken,
    ) -> Result<Vec<String>, PruneError> {
        let Some(newest) = checkpoint.read().await? else { return Ok(Vec::new()) };
        let ids = rows::old_outbox_ids(&self.pool, self.config.outbox_retention)
            .await
            .map_err(|source| PruneError::database("look for old outbox rows", source))?;
        if ids.is_empty() {
            return Ok(ids);
        }
        // ORDER: the end of the binlog is asked for after the rows were seen, so that it lies behind
        // them; and the checkpoint that is compared with it is read after that.
        pause(stop, GTID_SETTLES).await;
        let mark = source::mark(&self.pool, &newest).await?;
        let waiting_since = Instant::now();
        while !stop.is_cancelled() {
            let Some(reached) = checkpoint.read().await? else { break };
            let reach = source::reach(&self.pool, &mark, &reached).await?;
            if mark.is_passed(&reached, reach) {
                return Ok(ids);
            }
            if waiting_since.elapsed() >= CHECKPOINT_WAIT_MAX {
                break;
            }
            if reach == mark::Reach::Unknown {
                let (relay_server_uuid, server_uuid) =
                    (reached.position.server_uuid, mark.server_uuid);
                return Err(PruneError::OtherServer { relay_server_uuid, server_uuid });
            }
            pause(stop, CHECKPOINT_POLL).await;
        }
        Ok(Vec::new())
    }
}

async fn pause(stop: &CancellationToken, time: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}
