//! Outbox tables that change, and binlogs without column names.

use anyhow::Result;
use rowpost::config::StartPolicy;
use rowpost_tests::{MysqlServer, Setup, needs, tier::Tier};

use crate::stage::Stage;

async fn table_may_change_between_rows(setup: Setup) -> Result<()> {
    let stage = Stage::new(MysqlServer::shared(setup).await?).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    for alter in [
        "add column before_all int first",
        "add column in_between varchar(10) after aggregatetype",
        "drop column before_all",
        "modify aggregateid varchar(100) character set latin1",
        "modify payload longtext",
        "add column e enum('a', 'b') not null after id",
    ] {
        writer.insert(&[10]).await?;
        // Without names in the binlog the columns are those of the moment of reading.
        reading.expect(&writer.committed).await?;
        writer.run(&format!("alter table outbox {alter}")).await?;
    }
    writer.insert(&[10]).await?;

    reading.expect(&writer.committed).await?;
    reading.stop().await
}

#[tokio::test]
async fn table_may_change_between_rows_with_full_metadata() -> Result<()> {
    needs!(Tier::Mysql9);
    table_may_change_between_rows(Setup::Current).await
}

#[tokio::test]
async fn table_may_change_between_rows_on_the_reference_flags() -> Result<()> {
    needs!(Tier::Mysql57);
    table_may_change_between_rows(Setup::Reference).await
}

#[tokio::test]
async fn rows_of_a_table_that_has_changed_since_are_read_with_full_metadata() -> Result<()> {
    needs!(Tier::Mysql9);
    let stage = Stage::new(MysqlServer::shared(Setup::Current).await?).await?;
    let start = stage.start(StartPolicy::Latest).await?;
    let mut writer = stage.writer().await?;

    writer.insert(&[10]).await?;
    writer.run("alter table outbox add column first_of_all int first").await?;
    writer.insert(&[10]).await?;
    writer.run("drop table outbox").await?;

    let mut reading = stage.read_from(start)?;
    reading.expect(&writer.committed).await?;
    reading.stop().await
}

#[tokio::test]
async fn columns_come_from_the_server_where_the_binlog_has_minimal_metadata() -> Result<()> {
    needs!(Tier::Mysql80);
    let mysql = MysqlServer::start_with(Setup::Mysql80, &["--binlog-row-metadata=MINIMAL"]).await?;
    let stage = Stage::new(&mysql).await?;
    let mut reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    writer.insert(&[10, 20]).await?;
    writer.run("create table unrelated (a int)").await?;
    writer.insert(&[30]).await?;

    reading.expect(&writer.committed).await?;
    reading.stop().await
}

#[tokio::test]
async fn table_that_is_gone_or_changed_halts_and_names_what_repairs_it() -> Result<()> {
    needs!(Tier::Mysql57);
    let mysql = MysqlServer::shared(Setup::Reference).await?;
    for (change, says) in [
        ("drop table outbox", "does not exist any more"),
        ("alter table outbox add column first_of_all int first", "is not what it was"),
    ] {
        let stage = Stage::new(mysql).await?;
        let start = stage.start(StartPolicy::Latest).await?;
        let mut writer = stage.writer().await?;
        writer.insert(&[10]).await?;
        writer.run(change).await?;

        let error = stage.read_from(start)?.error().await?;

        assert!(error.contains(says), "{error}");
        assert!(error.contains("binlog_row_metadata=FULL"), "{error}");
        assert!(error.contains(&format!("{}.outbox", stage.database)), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn table_without_a_configured_column_halts_and_names_it() -> Result<()> {
    needs!(Tier::Mysql9);
    let stage = Stage::new(MysqlServer::shared(Setup::Current).await?).await?;
    let reading = stage.read().await?;
    let mut writer = stage.writer().await?;

    writer.run("alter table outbox rename column aggregateid to aggregate_id").await?;
    writer.run("insert into outbox values (uuid(), 'order', 'k', 't', '{}', now())").await?;

    let error = reading.error().await?;
    assert!(error.contains("no column `aggregateid`"), "{error}");
    Ok(())
}
