//! One writer per source: who fences last writes, everyone else finds out and writes nothing.

use std::{num::NonZeroUsize, time::Duration};

use anyhow::Result;
use rowpost::{
    checkpoint::Writer,
    error::Disposition,
    publish::{PublishError, Tenure},
};
use rowpost_tests::{
    Random, needs,
    numbers::{Isolation, Pace},
    tier::Tier,
};

use crate::{instance::Instance, stage::Stage, witness::Witness};

#[tokio::test]
async fn older_publisher_is_fenced_and_commits_nothing_more() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let mut older = stage.start().await?;
    older.send(stage.chunk(0, 10)).await;
    older.committed(10).await;

    let mut newer = stage.start().await?;
    let told = older.watched.clone();
    older.send(stage.chunk(10, 20)).await;
    let error = older.end().await.unwrap_err();

    assert!(matches!(error, PublishError::Fenced { .. }), "{error}");
    assert_eq!(told.borrow().position.coordinates.position, 10, "it told of a commit that failed");
    assert_eq!(error.disposition(), Disposition::Retry);
    assert_eq!(newer.resume.as_ref().map(|resume| resume.coordinates.position), Some(10));
    newer.send(stage.chunk(10, 30)).await;
    newer.committed(30).await;
    newer.close().await?;
    stage.seen(Isolation::ReadCommitted).await?.assert_once(30);
    Ok(())
}

/// Coming back would fence the newer one, which would come back and fence this one.
#[tokio::test]
async fn relay_that_was_replaced_does_not_come_back_and_says_by_whom() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let (older, newer) = (Writer::here(), Writer::here());
    let mut older = Tenure::new(older);
    let replaced = stage.start_as(&mut older).await?;
    let mut running = stage.start_as(&mut Tenure::new(newer.clone())).await?;
    running.send(stage.chunk(0, 10)).await;
    running.committed(10).await;
    replaced.send(stage.chunk(0, 10)).await;
    assert!(matches!(replaced.end().await, Err(PublishError::Fenced { .. })));

    let error = stage.start_as(&mut older).await.err();

    assert!(
        matches!(&error, Some(PublishError::AnotherRelay { writer, .. }) if **writer == newer),
        "{error:?}"
    );
    running.send(stage.chunk(10, 20)).await;
    running.close().await?;
    stage.seen(Isolation::ReadCommitted).await?.assert_once(20);
    Ok(())
}

/// The other one died before it got to publish, or nobody else was there: the broker aborted a
/// transaction that was open for too long, and says the same.
#[tokio::test(flavor = "multi_thread")]
async fn relay_that_was_fenced_by_nobody_known_comes_back() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let mut tenure = Tenure::new(Writer::here());
    let mut running = stage.start_as(&mut tenure).await?;
    running.send(stage.chunk(0, 10)).await;
    running.committed(10).await;
    let fencing: Vec<_> = (0..2).map(|slot| Witness::start(&stage, slot)).collect::<Result<_>>()?;
    running.send(stage.chunk(10, 20)).await;
    assert!(matches!(running.end().await, Err(PublishError::Fenced { .. })));
    tenure.fenced();

    let mut running = stage.start_as(&mut tenure).await?;

    drop(fencing);
    running.send(stage.chunk(10, 20)).await;
    running.committed(20).await;
    running.close().await?;
    stage.seen(Isolation::ReadCommitted).await?.assert_once(20);
    Ok(())
}

/// The older one's next transaction is on its second id, which the newer one does not use.
#[tokio::test]
async fn publisher_with_one_slot_fences_the_second_slot_of_an_older_one() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = Stage::new().await?;
    let mut older = stage.start().await?;
    // The first start's checkpoint went through slot 0, this goes through slot 1, the next through 0.
    older.send(stage.chunk(0, 10)).await;
    older.committed(10).await;
    older.send(stage.chunk(10, 20)).await;
    older.committed(20).await;

    stage.publish.slots = NonZeroUsize::MIN;
    let newer = stage.start().await?;
    older.send(stage.chunk(20, 30)).await;
    let error = older.end().await.unwrap_err();

    assert!(matches!(error, PublishError::Fenced { .. }), "{error}");
    newer.close().await?;
    stage.seen(Isolation::ReadCommitted).await?.assert_once(20);
    Ok(())
}

/// The abort of an open transaction keeps `init_transactions` of the first id busy for half a second:
/// only then may the second id be fenced. At the same time or the other way round, two relays that
/// start together could own one id each.
#[tokio::test(flavor = "multi_thread")]
async fn second_id_is_fenced_only_after_the_first_one() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let older: Vec<_> = (0..2).map(|slot| Witness::start(&stage, slot)).collect::<Result<_>>()?;

    let newer = stage.start().await?;

    let mut fenced_at = Vec::new();
    for witness in older {
        fenced_at.push(tokio::task::spawn_blocking(|| witness.fenced_at()).await?);
    }
    let between = fenced_at[1].saturating_duration_since(fenced_at[0]);
    assert!(between > Duration::from_millis(250), "{between:?}");
    newer.close().await?;
    Ok(())
}

#[tokio::test]
async fn idle_publisher_that_was_fenced_publishes_nothing_when_records_come() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let older = stage.start().await?;

    let newer = stage.start().await?;
    older.send(stage.chunk(0, 10)).await;

    let error = older.end().await.unwrap_err();
    assert!(matches!(error, PublishError::Fenced { .. }), "{error}");
    newer.close().await?;
    assert_eq!(stage.seen(Isolation::ReadCommitted).await?.count(), 0);
    Ok(())
}

/// Fenced in parallel or in another order, two of them could each own one id and both publish.
#[tokio::test(flavor = "multi_thread")]
async fn three_competing_publishers_neither_lose_nor_repeat_nor_reorder() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let mut random = Random::from_environment();
    let end = 400_000;
    let options = stage.options(Pace { end, rate: 0, chunk_max: 100 });

    let rivals: Vec<_> =
        (0..3).map(|_| Instance::start(&options, random.draw())).collect::<Result<_>>()?;
    tokio::time::sleep(Duration::from_secs(20)).await;
    let lives: u64 = rivals.iter().map(Instance::lives).sum();
    for rival in rivals {
        rival.kill()?;
    }
    let last = Instance::start(&options, random.draw())?;
    tokio::task::spawn_blocking(|| last.finish()).await??;

    assert!(lives > 8, "they hardly met: {lives} lives");
    stage.seen(Isolation::ReadCommitted).await?.assert_once(end);
    Ok(())
}
