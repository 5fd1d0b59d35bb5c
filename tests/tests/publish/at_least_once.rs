//! `delivery = "at-least-once"`: nothing is lost, order is kept, the checkpoint follows.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use rowpost::config::Delivery;
use rowpost_tests::{
    Random, eventually, needs,
    numbers::{Isolation, Pace},
    tier::Tier,
};

use crate::{instance::Instance, stage::Stage};

async fn stage() -> Result<Stage> {
    Ok(Stage { delivery: Delivery::AtLeastOnce, ..Stage::new().await? })
}

#[tokio::test]
async fn last_checkpoint_is_stored_before_the_end_and_covers_everything() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;
    let mut running = stage.start().await?;

    for start in (0..5_000).step_by(50) {
        running.send(stage.chunk(start, start + 50)).await;
    }
    let committed = running.committed(5_000).await;
    running.close().await?;

    assert_eq!(committed.records_total, 5_000);
    stage.seen(Isolation::ReadUncommitted).await?.assert_once(5_000);
    assert_eq!(stage.checkpoint_number().await?, Some(5_000));
    Ok(())
}

#[tokio::test]
async fn checkpoint_follows_while_nothing_more_comes() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;
    let mut running = stage.start().await?;
    running.send(stage.chunk(0, 10)).await;
    running.committed(10).await;

    eventually("the checkpoint is 10", Duration::from_secs(10), async || {
        anyhow::Ok(stage.checkpoint_number().await? == Some(10))
    })
    .await;

    running.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn publisher_killed_at_random_moments_loses_nothing_and_keeps_the_order() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;
    let mut random = Random::from_environment();
    let end = 600_000;
    let options = stage.options(Pace { end, rate: 0, chunk_max: 200 });

    for _ in 0..8 {
        let instance = Instance::start(&options, random.draw())?;
        while instance.lives() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(u64::from(random.below(400)))).await;
        instance.kill()?;
    }
    let last = Instance::start(&options, random.draw())?;
    tokio::task::spawn_blocking(|| last.finish()).await??;

    let seen = stage.seen(Isolation::ReadUncommitted).await?;
    let verdict = seen.verdict(end);
    assert_eq!((verdict.missing, verdict.unexpected), (0, 0), "{verdict}");
    assert_eq!(seen.first_arrivals_out_of_order(), BTreeMap::new());
    Ok(())
}
