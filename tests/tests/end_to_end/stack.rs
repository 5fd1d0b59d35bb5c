//! What each of these tests begins with: a server with an outbox, a topic, the relay's settings.

use std::{borrow::Borrow, time::Duration};

use anyhow::{Context, Result};
use rowpost_tests::{
    KafkaBroker, MysqlServer, Random, Relay, Setup, WriterOptions, Writers,
    ledger::{Isolation, Reader},
    outbox,
    relay::RelayConfig,
};

/// Longer than anything takes on a busy machine of two cores.
pub(crate) const LONG: Duration = Duration::from_secs(180);

pub(crate) const PARTITIONS: i32 = 6;

/// A database of the test's own, whose name is also the relay's `source` and the aggregate type. The
/// server is the test's own too, or one that others write to.
pub(crate) struct Stack<M = MysqlServer> {
    pub(crate) mysql: M,
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
        Self::on(MysqlServer::start_with(setup, arguments).await?, kafka, name).await
    }
}

impl Stack<&'static MysqlServer> {
    /// For a test that leaves the server as it is.
    pub(crate) async fn shared(setup: Setup, name: &str) -> Result<Self> {
        Self::on(MysqlServer::shared(setup).await?, KafkaBroker::shared().await?, name).await
    }
}

impl<M: Borrow<MysqlServer>> Stack<M> {
    pub(crate) async fn on(mysql: M, kafka: &'static KafkaBroker, name: &str) -> Result<Self> {
        let server: &MysqlServer = mysql.borrow();
        // Apart from other set-ups and other runs on the same broker.
        let database = format!("{name}_{:?}_{}", server.setup(), std::process::id()).to_lowercase();
        outbox::create(server, &database).await?;
        kafka.create_topic(&outbox::topic(&database), PARTITIONS, &[]).await?;
        Ok(Self { mysql, kafka, database })
    }

    pub(crate) fn config(&self) -> Result<RelayConfig> {
        RelayConfig::new(self.mysql.borrow(), self.kafka, &self.database)
    }

    pub(crate) fn writers(&self) -> WriterOptions {
        WriterOptions::new(&self.database, &self.database)
    }

    pub(crate) fn topic(&self) -> String {
        outbox::topic(&self.database)
    }

    /// As a consumer sees it that reads committed records only.
    pub(crate) fn reader(&self, run: u32) -> Result<Reader> {
        self.reader_with(run, Isolation::ReadCommitted)
    }

    pub(crate) fn reader_with(&self, run: u32, isolation: Isolation) -> Result<Reader> {
        Reader::new(&self.kafka.client(), &self.topic(), run, isolation)
    }

    /// Writes some rows and sees each of them published. Once for each stack: the topic must hold
    /// nothing else.
    pub(crate) async fn rows_arrive(&self, rows: u64) -> Result<()> {
        let options = WriterOptions { rows_max: Some(rows), ..self.writers() };
        let mut random = Random::from_environment();
        let writers = Writers::start(self.mysql.borrow(), &options, &mut random)?;
        let reader = self.reader(writers.run())?;
        let ledger = writers.finish().await?;
        reader.complete_within(LONG, &ledger).await
    }
}

/// What the relay itself says it has committed since it was started.
pub(crate) async fn records_committed(relay: &Relay) -> Result<u64> {
    let status = relay.status().await?;
    status["totals"]["records_committed"].as_u64().context("the status holds the count")
}

/// Starts a relay that cannot run; returns its exit code and all it said.
pub(crate) async fn halts(config: RelayConfig) -> Result<(Option<i32>, String)> {
    let mut relay = Relay::start(config).await?;
    let status = relay.wait_exit(LONG).await?;
    Ok((status.code(), relay.log_text()?))
}

/// # Panics
/// Naming what is missing.
#[track_caller]
pub(crate) fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }
}
