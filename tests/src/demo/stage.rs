//! Servers → tables, topics, a ready relay and a listening consumer.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rowpost_servers::{command, process::ProcessId};
use tokio::{sync::mpsc, time::sleep};

use super::{
    DATABASE, Run, Servers,
    tail::{self, Arrived},
    text::{duration, say},
};
use crate::{KafkaBroker, MysqlServer, Random, Relay, http, outbox, relay::RelayConfig};

/// What is written one row at a time, and what under load: a topic each.
pub(super) const SINGLY: &str = "order";
pub(super) const UNDER_LOAD: &str = "payment";

pub(super) const PARTITIONS: i32 = 6;
const READY_LIMIT: Duration = Duration::from_secs(60);
const READY_POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Everything that the story plays on.
pub(super) struct Stage {
    pub(super) mysql: MysqlServer,
    pub(super) kafka: KafkaBroker,
    pub(super) relay: Relay,
    pub(super) arrivals: mpsc::Receiver<Arrived>,
    pub(super) random: Random,
    /// Load and cores, where other work had more of the machine than there was before we began.
    pub(super) busy: Option<(f64, usize)>,
}

impl Stage {
    pub(super) async fn set(run: &Run) -> Result<Self> {
        let busy = busy();
        let Servers { setup, mysql_url, kafka } = run.servers.clone();
        let mysql = MysqlServer::at(setup, mysql_url).await?;
        let kafka = KafkaBroker::at(kafka);
        outbox::create(&mysql, DATABASE).await?;
        outbox::create_account(&mysql, DATABASE).await?;
        let topics = [SINGLY, UNDER_LOAD].map(outbox::topic);
        for topic in &topics {
            kafka.create_topic(topic, PARTITIONS, &[]).await?;
        }
        let names = topics.each_ref().map(String::as_str);
        let consumer = tail::consumer(&kafka.client(), &names, PARTITIONS)?;
        let arrivals = tail::follow(tail::at_end(consumer).await?);

        let config = relay_config(&mysql, &kafka)?;
        let started = Instant::now();
        let relay = Relay::of_binary(run.relay.clone(), config)?;
        let ready = until_ready(&relay)?.await?;
        let (pid, took) = (pid(&relay)?, duration(ready.duration_since(started)));
        say(format!("relay is ready {took} after its start, pid {pid}"));
        let random = Random::new(uuid::Uuid::new_v4().as_u64_pair().0);
        Ok(Self { mysql, kafka, relay, arrivals, random, busy })
    }
}

/// What `rowpost run --mysql URL --kafka HOST:PORT` does: every table named `outbox`, all defaults.
/// The account is the least privileged one in `sql/`.
fn relay_config(mysql: &MysqlServer, kafka: &KafkaBroker) -> Result<RelayConfig> {
    let mut config = RelayConfig::new(mysql, kafka, DATABASE)?;
    config
        .remove("source")
        .remove("outbox")
        .set_text("mysql.url", &mysql.url_as("rowpost", "rowpost")?);
    Ok(config)
}

pub(super) fn pid(relay: &Relay) -> Result<i32> {
    Ok(relay.id().context("the relay has ended")?.pid)
}

/// The moment when `/readyz` says so, of the relay that runs now.
pub(super) fn until_ready(
    relay: &Relay,
) -> Result<impl Future<Output = Result<Instant>> + Send + 'static> {
    let id = relay.id().with_context(|| ended(relay))?;
    let (port, log) = (relay.http_port(), relay.log());
    Ok(async move {
        let started = Instant::now();
        loop {
            if http::get(port, "/readyz").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(Instant::now());
            }
            if !ProcessId::is_running(&id) {
                bail!("the relay has ended; {}", command::tail(&log));
            }
            if started.elapsed() > READY_LIMIT {
                bail!("the relay is not ready after {READY_LIMIT:?}; {}", command::tail(&log));
            }
            sleep(READY_POLL_INTERVAL).await;
        }
    })
}

/// SERVER: proc(5): the first field is the average number of runnable tasks over the last minute.
fn busy() -> Option<(f64, usize)> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = text.split_whitespace().next()?.parse().ok()?;
    let cores = thread::available_parallelism().ok()?.get();
    (load > f64::from(u32::try_from(cores).ok()?)).then_some((load, cores))
}

fn ended(relay: &Relay) -> String {
    format!("the relay has ended; {}", command::tail(&relay.log()))
}
