//! SIGKILL at random moments.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{
    Random, needs,
    numbers::{Isolation, Pace},
    tier::Tier,
};

use crate::{instance::Instance, stage::Stage};

const KILLS: u32 = 12;

#[tokio::test(flavor = "multi_thread")]
async fn publisher_killed_at_random_moments_loses_repeats_and_reorders_nothing() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let mut random = Random::from_environment();
    let end = 1_000_000;
    let options = stage.options(Pace { end, rate: 0, chunk_max: 200 });

    for _ in 0..KILLS {
        let instance = Instance::start(&options, random.draw())?;
        while instance.lives() == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // From just after the fence to well into the work.
        let moment = Duration::from_millis(u64::from(random.below(600)));
        tokio::time::sleep(moment).await;
        instance.kill()?;
    }
    let last = Instance::start(&options, random.draw())?;
    tokio::task::spawn_blocking(|| last.finish()).await??;

    stage.seen(Isolation::ReadCommitted).await?.assert_once(end);
    // The kills hit work in flight: without transactions a consumer would have seen it twice.
    let in_the_log = stage.seen(Isolation::ReadUncommitted).await?.verdict(end);
    assert!(in_the_log.duplicated > 0, "no kill hit a transaction in flight");
    Ok(())
}
