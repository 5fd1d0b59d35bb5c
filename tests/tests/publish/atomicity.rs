//! Records and the checkpoint that covers them are visible together or not at all.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use rowpost_tests::{
    Random, needs,
    numbers::{Feed, Isolation, Pace},
    tier::Tier,
};

use crate::{instance::Instance, stage::Stage};

#[tokio::test]
async fn everything_is_published_once_and_the_checkpoint_covers_it() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let mut running = stage.start().await?;
    assert_eq!(running.resume, None);

    for start in (0..5_000).step_by(50) {
        running.send(stage.chunk(start, start + 50)).await;
    }
    let committed = running.committed(5_000).await;
    running.close().await?;

    assert_eq!(committed.records_total, 5_000);
    stage.seen(Isolation::ReadCommitted).await?.assert_once(5_000);
    assert_eq!(stage.checkpoint_number().await?, Some(5_000));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoint_is_never_ahead_of_the_records_nor_behind_them() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let mut running = stage.start().await?;
    let topic = Arc::from(stage.topic.as_str());
    let pace = Pace { end: 20_000, rate: 4_000, chunk_max: 20 };
    let feed = Feed { topic, pace, random: Random::from_environment() };
    let chunks = running.chunks.clone();
    let feeding = tokio::task::spawn_blocking(move || feed.run(0, &chunks));

    let mut samples = 0;
    while running.position() < 20_000 {
        let before = stage.checkpoint_number().await?.unwrap_or(0);
        let seen = stage.seen(Isolation::ReadCommitted).await?;
        let after = stage.checkpoint_number().await?.unwrap_or(0);

        // Each partition was read at another moment between the two checkpoints.
        let numbers = seen.numbers();
        let missing = (0..before).find(|number| numbers.binary_search(number).is_err());
        assert_eq!(missing, None, "the checkpoint {before} is ahead of the records");
        let ahead = numbers.last().filter(|number| **number >= after);
        assert_eq!(ahead, None, "the records are ahead of the checkpoint {after}");
        samples += u32::from(before < after);
    }
    feeding.await?;
    running.committed(20_000).await;
    running.close().await?;

    assert!(samples > 3, "only {samples} samples were taken while the publisher was at work");
    stage.seen(Isolation::ReadCommitted).await?.assert_once(20_000);
    Ok(())
}

/// What is left out here is sent and acknowledged, but its transaction is open when the process dies.
#[tokio::test(flavor = "multi_thread")]
async fn open_transaction_of_a_killed_publisher_is_aborted_by_the_next_fence() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let mut random = Random::from_environment();
    let options = stage.options(Pace { end: u64::MAX, rate: 0, chunk_max: 300 });

    for attempt in 1.. {
        let instance = Instance::start(&options, random.draw())?;
        let goal = stage.checkpoint_number().await.ok().flatten().unwrap_or(0) + 20_000;
        while instance.committed() < goal {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Right behind a commit the next transaction may not have reached the broker yet.
        tokio::time::sleep(Duration::from_millis(u64::from(random.below(30)))).await;
        instance.kill()?;
        let left_open = stage.seen(Isolation::ReadUncommitted).await?.numbers();

        let running = stage.start().await?;

        let resume = running.resume.as_ref().expect("a checkpoint").coordinates.position;
        stage.seen(Isolation::ReadCommitted).await?.assert_once(resume);
        running.close().await?;
        // The process may have died between two transactions; then the next one may not.
        if left_open.last().is_some_and(|last| *last >= resume) {
            break;
        }
        assert!(attempt < 20, "no transaction was open at any kill");
    }
    Ok(())
}
