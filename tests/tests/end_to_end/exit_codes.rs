//! Each way to end otherwise than asked: its exit code, and a message that names the repair. Those of
//! stopping are in `stopping`, those of logins in `security`; 70 is a fault of the relay itself, which
//! no server can provoke.

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;
use rowpost_servers::ports;
use rowpost_tests::{Relay, Setup, WriterOptions, needs, tier::Tier};

use crate::stack::{LONG, Stack, assert_says, halts};

/// Inserts one row by hand.
async fn insert(
    stack: &Stack<&'static rowpost_tests::MysqlServer>,
    aggregate_type: &str,
    payload: &str,
) -> Result<()> {
    let mut connection = stack.mysql.connect().await?;
    let statement = format!(
        "insert into `{}`.outbox (id, aggregatetype, aggregateid, type, payload) values \
         ('00000000-0000-0000-0000-000000000042', ?, 'k', 't', ?)",
        stack.database
    );
    Ok(connection.exec_drop(statement, (aggregate_type, payload)).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_that_cannot_be_used_is_64() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "exit_64").await?;
    let taken = Relay::start(stack.config()?).await?;
    taken.wait_ready(LONG).await;

    let mut config = stack.config()?;
    let address = format!("127.0.0.1:{}", taken.http_port());
    config.set_text("http.listen", &address);
    let (code, log) = halts(config).await?;

    assert_eq!(code, Some(64), "{log}");
    assert_says(&log, &["http.listen", &address, "choose a free address"]);
    let file = tempfile::tempdir()?.path().join("gone");
    let mut config = stack.config()?;
    config.set_text("mysql.tls.ca", &file.display().to_string());
    let (code, log) = halts(config).await?;
    assert_eq!(code, Some(64), "{log}");
    assert_says(&log, &["mysql.tls.ca", "is refused", "the path of a PEM file"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn row_that_cannot_be_published_is_65_at_every_start() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let large = format!("{{\"text\": \"{}\"}}", "x".repeat(1_200_000));
    for (name, kind, payload, parts) in [
        ("too_large", None, large.as_str(), ["message.max.bytes", "larger than allowed"]),
        ("bad_topic", Some("no topic!"), "{}", ["outbox.event.no topic!", "topic"]),
    ] {
        let stack = Stack::shared(Setup::Current, name).await?;
        insert(&stack, kind.unwrap_or(&stack.database), payload).await?;
        let config = stack.config()?;

        for _ in 0..2 {
            let (code, log) = halts(config.clone()).await?;

            assert_eq!(code, Some(65), "{log}");
            let place = ["00000000-0000-0000-0000-000000000042", "bin-log.0", "exit_code=65"];
            assert_says(&log, &[&place[..], &parts].concat());
            assert!(log.len() < 20_000, "the payload is not in the log");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_binlog_is_69_and_names_what_is_missing() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Mysql57, Tier::Kafka);
    for (setup, part) in [
        (Setup::Current, "the source has purged transactions that are not yet published"),
        (Setup::Reference, "what lies between is not published"),
    ] {
        let stack = Stack::start(setup, "purged").await?;
        let mut relay = Relay::start(stack.config()?).await?;
        relay.wait_ready(LONG).await;
        stack.rows_arrive(10).await?;
        relay.terminate(LONG).await?;
        let options = WriterOptions { rows_max: Some(10), ..stack.writers() };
        let mut random = rowpost_tests::Random::from_environment();
        rowpost_tests::Writers::start(&stack.mysql, &options, &mut random)?.finish().await?;
        stack.mysql.exec("flush logs").await?;
        let files: Vec<mysql_async::Row> =
            stack.mysql.connect().await?.query("show binary logs").await?;
        let newest: String = files[files.len() - 1].get(0).expect("a file's name");
        stack.mysql.exec(format!("purge binary logs to '{newest}'")).await?;

        relay.start_again()?;
        let status = relay.wait_exit(LONG).await?;

        assert_eq!(status.code(), Some(69));
        assert_says(&relay.log_text()?, &[part, "exit_code=69"]);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn account_without_privileges_is_69_and_names_the_grants() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "no_grants").await?;
    stack.mysql.create_account(&stack.database, "secret", "").await?;
    let mut config = stack.config()?;
    config.set_text("mysql.url", &stack.mysql.url_as(&stack.database, "secret")?);

    let (code, log) = halts(config).await?;

    assert_eq!(code, Some(69), "{log}");
    assert_says(
        &log,
        &[
            "the source is not fit to be read",
            "grant replication slave on *.*",
            "grant replication client on *.*",
        ],
    );
    Ok(())
}

/// One of two stays, also where nothing is written; the other says who has taken over and what to do.
#[tokio::test(flavor = "multi_thread")]
async fn second_relay_of_a_source_ends_one_of_them_with_69() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "twice").await?;
    let (mut first, mut second) =
        (Relay::start(stack.config()?).await?, Relay::start(stack.config()?).await?);

    let (status, is_first) = tokio::select! {
        status = first.wait_exit(LONG) => (status?, true),
        status = second.wait_exit(LONG) => (status?, false),
    };

    let (ended, other) = if is_first { (first, second) } else { (second, first) };
    let log = ended.log_text()?;
    assert_eq!(status.code(), Some(69), "{log}");
    let successor = other.id().context("the other one has ended too")?;
    let taken_over = format!("has taken over: process {} on host", successor.pid);
    assert_says(&log, &["another relay of source", &taken_over, "different `source` names"]);
    stack.rows_arrive(50).await
}

#[tokio::test(flavor = "multi_thread")]
async fn source_that_stays_away_is_75_once_there_is_a_limit() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let stack = Stack::shared(Setup::Current, "gave_up").await?;
    let mut config = stack.config()?;
    let nobody = format!("mysql://root@127.0.0.1:{}", ports::free()?);
    config.set_text("mysql.url", &nobody).set_text("limits.retry_time_max", "1s");

    let (code, log) = halts(config).await?;

    assert_eq!(code, Some(75), "{log}");
    assert_says(&log, &["limits.retry_time_max", "cannot connect to", "exit_code=75"]);
    Ok(())
}
