//! The relay is killed with SIGKILL at random moments while it has work in flight.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{
    Random, Relay, Setup, WriterOptions, Writers, eventually, ledger::Isolation, needs, tier::Tier,
};

use crate::stack::{LONG, Stack, records_committed};

const KILLS: u32 = 50;

/// Longest time between a start and its kill. A start takes some 60 to 1,500 ms, so kills fall into
/// the fence, the first transactions, and full flow.
const LIFE_MAX_MS: u32 = 2_500;

/// At a light load a relay that loses or doubles passes this test too: nothing is in flight when it
/// dies. So the rate is checked, and that uncommitted copies of records were left behind.
const ROWS_PER_SECOND_MIN: f64 = 5_000.0;

async fn fifty_kills_lose_double_and_reorder_nothing(setup: Setup) -> Result<()> {
    let stack = Stack::start(setup, "kills").await?;
    let mut random = Random::from_environment();
    let options = WriterOptions {
        writers: 4,
        rows_per_transaction: match setup {
            // Begins a new binlog file after every transaction, which takes it milliseconds.
            Setup::Reference => 100,
            Setup::Current | Setup::Mysql80 => 20,
        },
        rows_per_second: Some(ROWS_PER_SECOND_MIN * 1.3),
        ..stack.writers()
    };
    let mut relay = Relay::start(stack.config()?).await?;
    let writers = Writers::start(&stack.mysql, &options, &mut random)?;
    let reader = stack.reader(writers.run())?;
    let witness = stack.reader_with(writers.run(), Isolation::ReadUncommitted)?;
    let started = std::time::Instant::now();

    for _ in 0..KILLS {
        let life = Duration::from_millis(u64::from(random.below(LIFE_MAX_MS)));
        // A consumer looks on: what it is shown before the kill must not turn out as aborted.
        let (_, read) = tokio::join!(tokio::time::sleep(life), reader.read_to_end());
        read?;
        relay.kill9()?;
        reader.read_to_end().await?;
        relay.start_again()?;
    }

    let rate = writers.committed() as f64 / started.elapsed().as_secs_f64();
    let ledger = writers.stop().await?;
    reader.complete_within(LONG, &ledger).await?;
    witness.read_to_end().await?;
    eprintln!(
        "{KILLS} kills, {} rows at {rate:.0} rows/s, {} uncommitted copies left behind",
        ledger.committed(),
        witness.duplicates(),
    );
    assert!(rate >= ROWS_PER_SECOND_MIN, "the writers managed only {rate:.0} rows a second");
    assert!(witness.duplicates() > 0, "no kill hit work in flight: this run proves nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_double_and_reorder_nothing_on_the_current_server() -> Result<()> {
    needs!(Tier::Mysql9);
    fifty_kills_lose_double_and_reorder_nothing(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_double_and_reorder_nothing_on_the_reference_server() -> Result<()> {
    needs!(Tier::Mysql57);
    fifty_kills_lose_double_and_reorder_nothing(Setup::Reference).await
}

/// The other promise: a kill may repeat records, but it loses none.
#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_at_least_once() -> Result<()> {
    needs!(Tier::Mysql9);
    let stack = Stack::start(Setup::Current, "repeats").await?;
    let mut random = Random::from_environment();
    let mut config = stack.config()?;
    config.set_text("delivery", "at-least-once");
    let options = WriterOptions { rows_per_transaction: 20, ..stack.writers() };
    let mut relay = Relay::start(config).await?;
    let writers = Writers::start(&stack.mysql, &options, &mut random)?;
    let reader = stack.reader(writers.run())?;

    for _ in 0..5 {
        eventually("records flow", LONG, async || {
            Ok::<_, anyhow::Error>(records_committed(&relay).await? > 0)
        })
        .await;
        relay.kill9()?;
        relay.start_again()?;
    }

    let ledger = writers.stop().await?;
    eventually("all rows are published", LONG, async || {
        reader.read_to_end().await?;
        Ok::<_, anyhow::Error>(reader.verdict(&ledger).lost.count == 0)
    })
    .await;
    Ok(())
}
