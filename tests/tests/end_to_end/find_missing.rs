//! `rowpost find` of events that consumers do not see: it says why.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::{
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use rowpost_tests::{KafkaBroker, Setup, command_line::rowpost_with, needs};
use serde_json::Value;

use crate::{
    case::Case,
    find::{find, find_one, find_text},
    replay::moment,
    stack::{LONG, assert_says},
};

async fn event_that_waits_says_by_how_much(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "find_waits").await?;
    let config = case.config()?;
    let mut session = case.session().await?;
    session.insert(1).await?;
    let first = session.ids[0].clone();
    let event = find_one(&config, &["--id", &first], (75, "no-relay")).await?;
    assert_eq!(event["behind"], Value::Null);

    let mut relay = case.relay().await?;
    relay.terminate(LONG).await?;
    session.insert_long(2_000).await?;
    let event = find_one(&config, &["--id", &session.ids[1]], (75, "waiting")).await?;
    assert_eq!(event["checkpoint_is_past"], false);
    assert!(event["behind"]["bytes"].as_u64() > Some(2_000), "{event:#}");
    assert!(event["behind"]["seconds"].as_i64().is_some_and(|s| (0..120).contains(&s)));
    let said = find_text(&config, &["--id", &session.ids[1]]).await?;
    assert_says(&said.stdout, &["WAITING", "not past it", "bytes of binlog"]);
    // `latest` was behind the first.
    let event = find_one(&config, &["--id", &first], (75, "gone")).await?;
    assert_eq!(event["loss"], "not-deleted");

    // The relay of another source publishes the same table.
    let mut other = config.clone();
    other
        .set_text("source", &format!("{}.other", case.database))
        .set_text("mysql.start", "earliest");
    let _other = case.relay_with(other.clone()).await?;
    case.records(2).await?;
    find_one(&config, &["--id", &session.ids[1]], (0, "published-by-another")).await?;
    find_one(&other, &["--id", &session.ids[1]], (0, "published")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_waits_says_by_how_much_on_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    event_that_waits_says_by_how_much(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_waits_says_by_how_much_on_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    event_that_waits_says_by_how_much(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_is_gone_says_how_it_went() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "find_gone").await?;
    let mut relay = case.relay().await?;
    let config = case.config()?;
    let mut session = case.session().await?;
    session.insert(1).await?;
    session.insert(1).await?;
    case.records(2).await?;
    let (first, second) = (session.ids[0].clone(), session.ids[1].clone());
    let event = find_one(&config, &["--id", &second], (0, "published")).await?;
    let offset = event["copies"][0]["offset"].as_i64().context("an offset")?;
    relay.terminate(LONG).await?;

    case.kafka.delete_records(&case.topic(), 0, offset).await?;
    let event = find_one(&config, &["--id", &first], (75, "gone")).await?;
    assert_eq!(event["loss"], "deleted");
    assert_eq!(event["partitions"][0]["earliest_offset"], offset);
    find_one(&config, &["--id", &second], (0, "published")).await?;

    // The relay was set past it.
    session.insert(1).await?;
    let set = rowpost_with(&config, &["position", "set", "latest", "--force", "--yes"]).await?;
    assert_eq!(set.code, Some(0), "{}", set.stderr);
    let event = find_one(&config, &["--id", &session.ids[2]], (75, "gone")).await?;
    assert_eq!(
        (&event["checkpoint_is_past"], &event["loss"]),
        (&true.into(), &"not-deleted".into())
    );

    case.kafka.delete_topic(&case.topic()).await?;
    rowpost_tests::eventually("the topic is gone", LONG, async || {
        let (_, report) = find(&config, &["--id", &second]).await?;
        anyhow::Ok(report["events"][0]["loss"] == "no-topic")
    })
    .await;
    Ok(())
}

fn send(producer: &BaseProducer, topic: &str, id: &str) -> Result<()> {
    let headers = OwnedHeaders::new().insert(Header { key: "id", value: Some(id) });
    let record = BaseRecord::to(topic).key("k").payload("{}").partition(0).headers(headers);
    producer.send(record).map_err(|(error, _)| error)?;
    Ok(producer.flush(LONG)?)
}

fn producer(kafka: &KafkaBroker, id: &str) -> Result<BaseProducer> {
    let mut client = kafka.client();
    let producer: BaseProducer = client.set("transactional.id", id).create()?;
    producer.init_transactions(LONG)?;
    producer.begin_transaction()?;
    Ok(producer)
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_only_aborted_or_open_transactions_hold_is_told_so() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "find_hidden").await?;
    let mut relay = case.relay().await?;
    relay.terminate(LONG).await?;
    let (config, topic) = (case.config()?, case.topic());
    let mut session = case.session().await?;
    session.insert(1).await?;
    let id = session.ids[0].clone();

    let (kafka, database) = (case.kafka, case.database.clone());
    let (to, about) = (topic.clone(), id.clone());
    let aborting = tokio::task::spawn_blocking(move || {
        let producer = producer(kafka, &database)?;
        send(&producer, &to, &about)?;
        producer.abort_transaction(LONG).map_err(anyhow::Error::from)
    });
    aborting.await??;
    let event = find_one(&config, &["--id", &id], (75, "aborted")).await?;
    assert_eq!(event["copies"][0]["visibility"], "aborted");
    assert_eq!(event["copies"].as_array().map(Vec::len), Some(1));

    // The relay's record stands behind the open transaction of somebody else.
    let database = format!("{}.hangs", case.database);
    let hanging = tokio::task::spawn_blocking(move || {
        let producer = producer(kafka, &database)?;
        send(&producer, &topic, "another")?;
        anyhow::Ok(producer)
    });
    let hanging = hanging.await??;
    relay.start_again()?;
    relay.wait_ready(LONG).await;
    rowpost_tests::eventually("the relay is past it", LONG, async || {
        let (_, report) = find(&config, &["--id", &id]).await?;
        anyhow::Ok(report["events"][0]["checkpoint_is_past"] == true)
    })
    .await;
    let event = find_one(&config, &["--id", &id], (75, "open")).await?;
    assert_eq!(event["copies"][1]["visibility"], "open", "{event:#}");
    tokio::task::spawn_blocking(move || hanging.abort_transaction(Duration::from_secs(60)))
        .await??;
    find_one(&config, &["--id", &id], (0, "published")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn event_that_is_not_in_the_binlog_says_where_was_searched() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "find_none").await?;
    let config = case.config()?;
    let mut session = case.session().await?;
    session.insert(1).await?;
    let rolled_back = session.id();
    session
        .run_all(&[
            "begin",
            &format!(
                "insert into outbox (id, aggregatetype, aggregateid, type, payload) values \
                 ('{rolled_back}', 'x', 'k', 't', '{{}}')"
            ),
            "rollback",
        ])
        .await?;
    session.run("create table no_outbox like outbox").await?;
    let elsewhere = session.id();
    let columns = "(id, aggregatetype, aggregateid, type, payload)";
    session
        .run(format!(
            "insert into no_outbox {columns} values ('{elsewhere}', 'x', 'k', 't', '{{}}')"
        ))
        .await?;
    let after = moment(&case, &session).await?;

    for id in [&rolled_back, &elsewhere] {
        let (code, report) = find(&config, &["--id", id]).await?;
        assert_eq!((code, report["events"].as_array().map(Vec::len)), (66, Some(0)), "{report:#}");
        assert_eq!(report["searched"]["is_from_oldest"], true);
        let table = format!("{}.outbox", case.database);
        assert_eq!(report["searched"]["outbox_tables"], serde_json::json!([table]));
        assert_eq!(report["searched"]["outbox_rows"][&table], 1, "{report:#}");
    }
    // It is there, but not where is searched.
    let limited = ["--id", &session.ids[0], "--from", &after.coordinates];
    let said = find_text(&config, &limited).await?;
    assert_eq!(said.code, Some(66), "{}", said.stdout);
    let from = format!("from {} to ", after.coordinates);
    assert_says(&said.stdout, &["NOT FOUND", "--from earliest", "rolled back", &from]);
    Ok(())
}
