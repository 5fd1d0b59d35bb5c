//! The harness on Docker: `cargo test -p rowpost-tests --features containers --test containers`.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{
    KafkaBroker, MysqlServer, Random, Setup, WriterOptions, Writers, eventually, outbox,
};

#[tokio::test(flavor = "multi_thread")]
async fn container_servers_take_rows_and_topics_and_survive_a_kill() -> Result<()> {
    let (mysql, kafka) =
        tokio::try_join!(MysqlServer::start(Setup::Current), KafkaBroker::shared())?;
    kafka.create_topic("containers", 1, &[]).await?;
    outbox::create(&mysql, "containers").await?;
    let options = WriterOptions::new("containers", "containers");
    let writers = Writers::start(&mysql, &options, &mut Random::from_environment())?;
    eventually("rows are committed", Duration::from_secs(60), async || writers.committed() > 100)
        .await;

    mysql.kill9().await?;
    mysql.start_again().await?;

    let before = writers.committed();
    eventually("rows are committed again", Duration::from_secs(60), async || {
        writers.committed() > before + 100
    })
    .await;
    let ledger = writers.stop().await?;
    let rows: u64 = mysql.value("select count(*) from containers.outbox").await?;
    assert_eq!(rows, ledger.committed());
    Ok(())
}
