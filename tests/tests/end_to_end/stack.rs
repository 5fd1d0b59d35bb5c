//! What each of these tests begins with: a server with an outbox, a topic, the relay's settings.

use std::time::Duration;

use anyhow::{Context, Result};
use rowpost_tests::{
    KafkaBroker, MysqlServer, Relay, Setup, WriterOptions,
    ledger::{Isolation, Reader},
    outbox,
    relay::RelayConfig,
};

/// Longer than anything takes on a busy machine of two cores.
pub(crate) const LONG: Duration = Duration::from_secs(180);

pub(crate) const PARTITIONS: i32 = 6;

/// A database of the test's own, whose name is also the relay's `source` and the aggregate type.
pub(crate) struct Stack {
    pub(crate) mysql: MysqlServer,
    pub(crate) kafka: &'static KafkaBroker,
    pub(crate) database: String,
}

impl Stack {
    /// `name` must differ between the tests of a program: topics and checkpoints carry it.
    pub(crate) async fn start(setup: Setup, name: &str) -> Result<Self> {
        Self::start_with(setup, name, &[]).await
    }

    pub(crate) async fn start_with(setup: Setup, name: &str, arguments: &[&str]) -> Result<Self> {
        Self::start_on(KafkaBroker::shared().await?, setup, name, arguments).await
    }

    pub(crate) async fn start_on(
        kafka: &'static KafkaBroker,
        setup: Setup,
        name: &str,
        arguments: &[&str],
    ) -> Result<Self> {
        let mysql = MysqlServer::start_with(setup, arguments).await?;
        // Apart from other set-ups and other runs on the same broker.
        let database = format!("{name}_{setup:?}_{}", std::process::id()).to_lowercase();
        outbox::create(&mysql, &database).await?;
        kafka.create_topic(&outbox::topic(&database), PARTITIONS, &[]).await?;
        Ok(Self { mysql, kafka, database })
    }

    pub(crate) fn config(&self) -> Result<RelayConfig> {
        RelayConfig::new(&self.mysql, self.kafka, &self.database)
    }

    pub(crate) fn writers(&self) -> WriterOptions {
        WriterOptions::new(&self.database, &self.database)
    }

    pub(crate) fn topic(&self) -> String {
        outbox::topic(&self.database)
    }

    /// As a consumer sees it that reads committed records only.
    pub(crate) fn reader(&self, run: u64) -> Result<Reader> {
        self.reader_with(run, Isolation::ReadCommitted)
    }

    pub(crate) fn reader_with(&self, run: u64, isolation: Isolation) -> Result<Reader> {
        Reader::new(&self.kafka.client(), &self.topic(), run, isolation)
    }
}

/// What the relay itself says it has committed since it was started.
pub(crate) async fn records_committed(relay: &Relay) -> Result<u64> {
    let status = relay.get("/api/status").await?;
    let status: serde_json::Value = serde_json::from_str(&status.body)?;
    status["totals"]["records_committed"].as_u64().context("the status holds the count")
}
