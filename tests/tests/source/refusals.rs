//! What halts, and what it says.

use anyhow::Result;
use rowpost::{
    config::StartPolicy,
    position::BinlogCoordinates,
    source::{SourceError, start::StartError},
};
use rowpost_tests::{MysqlServer, Setup, needs, tier::Tier};
use serde_json::json;

use crate::stage::Stage;

#[tokio::test]
async fn purged_binlog_halts_and_names_what_is_missing() -> Result<()> {
    for (tier, setup) in [(Tier::Mysql9, Setup::Current), (Tier::Mysql57, Setup::Reference)] {
        needs!(tier);
        let mysql = MysqlServer::start(setup).await?;
        let stage = Stage::new(&mysql).await?;
        let start = stage.start(StartPolicy::Latest).await?;
        let mut writer = stage.writer().await?;
        writer.insert(&[10]).await?;
        writer.run("flush binary logs").await?;
        let end = stage.start(StartPolicy::Latest).await?;
        writer.run(&format!("purge binary logs to '{}'", end.coordinates.file)).await?;

        let ended = stage.read_from(start.clone())?.ended().await?;

        match ended {
            Err(SourceError::Start(StartError::GtidsPurged { missing })) => {
                assert_eq!(missing.count(), 1);
            }
            Err(SourceError::Start(StartError::FilePurged { wanted, .. })) => {
                assert_eq!(wanted, start.coordinates);
            }
            other => panic!("{other:?}"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn another_server_without_gtids_is_refused() -> Result<()> {
    needs!(Tier::Mysql57);
    let (one, two) =
        (MysqlServer::start(Setup::Reference).await?, MysqlServer::start(Setup::Reference).await?);
    let start = Stage::new(&one).await?.start(StartPolicy::Latest).await?;

    let ended = Stage::new(&two).await?.read_from(start)?.ended().await?;

    assert!(matches!(ended, Err(SourceError::Start(StartError::OtherServer { .. }))), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn position_inside_a_transaction_halts() -> Result<()> {
    needs!(Tier::Mysql57);
    // What stands behind the end must be this test's.
    let mysql = MysqlServer::start(Setup::Reference).await?;
    let stage = Stage::new(&mysql).await?;
    let mut start = stage.start(StartPolicy::Latest).await?;
    let mut writer = stage.writer().await?;
    writer.insert(&[10]).await?;

    // Behind the GTID event and BEGIN.
    let BinlogCoordinates { file, position } = &start.coordinates;
    let show = format!("show binlog events in '{file}' from {position} limit 2, 1");
    let event: mysql_async::Row = stage.mysql.value(&show).await?;
    start.coordinates.position = event.get("Pos").expect("events have positions");
    let error = stage.read_from(start)?.error().await?;

    assert!(error.contains("lies inside a transaction"), "{error}");
    Ok(())
}

#[tokio::test]
async fn wrong_password_halts_and_an_absent_server_is_waited_for() -> Result<()> {
    needs!(Tier::Mysql9);
    let mysql = MysqlServer::shared(Setup::Current).await?;
    let mut stage = Stage::new(mysql).await?;
    let start = stage.start(StartPolicy::Latest).await?;

    stage.set("/mysql/url", json!(mysql.url_as("nobody", "wrong")?));
    let error = stage.read_from(start.clone())?.error().await?;
    assert!(error.contains("Access denied"), "{error}");
    assert!(error.contains("mysql.password_file"), "{error}");

    stage.set("/mysql/url", json!("mysql://root@127.0.0.1:1"));
    let reading = stage.read_from(start)?;
    rowpost_tests::eventually("it tries again and again", crate::stage::DEADLINE, async || {
        reading.retries() > 3
    })
    .await;
    reading.stop().await
}
