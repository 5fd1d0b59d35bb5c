//! The broker goes away while it is published to.

use std::time::Duration;

use anyhow::Result;
use rowpost::error::Disposition;
use rowpost_tests::{
    KafkaBroker, Random, eventually, needs,
    numbers::{Isolation, Pace},
    tier::Tier,
};

use crate::{
    instance::Instance,
    stage::{DEADLINE, Stage},
};

#[tokio::test(flavor = "multi_thread")]
async fn broker_killed_twice_during_publish_loses_repeats_and_reorders_nothing() -> Result<()> {
    needs!(Tier::Kafka, Tier::Kill);
    let broker = KafkaBroker::start_killable().await?;
    let stage = Stage::on(&broker).await?;
    let mut random = Random::from_environment();
    let end = 600_000;
    let options = stage.options(Pace { end, rate: 20_000, chunk_max: 100 });

    let instance = Instance::start(&options, random.draw())?;
    for kill in 1..=2 {
        eventually("a share is published", DEADLINE, async || {
            instance.committed() > kill * 100_000
        })
        .await;
        broker.kill9().await?;
        broker.start_again().await?;
    }
    tokio::task::spawn_blocking(|| instance.finish()).await??;

    stage.seen(Isolation::ReadCommitted).await?.assert_once(end);
    Ok(())
}

/// As a network that swallows every packet for longer than a transaction may be open.
#[tokio::test(flavor = "multi_thread")]
async fn silent_broker_ends_the_publisher_and_the_next_one_goes_on() -> Result<()> {
    needs!(Tier::Kafka, Tier::Kill);
    let broker = KafkaBroker::start_killable().await?;
    let mut stage = Stage::on(&broker).await?;
    stage.publish.transaction_timeout = Duration::from_secs(2);
    stage.publish.delivery_timeout = Duration::from_secs(5);
    let mut running = stage.start().await?;
    running.send(stage.chunk(0, 100)).await;
    running.committed(100).await;

    broker.pause().await?;
    running.send(stage.chunk(100, 200)).await;
    let error = running.end().await.unwrap_err();
    broker.resume().await?;

    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    let mut running = stage.start().await?;
    let resume = running.resume.as_ref().expect("a checkpoint").coordinates.position;
    running.send(stage.chunk(resume, 300)).await;
    running.committed(300).await;
    running.close().await?;
    stage.seen(Isolation::ReadCommitted).await?.assert_once(300);
    Ok(())
}
