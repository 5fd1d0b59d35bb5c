//! Leaving when asked to, and what is said while Kafka is away.

use std::time::{Duration, Instant};

use anyhow::Result;
use rowpost_servers::kafka::BrokerOptions;
use rowpost_tests::{
    KafkaBroker, Ledger, MysqlServer, Random, Relay, Setup, WriterOptions, Writers,
    command_line::rowpost,
    eventually,
    ledger::{Isolation, Reader},
    needs,
    tier::Tier,
};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::stack::{LONG, Stack, assert_says, records_committed};

/// What was read is committed, nothing of it is left open, and the next start goes on behind it.
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_commits_what_was_read_and_ends_with_0() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "drain").await?;
    let mut relay = Relay::start(stack.config()?).await?;
    relay.wait_ready(LONG).await;
    let options = WriterOptions { rows_per_transaction: 20, ..stack.writers() };
    let writers = Writers::start(stack.mysql, &options, &mut Random::from_environment())?;
    let reader = stack.reader(writers.run())?;
    let witness = stack.reader_with(writers.run(), Isolation::ReadUncommitted)?;

    for _ in 0..3 {
        eventually("records flow", LONG, async || {
            Ok::<_, anyhow::Error>(records_committed(&relay).await? > 500)
        })
        .await;
        let asked = Instant::now();
        let status = relay.terminate(LONG).await?;
        assert_eq!(status.code(), Some(0));
        assert!(asked.elapsed() < Duration::from_secs(10), "longer than limits.shutdown_grace");
        relay.start_again()?;
    }

    let ledger = writers.stop().await?;
    reader.complete_within(LONG, &ledger).await?;
    assert_says(&relay.log_text()?, &["stopped, everything that was read is committed"]);
    // A kill at the same load leaves copies behind (`kills`).
    witness.read_to_end().await?;
    assert_eq!(witness.duplicates(), 0, "records of open transactions were left behind");
    Ok(())
}

/// A broker that one test at a time sends away.
struct Leaving {
    kafka: &'static KafkaBroker,
    _alone: MutexGuard<'static, ()>,
}

async fn leaving() -> Result<Leaving> {
    static BROKER: OnceCell<KafkaBroker> = OnceCell::const_new();
    static ALONE: Mutex<()> = Mutex::const_new(());
    let alone = ALONE.lock().await;
    let start = || KafkaBroker::start_with(BrokerOptions::default());
    Ok(Leaving { kafka: BROKER.get_or_try_init(start).await?, _alone: alone })
}

/// A relay that publishes.
async fn publishing(
    leaving: &Leaving,
    name: &str,
    settings: &[(&str, &str)],
) -> Result<(Stack<&'static MysqlServer>, Relay)> {
    let mysql = MysqlServer::shared(Setup::Current).await?;
    let stack = Stack::on(mysql, leaving.kafka, name).await?;
    let mut config = stack.config()?;
    for (key, value) in settings {
        config.set_text(key, value);
    }
    // One partition too many, so that there is something to warn of.
    let checkpoint = format!("rowpost.{}.checkpoint", stack.database);
    leaving.kafka.create_topic(&checkpoint, 2, &[("cleanup.policy", "compact")]).await?;
    let relay = Relay::start(config).await?;
    relay.wait_ready(LONG).await;
    Ok((stack, relay))
}

/// Rows that the relay has read and cannot publish while the broker is away. The delivery's time-out
/// must be longer than the test looks: after it nothing is in flight.
async fn hold_rows_in_flight(
    stack: &Stack<&'static MysqlServer>,
    relay: &Relay,
) -> Result<(Ledger, Reader)> {
    let options = WriterOptions { rows_max: Some(1), ..stack.writers() };
    let writers = Writers::start(stack.mysql, &options, &mut Random::from_environment())?;
    let reader = stack.reader(writers.run())?;
    let ledger = writers.finish().await?;
    eventually("the rows are read", LONG, async || {
        let status = relay.status().await?;
        Ok::<_, anyhow::Error>(status["totals"]["outbox_rows_read"].as_u64() > Some(0))
    })
    .await;
    Ok((ledger, reader))
}

#[tokio::test(flavor = "multi_thread")]
async fn relay_says_that_kafka_is_away_and_repeats_no_advice_when_it_comes_back() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let leaving = leaving().await?;
    let (stack, relay) = publishing(
        &leaving,
        "away",
        &[
            ("publish.delivery_timeout", "2s"),
            ("checkpoint.interval", "500ms"),
            ("limits.retry_backoff_max", "500ms"),
            ("log.filter", "rowpost=debug,info"),
        ],
    )
    .await?;
    let url = format!("http://127.0.0.1:{}", relay.http_port());

    for _ in 0..2 {
        leaving.kafka.pause().await?;
        eventually("the relay says why it is not ready", LONG, async || {
            let ready = relay.get("/readyz").await?;
            Ok::<_, anyhow::Error>(ready.status == 503 && ready.body.contains("took longer than"))
        })
        .await;
        let said = rowpost(&["status", "--ready", "--url", &url]).await?;
        assert_eq!(said.code, Some(69), "{said:?}");
        assert_says(&said.stderr, &["not ready: "]);
        assert_eq!(relay.get("/healthz").await?.status, 200, "a restart would not help");
        leaving.kafka.resume().await?;
        relay.wait_ready(LONG).await;
    }
    stack.rows_arrive(10).await?;

    let log = relay.log_text()?;
    let count = |level: &str, what: &str| {
        log.lines().filter(|line| line.contains(level) && line.contains(what)).count()
    };
    assert!(count("INFO", "start found") >= 3, "there were attempts to repeat it in:\n{log}");
    assert_eq!(count("WARN", "name=\"connection\""), 1, "{log}");
    assert!(count("DEBUG", "name=\"connection\"") >= 2, "{log}");
    assert_eq!(count("WARN", "checkpoint topic has more than one partition"), 1, "{log}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn drain_that_takes_longer_than_the_grace_ends_with_75() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    const GRACE: (&str, &str) = ("limits.shutdown_grace", "500ms");
    let leaving = leaving().await?;
    let (stack, mut relay) = publishing(&leaving, "grace", &[GRACE]).await?;
    leaving.kafka.pause().await?;
    let (ledger, reader) = hold_rows_in_flight(&stack, &relay).await?;

    let status = relay.terminate(Duration::from_secs(10)).await?;

    leaving.kafka.resume().await?;
    assert_eq!(status.code(), Some(75));
    let parts = ["limits.shutdown_grace = 500ms", "resumes from the checkpoint", "exit_code=75"];
    assert_says(&relay.log_text()?, &parts);
    relay.start_again()?;
    reader.complete_within(LONG, &ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn second_sigterm_ends_at_once_with_75_and_loses_nothing() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    const GRACE: (&str, &str) = ("limits.shutdown_grace", "60s");
    let leaving = leaving().await?;
    let (stack, mut relay) = publishing(&leaving, "second", &[GRACE]).await?;
    leaving.kafka.pause().await?;
    let (ledger, reader) = hold_rows_in_flight(&stack, &relay).await?;

    relay.ask_to_stop()?;
    eventually("the relay drains", LONG, async || {
        Ok::<_, anyhow::Error>(relay.get("/readyz").await?.body.contains("draining"))
    })
    .await;
    let status = relay.terminate(Duration::from_secs(2)).await?;

    leaving.kafka.resume().await?;
    assert_eq!(status.code(), Some(75));
    assert_says(&relay.log_text()?, &["second signal, leaving at once"]);
    relay.start_again()?;
    reader.complete_within(LONG, &ledger).await
}
