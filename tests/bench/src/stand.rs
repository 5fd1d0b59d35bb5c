//! The test stand: real servers, relays on them, and topics that tell when the broker had a record.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rowpost_servers::{
    kafka::{self, BrokerOptions},
    process::ProcessId,
};
use rowpost_tests::{
    KafkaBroker, Ledger, MysqlServer, Reader, Relay, Setup,
    ledger::{Extent, Isolation},
    outbox,
    relay::RelayConfig,
};

use crate::{delivery::Delivery, processes::Watched, progress::Step};

/// Partitions of every outbox topic here.
pub(crate) const PARTITIONS: i32 = 6;
/// The column `aggregatetype` of every row here.
pub(crate) const AGGREGATE_TYPE: &str = "order";

const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(30);
const READ_LIMIT: Duration = Duration::from_secs(30);
const PUBLISH_LIMIT: Duration = Duration::from_secs(900);
/// The relay is asked this often how far it is; each answer costs it some 100 µs.
const ASK_INTERVAL: Duration = Duration::from_millis(200);

pub(crate) struct Stand {
    pub(crate) mysql: MysqlServer,
    pub(crate) kafka: KafkaBroker,
    /// Tells this process's names from those of others on servers that are not ours.
    run: u32,
    names: AtomicU32,
    settings: Vec<Setting>,
}

/// A key of the relay's configuration that is tried with another value: `key=value`, the value in TOML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    key: String,
    value: String,
}

impl FromStr for Setting {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, value) = text.split_once('=').ok_or("must be KEY=VALUE")?;
        Ok(Self { key: key.trim().to_owned(), value: value.trim().to_owned() })
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.value)
    }
}

/// Where one relay, or the ceiling, publishes to; nobody else does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The relay's `source`.
    pub(crate) source: String,
    pub(crate) topic: String,
}

impl Stand {
    pub(crate) async fn start(settings: &[Setting]) -> Result<Self> {
        let (mysql, kafka) = tokio::try_join!(
            MysqlServer::start(Setup::Current),
            KafkaBroker::start_with(BrokerOptions::default())
        )?;
        let (run, names) = (std::process::id(), AtomicU32::new(0));
        Ok(Self { mysql, kafka, run, names, settings: settings.to_vec() })
    }

    /// `MySQL 9.7.4, Kafka 4.3.1, librdkafka 2.12.1`.
    pub(crate) async fn versions(&self) -> Result<String> {
        let mysql: String = self.mysql.value("select @@version").await?;
        let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
        Ok(format!("MySQL {mysql}, Kafka {}, librdkafka {librdkafka}", kafka::VERSION))
    }

    fn name(&self, what: &str) -> String {
        let number = self.names.fetch_add(1, Ordering::Relaxed);
        format!("bench_{}_{number}_{what}", self.run)
    }

    /// A database of its own with an outbox table.
    pub(crate) async fn database(&self, what: &str) -> Result<String> {
        let database = self.name(what);
        outbox::create(&self.mysql, &database).await?;
        Ok(database)
    }

    /// Throws the rows away. The binlog keeps them until the server stops.
    pub(crate) async fn drop_database(&self, database: &str) -> Result<()> {
        self.mysql.exec(format!("drop database `{database}`")).await
    }

    /// An empty topic in which the broker, not the publisher, says when a record came.
    pub(crate) async fn target(&self, what: &str) -> Result<Target> {
        let source = self.name(what);
        let topic = format!("{source}.outbox");
        let settings = [("message.timestamp.type", "LogAppendTime")];
        self.kafka.create_topic(&topic, PARTITIONS, &settings).await?;
        Ok(Target { source, topic })
    }

    pub(crate) async fn delete(&self, target: &Target) -> Result<()> {
        self.kafka.delete_topic(&target.topic).await?;
        self.kafka.delete_topic(&target.checkpoint_topic()).await
    }

    /// The end of the binlog, as a relay's start.
    pub(crate) async fn position(&self) -> Result<String> {
        let gtid_set: String = self.mysql.value("select @@global.gtid_executed").await?;
        ensure!(!gtid_set.is_empty(), "the server has no GTIDs: start it with gtid_mode=ON");
        Ok(gtid_set.replace(['\n', ' '], ""))
    }

    /// Starts `rowpost run` on all defaults but names, start, delivery and what is tried.
    pub(crate) async fn relay(
        &self,
        database: &str,
        target: &Target,
        start: &str,
        delivery: Delivery,
    ) -> Result<Relay> {
        let mut config = RelayConfig::new(&self.mysql, &self.kafka, database)?;
        let (table, topic) = (format!("{database}.outbox"), &target.topic);
        config
            .set_text("source", &target.source)
            .set_text("mysql.start", start)
            .set_text("delivery", delivery.name())
            .set("outbox", format!("[{{ table = \"{table}\", topic = \"{topic}\" }}]"));
        for Setting { key, value } in &self.settings {
            config.set(key, value);
        }
        Relay::start(config).await
    }

    /// A relay that reads from now on, and is ready.
    pub(crate) async fn ready_relay(
        &self,
        database: &str,
        target: &Target,
        delivery: Delivery,
    ) -> Result<Relay> {
        let relay = self.relay(database, target, &self.position().await?, delivery).await?;
        relay.wait_ready(READY_LIMIT).await;
        Ok(relay)
    }

    /// Reads the whole topic under `read_committed` and holds it against the ledger.
    pub(crate) async fn prove(&self, target: &Target, ledger: &Ledger) -> Result<Extent> {
        let (client, started) = (self.kafka.client(), Instant::now());
        let reader = Reader::new(&client, &target.topic, ledger.run(), Isolation::ReadCommitted)?;
        // SERVER: a commit returns before its markers are in every partition; records behind a missing
        // marker cannot be read yet.
        while reader.read_to_end().await? < ledger.committed() && started.elapsed() < READ_LIMIT {
            tokio::time::sleep(ASK_INTERVAL).await;
        }
        let verdict = reader.verdict(ledger);
        ensure!(verdict.is_complete(), "{} is not what was written: {verdict}", target.topic);
        reader.extent().context("nothing was published")
    }

    /// Whose CPU time is measured while this process publishes.
    pub(crate) async fn watch(&self, publisher: ProcessId) -> Result<Watched> {
        let process = |pid: Option<i32>| ProcessId::of(u32::try_from(pid?).ok()?);
        let (broker, mysql) = (self.kafka.pid().await?, self.mysql.pid().await?);
        Ok(Watched { publisher, broker: process(broker), mysql: process(mysql) })
    }
}

impl Target {
    pub(crate) fn checkpoint_topic(&self) -> String {
        format!("rowpost.{}.checkpoint", self.source)
    }
}

/// Asks the relay to stop and waits until it has.
pub(crate) async fn stop(mut relay: Relay) -> Result<()> {
    let status = relay.terminate(STOP_LIMIT).await?;
    ensure!(
        status.success(),
        "the relay ended with {status}; its log is {}",
        relay.log().display()
    );
    Ok(())
}

/// Waits until the relay says that so many records are in committed Kafka transactions.
pub(crate) async fn acknowledged(relay: &Relay, records: u64, step: &Step) -> Result<()> {
    let started = Instant::now();
    loop {
        ensure!(relay.id().is_some(), "the relay has ended; its log is {}", relay.log().display());
        // Its HTTP endpoint comes up some time after the process.
        let done = metric(relay, "rowpost_records_acknowledged_total").await.unwrap_or(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count of records, far below 2^53"
        )]
        let done = done as u64;
        step.reach(done);
        if done >= records {
            return Ok(());
        }
        ensure!(
            started.elapsed() < PUBLISH_LIMIT,
            "{done} of {records} records are published after {PUBLISH_LIMIT:?}; the relay's log is {}",
            relay.log().display()
        );
        tokio::time::sleep(ASK_INTERVAL).await;
    }
}

/// The sum of a metric over all its labels.
pub(crate) async fn metric(relay: &Relay, name: &str) -> Result<f64> {
    let response = relay.get("/metrics").await?;
    ensure!(response.status == 200, "GET /metrics answers {}", response.status);
    sum(&response.body, name).with_context(|| format!("a value of {name} is no number"))
}

/// 0 where there is none: a counter with labels appears with its first value.
fn sum(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.starts_with(['{', ' ']).then(|| rest.rsplit(' ').next())?
    });
    values.map(|value| value.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_is_summed_over_its_labels_and_not_over_longer_names() {
        let metrics = "# TYPE rowpost_records counter\n\
             rowpost_records_total{topic=\"a b\"} 3\n\
             rowpost_records_total{topic=\"c\"} 4.5\n\
             rowpost_records_total_other 100\n\
             rowpost_up 1\n";

        assert_eq!(sum(metrics, "rowpost_records_total"), Some(7.5));
        assert_eq!(sum(metrics, "rowpost_up"), Some(1.0));
        assert_eq!(sum(metrics, "rowpost_absent"), Some(0.0));
        assert_eq!(sum("rowpost_up x\n", "rowpost_up"), None);
    }
}
