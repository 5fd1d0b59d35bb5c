//! The parts together: writers, a relay that is killed, and the ledger.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{
    KafkaBroker, MysqlServer, Random, Reader, Relay, Setup, WriterOptions, Writers, eventually,
    ledger::Isolation, needs, outbox, relay::RelayConfig, tier::Tier,
};

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn ledger_is_complete_after_the_relay_was_killed_under_load() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let mysql = MysqlServer::shared(Setup::Current).await?;
    let kafka = KafkaBroker::shared().await?;
    outbox::create(mysql, "harness_relay").await?;
    let topic = outbox::topic("harness-relay");
    kafka.create_topic(&topic, 3, &[]).await?;
    let options = WriterOptions {
        rows_per_second: Some(500.0),
        ..WriterOptions::new("harness_relay", "harness-relay")
    };
    let writers = Writers::start(mysql, &options, &mut Random::from_environment())?;
    let reader = Reader::new(&kafka.client(), &topic, writers.run(), Isolation::ReadCommitted)?;

    let mut relay = Relay::start(RelayConfig::new(mysql, kafka, "harness_relay")?).await?;
    relay.wait_ready(LIMIT).await;
    eventually("records arrive", LIMIT, async || Ok(reader.read_to_end().await? > 100)).await;
    relay.kill9()?;
    relay.start_again()?;
    let before = writers.committed();
    eventually("rows are committed", LIMIT, async || writers.committed() > before + 500).await;
    let ledger = writers.stop().await?;

    reader.complete_within(LIMIT, &ledger).await?;
    assert!(relay.resident_bytes()?.now > 0 && relay.cpu_seconds()? > 0.0);
    assert_eq!(relay.terminate(LIMIT).await?.code(), Some(0));
    Ok(())
}
