//! The relay is killed at random moments while some transactions are XA branches, of which some stay
//! prepared over a kill or two.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{Random, Relay, Setup, WriterOptions, Writers, needs};

use crate::stack::{LONG, Stack};

const KILLS: u32 = 8;
const LIFE_MAX_MS: u32 = 1_500;

async fn kills_lose_and_double_no_branch(setup: Setup) -> Result<()> {
    let stack = Stack::shared(setup, "xa_kills").await?;
    let mut random = Random::from_environment();
    let options = WriterOptions {
        writers: 6,
        rows_per_transaction: 20,
        rows_per_second: Some(1_500.0),
        xa_share: 0.5,
        rollback_share: 0.2,
        ..stack.writers()
    };
    let mut config = stack.config()?;
    // Some branches are larger than a chunk.
    config.set_text("mysql.start", "latest").set_text("limits.chunk_bytes_max", "8KiB");
    let mut relay = Relay::start(config).await?;
    relay.wait_ready(LONG).await;
    let writers = Writers::start(stack.mysql, &options, &mut random)?;
    let reader = stack.reader(writers.run())?;
    let mut held = 0;

    for _ in 0..KILLS {
        let life = Duration::from_millis(u64::from(random.below(LIFE_MAX_MS)));
        let (_, read) = tokio::join!(tokio::time::sleep(life), reader.read_to_end());
        read?;
        if let Ok(status) = relay.get("/api/status").await {
            let status: serde_json::Value = serde_json::from_str(&status.body)?;
            held += status["xa_branches"]["prepared"].as_u64().unwrap_or(0);
        }
        relay.kill9()?;
        reader.read_to_end().await?;
        relay.start_again()?;
    }

    let ledger = writers.stop().await?;
    reader.complete_within(LONG, &ledger).await?;
    eprintln!("{KILLS} kills, {} rows, {held} branches prepared at a kill", ledger.committed());
    assert!(held > 0, "no branch was prepared at a kill: this run proves nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_no_branch_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    kills_lose_and_double_no_branch(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_and_double_no_branch_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    kills_lose_and_double_no_branch(Setup::Reference).await
}
