//! Servers that replicate from each other, by GTIDs.
//!
//! For servers that were started with a `--server-id` of their own and know today's words
//! (`Setup::Current`).

use std::time::Duration;

use anyhow::Result;

use crate::{MysqlServer, eventually};

/// Longer than a replica takes for anything that a test writes.
const CATCH_UP: Duration = Duration::from_secs(120);

impl MysqlServer {
    /// Applies from here on what `leader` writes.
    pub async fn follow(&self, leader: &Self) -> Result<()> {
        let port = leader.port()?;
        self.exec(format!(
            "change replication source to source_host = '127.0.0.1', source_port = {port}, \
             source_user = 'root', source_auto_position = 1, source_connect_retry = 1; \
             start replica"
        ))
        .await
    }

    /// Follows nobody any more, as a failover's tool leaves the new leader.
    pub async fn promote(&self) -> Result<()> {
        self.exec("stop replica; reset replica all").await
    }

    /// Until it has everything that `leader` has now.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn catch_up_with(&self, leader: &Self) -> Result<()> {
        let wanted: String = leader.value("select @@global.gtid_executed").await?;
        let wanted = wanted.replace('\n', "");
        let has_all = format!("select gtid_subset('{wanted}', @@global.gtid_executed)");
        eventually("the replica has everything", CATCH_UP, async || {
            Ok::<_, anyhow::Error>(self.value::<u64>(&has_all).await? == 1)
        })
        .await;
        Ok(())
    }
}
