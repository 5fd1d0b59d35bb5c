//! The outbox table was altered between the write and the replay.

use std::time::Duration;

use anyhow::Result;
use rowpost_tests::{Setup, needs};

use crate::{
    case::Case,
    consumer,
    replay::{assert_replayed, copy_of_binlogs, moment, replay, replay_well},
};

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_the_time_of_writing_count_whatever_became_of_the_table() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "replay_schema").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;
    let begin = moment(&case, &session).await?;
    for alteration in [
        "add column first_of_all int not null default 7 first",
        "modify type varchar(255) character set utf8mb4 collate utf8mb4_bin not null after id",
        "drop column created_at",
    ] {
        session.insert(3).await?;
        case.records(session.ids.len()).await?;
        session.run(format!("alter table outbox {alteration}")).await?;
    }
    session.insert(3).await?;
    let originals = case.records(session.ids.len()).await?;
    let end = moment(&case, &session).await?;
    session.run("drop table outbox").await?;
    let (config, mut serverless) = (case.config()?, case.config()?);
    serverless.remove("mysql.url");
    let folder = copy_of_binlogs(&case).await?;
    let path = folder.path().to_string_lossy();
    let range = ["--from", &begin.coordinates, "--until", &end.coordinates];

    for (name, config, files) in
        [("server", &config, &[][..]), ("files", &serverless, &["--binlog-dir", &path])]
    {
        let prefix = format!("{name}.");
        let topic = format!("{prefix}{}", case.topic());
        case.create_topic(&topic, 1).await?;
        let named = ["--name", name, "--to-topic-prefix", &prefix];

        replay_well(config, &[&range[..], files, &named].concat()).await?;

        assert_replayed(&consumer::read_now(case.kafka, &topic).await?, &originals, name);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_names_in_the_binlog_an_altered_table_is_refused() -> Result<()> {
    needs!(Setup::Reference.tier());
    let case = Case::shared(Setup::Reference, "replay_altered").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;
    let begin = moment(&case, &session).await?;
    session.insert(3).await?;
    let originals = case.records(3).await?;
    let end = moment(&case, &session).await?;
    let config = case.config()?;
    let topic = format!("again.{}", case.topic());
    case.create_topic(&topic, 1).await?;
    let range = ["--from", &begin.coordinates, "--until", &end.coordinates];
    let to = ["--to-topic-prefix", "again."];
    tokio::time::sleep(Duration::from_millis(1100)).await;
    session.run("alter table outbox add index by_type (type)").await?;

    let said = replay(&config, &[&range[..], &to, &["--name", "altered"]].concat()).await?;
    assert_eq!(said.code, Some(69), "{}", said.stderr);
    assert!(said.stderr.contains("was altered at"), "{}", said.stderr);
    assert!(said.stderr.contains("--trust-present-columns"), "{}", said.stderr);

    let folder = copy_of_binlogs(&case).await?;
    let path = folder.path().to_string_lossy();
    let mut serverless = config.clone();
    serverless.remove("mysql.url");
    let files = ["--binlog-dir", &path, "--name", "nameless"];
    let said = replay(&serverless, &[&range[..], &to, &files].concat()).await?;
    assert_eq!(said.code, Some(69), "{}", said.stderr);
    assert!(said.stderr.contains("the binlog carries no names"), "{}", said.stderr);
    assert!(consumer::read_now(case.kafka, &topic).await?.is_empty());

    let trusting = ["--resume", "--name", "altered", "--trust-present-columns"];
    replay_well(&config, &trusting).await?;
    assert_replayed(&consumer::read_now(case.kafka, &topic).await?, &originals, "altered");
    Ok(())
}

/// On current servers too, where `binlog_row_metadata` is MINIMAL: every kind of alteration shows.
#[tokio::test(flavor = "multi_thread")]
async fn every_alteration_shows_in_what_a_server_says_of_its_tables() -> Result<()> {
    for setup in Setup::ALL {
        needs!(setup.tier());
        let case = Case::shared(setup, "replay_created").await?;
        let mut session = case.session().await?;
        for alteration in [
            "add column last_of_all int",
            "rename column last_of_all to other_name",
            "modify type varchar(255) character set utf8mb4 collate utf8mb4_bin not null after id",
            "drop column other_name",
        ] {
            let alteration = match setup {
                Setup::Reference => alteration.replace(
                    "rename column last_of_all to other_name",
                    "change last_of_all other_name int",
                ),
                Setup::Current | Setup::Mysql80 => alteration.to_owned(),
            };
            let created = format!(
                "select unix_timestamp(create_time) from information_schema.tables \
                 where table_schema = '{}' and table_name = 'outbox'",
                case.database
            );
            let before: u64 = case.mysql.value(&created).await?;
            tokio::time::sleep(Duration::from_millis(1100)).await;
            session.run(format!("alter table outbox {alteration}")).await?;
            let after: u64 = case.mysql.value(&created).await?;
            assert!(after > before, "{setup:?}: {alteration} does not show");
        }
    }
    Ok(())
}
