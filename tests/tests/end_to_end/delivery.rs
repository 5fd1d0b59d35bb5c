//! Partition, timestamp, headers: what consumers of Debezium's outbox router rely on.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use rowpost_tests::{Setup, needs};

use crate::{case::Case, consumer};

/// Keys, and what Kafka's Java client hashes them to (`org.apache.kafka.common.utils.Utils.murmur2`);
/// the vectors are those of Kafka's own test of it, the last one is its value for no bytes at all.
const KEYS: [(&str, i32); 7] = [
    ("21", -973_932_308),
    ("foobar", -790_332_482),
    ("a-little-bit-long-string", -985_981_536),
    ("a-little-bit-longer-string", -1_486_304_829),
    ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
    ("abc", 479_470_107),
    ("", 275_646_681),
];

/// As `org.apache.kafka.clients.producer.internals.BuiltInPartitioner` does it.
fn partition(hash: i32, partitions: i32) -> i32 {
    (hash & i32::MAX) % partitions
}

async fn keys_go_to_the_partitions_of_the_java_client(setup: Setup) -> Result<()> {
    // More than one number of partitions, so that the hash is what is seen, not its remainder.
    for partitions in [7, 32] {
        let case = Case::shared(setup, "partitions").await?;
        let topic = format!("{}.partitioned", case.database);
        case.create_topic(&topic, partitions).await?;
        let mut config = case.config()?;
        config.set(
            "outbox",
            format!("[{{ table = '{}.outbox', topic = '{topic}' }}]", case.database),
        );
        let _relay = case.relay_with(config).await?;
        let mut session = case.session().await?;

        for (key, _) in KEYS {
            session
                .run(format!(
                    "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
                     values (uuid(), 'x', '{key}', 't', '1')"
                ))
                .await?;
        }

        let records = consumer::read(case.kafka, &topic, KEYS.len()).await?;
        for (key, hash) in KEYS {
            let record =
                records.iter().find(|record| record.key.as_deref() == Some(key.as_bytes()));
            let found = record.map(|record| record.partition);
            assert_eq!(found, Some(partition(hash, partitions)), "`{key}` of {partitions}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_to_the_partitions_of_the_java_client_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    keys_go_to_the_partitions_of_the_java_client(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_go_to_the_partitions_of_the_java_client_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    keys_go_to_the_partitions_of_the_java_client(Setup::Reference).await
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_millis()).expect("before the year 292 million")
}

/// The time of the commit, not of the insert, nor of the publishing; a column's where one is named.
async fn timestamp_is_the_commits_unless_a_column_says_otherwise(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "timestamps").await?;
    let by_column = format!("{}.by_column", case.database);
    case.create_topic(&by_column, 1).await?;
    let mut config = case.config()?;
    config.set(
        "outbox",
        format!(
            "[{{ table = '{0}.outbox' }}, \
          {{ table = '{0}.*s', timestamp = 'at', topic = '{by_column}' }}]",
            case.database
        ),
    );
    let mut relay = case.relay_with(config).await?;
    let mut session = case.session().await?;
    session.insert(1).await?;
    case.records(1).await?;
    relay.kill9()?;

    session.run("begin").await?;
    session.insert(1).await?;
    let inserted = now_ms();
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    let before = now_ms();
    session.run("commit").await?;
    let after = now_ms();
    for (table, column) in [("datetimes", "datetime(6)"), ("numbers", "bigint unsigned")] {
        session.run(format!("create table {table} like outbox")).await?;
        session.run(format!("alter table {table} add column at {column} null")).await?;
    }
    let columns = "(id, aggregatetype, aggregateid, type, payload, at)";
    for (table, at) in [
        ("datetimes", "'2021-02-03 04:05:06.789999'"),
        ("datetimes", "null"),
        ("numbers", "1234567890123"),
    ] {
        session
            .run(format!("insert into {table} {columns} values (uuid(), 'x', 'k', 't', '1', {at})"))
            .await?;
    }
    let last = now_ms();
    relay.start_again()?;

    let committed = case.records(2).await?[1].timestamp_ms;
    match setup {
        Setup::Current | Setup::Mysql80 => {
            assert!((before..=after).contains(&committed), "{before} {committed} {after}");
        }
        // SERVER: 5.7 writes whole seconds, of the moment at which the last statement began.
        Setup::Reference => {
            assert!(
                (inserted - 1_000..=after).contains(&committed),
                "{inserted} {committed} {after}"
            );
            assert_eq!(committed % 1_000, 0);
        }
    }
    let timed = consumer::read(case.kafka, &by_column, 3).await?;
    let timestamps: Vec<i64> = timed.iter().map(|record| record.timestamp_ms).collect();
    assert_eq!(timestamps[0], 1_612_325_106_789);
    assert!((after - 1_000..=last).contains(&timestamps[1]), "NULL: the commit's time");
    assert_eq!(timestamps[2], 1_234_567_890_123);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamp_is_the_commits_unless_a_column_says_otherwise_on_the_current_server()
-> Result<()> {
    needs!(Setup::Current.tier());
    timestamp_is_the_commits_unless_a_column_says_otherwise(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamp_is_the_commits_unless_a_column_says_otherwise_on_the_reference_server()
-> Result<()> {
    needs!(Setup::Reference.tier());
    timestamp_is_the_commits_unless_a_column_says_otherwise(Setup::Reference).await
}

/// The record of the README: nothing but what Debezium's router sends.
async fn record_of_the_default_mapping_is_as_documented(setup: Setup) -> Result<()> {
    let case = Case::shared(setup, "documented").await?;
    let _relay = case.relay().await?;
    let mut session = case.session().await?;
    let id = "0190a3c4-5b6d-7e8f-9012-3456789abcde";

    session
        .run(format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) values \
             ('{id}', '{0}', 'b\u{fc}cher-42', 'OrderPlaced', '{{\"total\": 7, \"a\": [1.50, null]}}'), \
             (uuid(), '{0}', 'k', 'Deleted', null)",
            case.database
        ))
        .await?;

    let records = case.records(2).await?;
    assert_eq!(records.len(), 2);
    let headers = [("id".to_owned(), Some(id.as_bytes().to_vec()))];
    assert_eq!(records[0].headers, headers);
    assert_eq!(records[0].key.as_deref(), Some("b\u{fc}cher-42".as_bytes()));
    // In MySQL's order of keys and notation of numbers, without blanks.
    assert_eq!(records[0].value_text(), r#"{"a":[1.5,null],"total":7}"#);
    assert_eq!((records[1].key.as_deref(), &records[1].value), (Some(&b"k"[..]), &None));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn record_of_the_default_mapping_is_as_documented_from_the_current_server() -> Result<()> {
    needs!(Setup::Current.tier());
    record_of_the_default_mapping_is_as_documented(Setup::Current).await
}

#[tokio::test(flavor = "multi_thread")]
async fn record_of_the_default_mapping_is_as_documented_from_the_reference_server() -> Result<()> {
    needs!(Setup::Reference.tier());
    record_of_the_default_mapping_is_as_documented(Setup::Reference).await
}
