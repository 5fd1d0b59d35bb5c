//! Rows in, records out.

use anyhow::Result;
use rowpost_tests::{Random, Relay, Setup, WriterOptions, Writers, needs};

use crate::stack::{LONG, Stack};

async fn committed_rows_are_published_once_in_order(setup: Setup) -> Result<()> {
    let stack = Stack::start(setup, "publishing").await?;
    let relay = Relay::start(stack.config()?).await?;
    relay.wait_ready(LONG).await;
    let options = WriterOptions {
        rows_per_transaction: 3,
        rollback_share: 0.2,
        rows_max: Some(20_000),
        ..stack.writers()
    };

    let writers = Writers::start(&stack.mysql, &options, &mut Random::from_environment())?;
    let reader = stack.reader(writers.run())?;
    let ledger = writers.finish().await?;

    assert!(ledger.rolled_back() > 1_000, "the rollbacks are part of the test");
    reader.complete_within(LONG, &ledger).await
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_rows_are_published_once_in_order_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    committed_rows_are_published_once_in_order(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_rows_are_published_once_in_order_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    committed_rows_are_published_once_in_order(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn committed_rows_are_published_once_in_order_from_mysql_80() -> Result<()> {
    needs!(Setup::Mysql80.tier());
    committed_rows_are_published_once_in_order(Setup::Mysql80).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_written_before_the_first_start_are_published() -> Result<()> {
    needs!(Setup::Reference.tier());
    let stack = Stack::start(Setup::Reference, "earliest").await?;
    let options = WriterOptions { rows_max: Some(2_000), ..stack.writers() };
    let writers = Writers::start(&stack.mysql, &options, &mut Random::from_environment())?;
    let reader = stack.reader(writers.run())?;
    let ledger = writers.finish().await?;

    let relay = Relay::start(stack.config()?).await?;

    relay.wait_ready(LONG).await;
    reader.complete_within(LONG, &ledger).await
}
