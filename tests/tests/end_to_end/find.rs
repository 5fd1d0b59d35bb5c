//! `rowpost find` of events that are in Kafka: what it says is where the record is.

use anyhow::{Context, Result};
use rowpost_tests::{
    KafkaBroker, Relay, Setup,
    command_line::{Said, rowpost_with},
    needs, outbox,
    relay::RelayConfig,
    tier::Tier,
};
use serde_json::Value;

use crate::{
    case::{Case, Session},
    consumer,
    replay::{copy_of_binlogs, moment, replay_well},
    stack::{LONG, assert_says},
};

pub(crate) async fn find_text(config: &RelayConfig, arguments: &[&str]) -> Result<Said> {
    rowpost_with(config, &[&["find"], arguments].concat()).await
}

/// The report, and the exit code that came with it.
pub(crate) async fn find(config: &RelayConfig, arguments: &[&str]) -> Result<(i32, Value)> {
    let said = find_text(config, &[arguments, &["--json"]].concat()).await?;
    let report =
        serde_json::from_str(&said.stdout).with_context(|| format!("no JSON: {said:?}"))?;
    Ok((said.code.context("it ended by itself")?, report))
}

/// The only event of a report.
pub(crate) async fn find_one(
    config: &RelayConfig,
    arguments: &[&str],
    (code, status): (i32, &str),
) -> Result<Value> {
    let (found, report) = find(config, arguments).await?;
    let events = report["events"].as_array().context("a list of events")?;
    assert_eq!((found, events.len()), (code, 1), "{arguments:?}: {report:#}");
    assert_eq!(events[0]["status"], status, "{arguments:?}: {report:#}");
    Ok(events[0].clone())
}

/// Asks Kafka for the record at the place that is named.
async fn assert_lies_there(kafka: &KafkaBroker, event: &Value, copy: usize) -> Result<()> {
    let copy = &event["copies"][copy];
    let (topic, partition) = (event["topic"].as_str().context("a topic")?, &copy["partition"]);
    let partition = i32::try_from(partition.as_i64().context("a partition")?)?;
    let offset = copy["offset"].as_i64().context("an offset")?;
    let record = consumer::read_at(kafka, topic, partition, offset).await?;
    let record = record.with_context(|| format!("no record at {copy}"))?;
    assert_eq!(event["event_id"], record.event_id());
    Ok(())
}

/// One transaction of rows with those keys, to a topic of several partitions.
async fn insert_keys(session: &mut Session, kind: &str, keys: &[&str]) -> Result<()> {
    let mut rows = Vec::new();
    for key in keys {
        let id = session.id();
        rows.push(format!("('{id}', '{kind}', '{key}', 'of-{key}', '{{}}')"));
        session.ids.push(id);
    }
    let columns = "id, aggregatetype, aggregateid, type, payload";
    session.run(format!("insert into outbox ({columns}) values {}", rows.join(", "))).await
}

/// Beside a relay, as the account with the least privileges.
async fn event_is_found_where_it_lies(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "find").await?;
    let kind = format!("{}_spread", case.database);
    case.create_topic(&outbox::topic(&kind), 6).await?;
    outbox::create_account(case.mysql, &case.database).await?;
    let mut config = case.config()?;
    config.set_text("mysql.url", &case.mysql.url_as("rowpost", "rowpost")?);
    let relay = case.relay_with(config.clone()).await?;
    let mut session = case.session().await?;
    let before = moment(&case, &session).await?;
    insert_keys(&mut session, &kind, &["a", "b", "c", "d", "e"]).await?;
    insert_keys(&mut session, &kind, &["c", "c"]).await?;
    let after = moment(&case, &session).await?;
    consumer::read(case.kafka, &outbox::topic(&kind), 7).await?;
    let range = ["--from", &before.coordinates, "--until", &after.coordinates];

    for number in [0, 2, 4] {
        let id = session.ids[number].clone();
        let event = find_one(&config, &["--id", &id], (0, "published")).await?;
        assert_eq!(event["event_id"], id.as_str());
        assert_eq!(event["transaction"]["outbox_row"], number + 1);
        assert_eq!(event["transaction"]["gtid"].is_string(), setup != Setup::Reference);
        assert_eq!(event["checkpoint_is_past"], true);
        assert_eq!(event["copies"].as_array().map(Vec::len), Some(1), "{event:#}");
        let searched = event["partitions"].as_array().context("partitions")?;
        assert_eq!(searched.len(), 1, "only the key's: {event:#}");
        assert_eq!(searched[0]["partition"], event["copies"][0]["partition"]);
        assert_lies_there(case.kafka, &event, 0).await?;
        let published = &event["published"];
        assert!(published["checkpoint_sequence"].as_u64() > Some(1), "{event:#}");
        let after_commit = published["after_commit_ms"].as_i64().context("a time")?;
        assert!((-5_000..120_000).contains(&after_commit), "{event:#}");
    }

    let (code, report) =
        find(&config, &[&range[..], &["--key", "c", "--all", "--all-partitions"]].concat()).await?;
    let events = report["events"].as_array().context("events")?;
    assert_eq!((code, events.len()), (0, 3), "{report:#}");
    assert_eq!(events[0]["partitions"].as_array().map(Vec::len), Some(6));
    let rows: Vec<_> = events.iter().map(|event| &event["transaction"]["outbox_row"]).collect();
    assert_eq!(rows, [3, 1, 2], "in commit order");
    for event in events {
        assert_lies_there(case.kafka, event, 0).await?;
    }
    let limited = ["--key", "c", "--type", "of-c", "--all", "--limit", "2"];
    let (_, report) = find(&config, &[&range[..], &limited].concat()).await?;
    assert_eq!(report["events"].as_array().map(Vec::len), Some(2), "{report:#}");
    assert_eq!(report["events"][0]["event_type"], "of-c");
    let from: Vec<_> = before.coordinates.split(':').collect();
    assert_eq!(report["searched"]["from"]["file"], from[0]);
    let rows = &report["searched"]["outbox_rows"][format!("{}.outbox", case.database)];
    assert_eq!(*rows, 7, "{report:#}");

    let said = find_text(&config, &["--id", &session.ids[1]]).await?;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_says(&said.stdout, &["past it", "offset ", "ms after the commit", "PUBLISHED"]);
    assert!(said.stderr.contains("find: searching from"), "{}", said.stderr);
    undisturbed(&relay).await
}

async fn undisturbed(relay: &Relay) -> Result<()> {
    let status = relay.status().await?;
    assert_eq!(status["retries"], serde_json::json!({ "source": 0, "publish": 0 }));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn event_is_found_where_it_lies_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    event_is_found_where_it_lies(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn event_is_found_where_it_lies_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    event_is_found_where_it_lies(Setup::Reference).await
}

#[tokio::test(flavor = "multi_thread")]
async fn replayed_copies_are_told_from_the_original() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "find_copies").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;
    let before = moment(&case, &session).await?;
    session.insert(2).await?;
    case.records(2).await?;
    let config = case.config()?;
    let id = format!("id={}", session.ids[1]);
    replay_well(&config, &["--from", &before.coordinates, "--where", &id, "--name", "again"])
        .await?;

    let event = find_one(&config, &["--id", &session.ids[1]], (0, "published")).await?;

    assert_eq!(event["copies"].as_array().map(Vec::len), Some(2), "{event:#}");
    assert_eq!(event["copies"][0]["replayed"], Value::Null);
    assert_eq!(event["copies"][1]["replayed"], "again");
    assert_lies_there(case.kafka, &event, 1).await?;

    // What the relay published is deleted; the replay's copy is there.
    let offset = event["copies"][1]["offset"].as_i64().context("an offset")?;
    case.kafka.delete_records(&case.topic(), 0, offset).await?;
    let event = find_one(&config, &["--id", &session.ids[1]], (0, "only-replayed")).await?;
    assert_eq!(event["copies"].as_array().map(Vec::len), Some(1), "{event:#}");
    Ok(())
}

/// A keyless record may be in any partition; the broker's own time needs no checkpoint.
#[tokio::test(flavor = "multi_thread")]
async fn keyless_event_is_found_in_any_partition_with_the_brokers_time() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "find_keyless").await?;
    let kind = format!("{}_spread", case.database);
    let settings = [("message.timestamp.type", "LogAppendTime")];
    case.kafka.create_topic(&outbox::topic(&kind), 4, &settings).await?;
    let mut config = case.config()?;
    let table = format!("[{{ table = \"{}.outbox\", key = \"\" }}]", case.database);
    config.set("outbox", table);
    let _relay = case.relay_with(config.clone()).await?;
    let mut session = case.session().await?;
    insert_keys(&mut session, &kind, &["a"]).await?;
    consumer::read(case.kafka, &outbox::topic(&kind), 1).await?;

    let event = find_one(&config, &["--id", &session.ids[0]], (0, "published")).await?;

    assert_eq!(event["partitions"].as_array().map(Vec::len), Some(4), "{event:#}");
    assert_eq!(event["copies"][0]["is_broker_time"], true);
    assert_eq!(event["published"]["checkpoint_sequence"], Value::Null);
    assert_eq!(event["published"]["at"], event["copies"][0]["timestamp"]);
    assert_lies_there(case.kafka, &event, 0).await
}

#[tokio::test(flavor = "multi_thread")]
async fn event_is_found_in_binlog_files_without_a_server() -> Result<()> {
    needs!(Setup::Current.tier());
    let case = Case::shared(Setup::Current, "find_files").await?;
    let mut relay = case.relay().await?;
    let mut session = case.session().await?;
    session.insert(2).await?;
    case.records(2).await?;
    relay.terminate(LONG).await?;
    session.insert(1).await?;
    let folder = copy_of_binlogs(&case).await?;
    let path = folder.path().to_string_lossy().into_owned();
    let mut config = case.config()?;
    config.remove("mysql.url");

    let files = ["--binlog-dir", &path, "--id", &session.ids[1]];
    let event = find_one(&config, &files, (0, "published")).await?;

    assert_eq!(event["checkpoint_is_past"], true, "its GTID says so: {event:#}");
    assert_lies_there(case.kafka, &event, 0).await?;
    let files = ["--binlog-dir", &path, "--id", &session.ids[2]];
    find_one(&config, &files, (75, "waiting")).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_for_is_refused_by_name() -> Result<()> {
    needs!(Tier::Mysql9, Tier::Kafka);
    let case = Case::shared(Setup::Current, "find_refused").await?;
    let config = case.config()?;
    for (arguments, code, part) in [
        (&[][..], 64, "--id"),
        (&["--id", "1", "--from", "yesterday"], 64, "--from yesterday"),
        (&["--id", "1", "--until", "earliest"], 64, "--until earliest"),
        (&["--id", "1", "--limit", "2"], 64, "--all"),
        (&["--id", "1", "--binlog-series", "b"], 64, "--binlog-dir"),
        (&["--id", "1", "--from", "bin-log.999999:4"], 69, "bin-log.999999"),
        (&["--id", "1", "--binlog-dir", "/nowhere/at/all"], 69, "/nowhere/at/all"),
    ] {
        let said = find_text(&config, arguments).await?;
        assert_eq!(said.code, Some(code), "{arguments:?}: {}", said.stderr);
        assert!(said.stderr.contains(part), "{arguments:?}: {}", said.stderr);
    }
    Ok(())
}
