//! Servers and connections fail while rows flow; the relay comes back by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;
use rowpost_tests::{
    KafkaBroker, MysqlServer, Random, Relay, Setup, Writers, eventually, ledger::Reader, needs,
    relay::RelayConfig, tier::Tier,
};

use crate::stack::{LONG, Stack, records_committed};

/// Rows flow through a relay; faults are between them.
struct Flow {
    stack: Stack,
    relay: Relay,
    writers: Writers,
    reader: Reader,
}

impl Flow {
    async fn start(stack: Stack) -> Result<Self> {
        let config = stack.config()?;
        Self::start_with(stack, config).await
    }

    async fn start_with(stack: Stack, config: RelayConfig) -> Result<Self> {
        let relay = Relay::start(config).await?;
        relay.wait_ready(LONG).await;
        let mut options = stack.writers();
        options.rows_per_second = Some(2_000.0);
        options.rows_per_transaction = 4;
        let writers = Writers::start(&stack.mysql, &options, &mut Random::from_environment())?;
        let reader = stack.reader(writers.run())?;
        let flow = Self { stack, relay, writers, reader };
        flow.more_arrives(LONG).await;
        Ok(flow)
    }

    /// The relay commits records, after those that it has committed now. A consumer looks on: what
    /// it is shown of Kafka transactions that fail must be nothing.
    async fn more_arrives(&self, limit: Duration) {
        let mut before = None;
        eventually("records flow", limit, async || {
            self.reader.read_to_end().await?;
            let records = records_committed(&self.relay).await?;
            Ok::<_, anyhow::Error>(*before.get_or_insert(records) < records)
        })
        .await;
    }

    /// Everything that was committed is published, each once, in order, by the relay that began.
    async fn ends_complete(self) -> Result<()> {
        let ledger = self.writers.stop().await?;
        self.reader.complete_within(LONG, &ledger).await?;
        assert!(self.relay.id().is_some(), "the relay recovers without being started again");
        Ok(())
    }
}

/// Ends the relay's stream as an operator would.
async fn kill_the_dump_thread(mysql: &MysqlServer) -> Result<()> {
    const DUMPS: &str =
        "select id from information_schema.processlist where command like 'Binlog Dump%'";
    let mut connection = mysql.connect().await?;
    let mut dumps: Vec<u64> = Vec::new();
    eventually("one relay has one dump thread", LONG, async || {
        dumps = connection.query(DUMPS).await?;
        Ok::<_, anyhow::Error>(dumps.len() == 1)
    })
    .await;
    for id in &dumps {
        connection.query_drop(format!("kill {id}")).await?;
    }
    Ok(())
}

async fn killed_dump_thread_is_replaced_at_once(setup: Setup) -> Result<()> {
    let flow = Flow::start(Stack::start(setup, "dump_kill").await?).await?;

    for _ in 0..5 {
        kill_the_dump_thread(&flow.stack.mysql).await?;
        let started = Instant::now();
        flow.more_arrives(LONG).await;
        eprintln!("records flow again after {:?}", started.elapsed());
    }

    flow.ends_complete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_dump_thread_is_replaced_at_once_on_the_current_server() -> Result<()> {
    needs!(Tier::Mysql9);
    killed_dump_thread_is_replaced_at_once(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_dump_thread_is_replaced_at_once_on_the_reference_server() -> Result<()> {
    needs!(Tier::Mysql57);
    killed_dump_thread_is_replaced_at_once(Setup::Reference).await
}

async fn source_crash_and_restart_lose_nothing(setup: Setup) -> Result<()> {
    let flow = Flow::start(Stack::start(setup, "source_crash").await?).await?;

    flow.stack.mysql.kill9().await?;
    flow.stack.mysql.start_again().await?;
    flow.more_arrives(LONG).await;
    flow.stack.mysql.restart().await?;
    flow.more_arrives(LONG).await;

    flow.ends_complete().await
}

#[tokio::test(flavor = "multi_thread")]
async fn source_crash_and_restart_lose_nothing_on_the_current_server() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kill);
    source_crash_and_restart_lose_nothing(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn source_crash_and_restart_lose_nothing_on_the_reference_server() -> Result<()> {
    needs!(Tier::Mysql57, Tier::Kill);
    source_crash_and_restart_lose_nothing(Setup::Reference).await
}

/// A stopped server is what a half-open connection looks like: no byte, no end.
#[tokio::test(flavor = "multi_thread")]
async fn silent_source_is_noticed_and_come_back_to() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kill);
    let flow = Flow::start(Stack::start(Setup::Current, "silence").await?).await?;

    flow.stack.mysql.pause().await?;
    eventually("the relay says that the source is lost", LONG, async || {
        Ok::<_, anyhow::Error>(flow.relay.get("/readyz").await?.status == 503)
    })
    .await;
    flow.stack.mysql.resume().await?;
    flow.more_arrives(LONG).await;

    flow.ends_complete().await
}

/// A stack whose broker may be killed.
async fn with_a_broker_of_its_own(name: &str) -> Result<Stack> {
    let broker: &'static KafkaBroker = Box::leak(Box::new(KafkaBroker::start_killable().await?));
    Stack::start_on(broker, Setup::Current, name, &[]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn broker_crash_and_restart_lose_nothing() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka, Tier::Kill);
    let flow = Flow::start(with_a_broker_of_its_own("broker_crash").await?).await?;

    flow.stack.kafka.kill9().await?;
    flow.stack.kafka.start_again().await?;
    flow.more_arrives(LONG).await;

    flow.ends_complete().await
}

/// Longer than Kafka lets the transaction be open, and than the relay waits for an acknowledgement:
/// the broker has given up the transaction, and the relay begins anew from its checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn broker_that_stands_still_for_long_loses_nothing() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka, Tier::Kill);
    let stack = with_a_broker_of_its_own("broker_pause").await?;
    let mut config = stack.config()?;
    config.set_text("publish.transaction_timeout", "3s");
    config.set_text("publish.delivery_timeout", "6s");
    let flow = Flow::start_with(stack, config).await?;

    for _ in 0..2 {
        flow.stack.kafka.pause().await?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        flow.stack.kafka.resume().await?;
        flow.more_arrives(LONG).await;
    }

    flow.ends_complete().await
}

/// Without what it needs at its start the relay waits, and says for what.
#[tokio::test(flavor = "multi_thread")]
async fn relay_waits_for_a_source_that_is_not_there_yet() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kill);
    let stack = Stack::start(Setup::Current, "late_source").await?;
    stack.mysql.stop().await?;
    let relay = Relay::start(stack.config()?).await?;

    eventually("the relay answers that it is not ready", LONG, async || {
        let ready = relay.get("/readyz").await?;
        Ok::<_, anyhow::Error>(ready.status == 503)
    })
    .await;
    relay.id().context("the relay does not give up")?;
    stack.mysql.start_again().await?;

    relay.wait_ready(LONG).await;
    Ok(())
}
