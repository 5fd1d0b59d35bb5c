//! The broker does what exactly-once rests on, and the reader sees it as a consumer does.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientConfig,
    error::{KafkaError, RDKafkaErrorCode},
    message::{Header, OwnedHeaders},
    producer::{BaseProducer, BaseRecord, Producer},
};
use rowpost_servers::{
    cache::Cache,
    certificates::Authority,
    kafka::{
        BrokerOptions, ScramUser,
        security::{self, MUTUAL_TLS, SASL, SASL_TLS, TLS},
    },
    run_directory,
};
use rowpost_tests::{
    KafkaBroker, Ledger, Reader,
    ledger::{EventId, Isolation, Outcome},
    needs,
    tier::Tier,
};

const LIMIT: Duration = Duration::from_secs(30);

fn transactional(broker: &KafkaBroker, id: &str) -> Result<BaseProducer> {
    let producer: BaseProducer = broker.client().set("transactional.id", id).create()?;
    producer.init_transactions(LIMIT)?;
    Ok(producer)
}

fn send(producer: &BaseProducer, topic: &str, event: EventId) -> Result<()> {
    let id = event.to_uuid().to_string();
    let key = event.aggregate_id();
    let payload = format!(r#"{{"key":{},"sequence":{}}}"#, event.key, event.sequence);
    let headers = OwnedHeaders::new().insert(Header { key: "id", value: Some(&id) });
    let record = BaseRecord::to(topic).key(&key).payload(&payload).headers(headers);
    producer.send(record).map_err(|(error, _)| error).context("cannot send")
}

#[tokio::test(flavor = "multi_thread")]
async fn read_committed_hides_what_was_aborted_and_read_uncommitted_counts_it() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = KafkaBroker::shared().await?;
    let topic = "harness.isolation";
    broker.create_topic(topic, 3, &[]).await?;
    let mut ledger = Ledger::new(1);
    let events: Vec<EventId> =
        (0..100).map(|row| ledger.record(row % 10, Outcome::Committed)).collect();
    let committed = Reader::new(&broker.client(), topic, 1, Isolation::ReadCommitted)?;
    let uncommitted = Reader::new(&broker.client(), topic, 1, Isolation::ReadUncommitted)?;

    tokio::task::block_in_place(|| -> Result<()> {
        let producer = transactional(broker, topic)?;
        for is_kept in [false, true] {
            producer.begin_transaction()?;
            for event in &events {
                send(&producer, topic, *event)?;
            }
            producer.flush(LIMIT)?;
            match is_kept {
                true => producer.commit_transaction(LIMIT)?,
                false => producer.abort_transaction(LIMIT)?,
            }
        }
        Ok(())
    })?;

    committed.complete_within(LIMIT, &ledger).await?;
    assert_eq!(uncommitted.read_to_end().await?, 200);
    assert_eq!(uncommitted.duplicates(), 100);
    // Another look adds nothing: what was read is not read again.
    assert_eq!(committed.read_to_end().await?, 100);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn open_transaction_is_not_read_until_it_commits() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = KafkaBroker::shared().await?;
    let topic = "harness.open";
    broker.create_topic(topic, 1, &[]).await?;
    let reader = Reader::new(&broker.client(), topic, 2, Isolation::ReadCommitted)?;
    let mut ledger = Ledger::new(2);
    let event = ledger.record(0, Outcome::Committed);
    let producer = tokio::task::block_in_place(|| transactional(broker, topic))?;

    producer.begin_transaction()?;
    send(&producer, topic, event)?;
    tokio::task::block_in_place(|| producer.flush(LIMIT))?;
    let before = reader.read_to_end().await?;
    tokio::task::block_in_place(|| producer.commit_transaction(LIMIT))?;

    assert_eq!(before, 0);
    reader.complete_within(LIMIT, &ledger).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "1 lost (key-0 #1)")]
async fn record_that_never_comes_fails_the_wait_with_its_name() {
    let broker = KafkaBroker::shared().await.unwrap();
    let topic = "harness.missing";
    broker.create_topic(topic, 1, &[]).await.unwrap();
    let mut ledger = Ledger::new(5);
    let event = ledger.record(0, Outcome::Committed);
    ledger.record(0, Outcome::Committed);
    tokio::task::block_in_place(|| {
        let producer = transactional(broker, topic).unwrap();
        producer.begin_transaction().unwrap();
        send(&producer, topic, event).unwrap();
        producer.commit_transaction(LIMIT).unwrap();
    });

    let reader = Reader::new(&broker.client(), topic, 5, Isolation::ReadCommitted).unwrap();
    reader.complete_within(Duration::from_secs(2), &ledger).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn older_producer_of_a_transactional_id_is_fenced() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = KafkaBroker::shared().await?;
    let topic = "harness.fencing";
    broker.create_topic(topic, 1, &[]).await?;
    let reader = Reader::new(&broker.client(), topic, 3, Isolation::ReadCommitted)?;

    let error = tokio::task::block_in_place(|| -> Result<KafkaError> {
        let older = transactional(broker, topic)?;
        older.begin_transaction()?;
        send(&older, topic, EventId { run: 3, key: 0, sequence: 0 })?;
        older.flush(LIMIT)?;
        let _newer = transactional(broker, topic)?;
        match older.commit_transaction(LIMIT) {
            Ok(()) => bail!("the older producer committed"),
            Err(error) => Ok(error),
        }
    })?;

    assert_eq!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fenced));
    assert_eq!(reader.read_to_end().await?, 0);
    Ok(())
}

/// A commit that was acknowledged stays, also when the broker dies before it has written its markers.
#[tokio::test(flavor = "multi_thread")]
async fn committed_records_survive_a_broker_killed_right_after_each_commit() -> Result<()> {
    needs!(Tier::Kafka, Tier::Kill);
    let broker = KafkaBroker::start_killable().await?;
    let topic = "harness.killed";
    broker.create_topic(topic, 2, &[]).await?;
    let reader = Reader::new(&broker.client(), topic, 4, Isolation::ReadCommitted)?;
    let mut ledger = Ledger::new(4);

    for _ in 0..3 {
        let events: Vec<EventId> =
            (0..50).map(|key| ledger.record(key, Outcome::Committed)).collect();
        tokio::task::block_in_place(|| -> Result<()> {
            let producer = transactional(&broker, topic)?;
            producer.begin_transaction()?;
            for event in &events {
                send(&producer, topic, *event)?;
            }
            Ok(producer.commit_transaction(LIMIT)?)
        })?;
        broker.kill9().await?;
        assert_eq!(broker.pid().await?, None);
        broker.start_again().await?;

        reader.complete_within(LIMIT, &ledger).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_broker_comes_back_with_its_topics() -> Result<()> {
    needs!(Tier::Kafka, Tier::Kill);
    let broker = KafkaBroker::start_with(BrokerOptions::default()).await?;
    broker.create_topic("harness.kept", 1, &[]).await?;

    broker.restart().await?;

    let again = broker.create_topic("harness.kept", 1, &[]).await.unwrap_err();
    assert!(format!("{again:#}").contains("already exists"), "{again:#}");
    assert!(broker.kill9().await.is_err(), "a broker without a controller of its own was killed");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secured_listeners_let_in_only_who_shows_the_right_papers() -> Result<()> {
    needs!(Tier::Kafka);
    let directory = run_directory::subfolder(&Cache::open()?, "papers")?;
    let authority = Authority::create(&directory)?;
    let (broker_papers, client_papers) = (authority.issue("broker")?, authority.issue("client")?);
    let user = ScramUser { name: "relay".to_owned(), password: "secret".to_owned() };
    let options = security::secured(&authority, &broker_papers, std::slice::from_ref(&user))?;
    let broker = KafkaBroker::start_with(options).await?;
    broker.create_topic("harness.secured", 1, &[]).await?;
    let path = |file: &std::path::Path| file.display().to_string();
    let ca = ("ssl.ca.location", path(&authority.certificate()));
    let login = |mechanism: &str, password: &str| {
        vec![
            ("sasl.mechanism", mechanism.to_owned()),
            ("sasl.username", user.name.clone()),
            ("sasl.password", password.to_owned()),
        ]
    };
    let papers = vec![
        ("ssl.certificate.location", path(&client_papers.certificate)),
        ("ssl.key.location", path(&client_papers.key)),
    ];
    let cases = [
        (TLS, "ssl", vec![], true),
        (MUTUAL_TLS, "ssl", papers, true),
        (MUTUAL_TLS, "ssl", vec![], false),
        (SASL, "sasl_plaintext", login("PLAIN", "secret"), true),
        (SASL, "sasl_plaintext", login("PLAIN", "wrong"), false),
        (SASL, "sasl_plaintext", login("SCRAM-SHA-256", "secret"), true),
        (SASL_TLS, "sasl_ssl", login("SCRAM-SHA-512", "secret"), true),
        (SASL_TLS, "sasl_ssl", login("SCRAM-SHA-512", "wrong"), false),
    ];

    for (listener, protocol, properties, expected) in cases {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", broker.listener(listener)?);
        client.set("security.protocol", protocol).set(ca.0, &ca.1);
        for (name, value) in &properties {
            client.set(*name, value);
        }
        let case = format!("{listener} with {properties:?}");

        let is_let_in = tokio::task::block_in_place(|| answers(&client))?;

        assert_eq!(is_let_in, expected, "{case}");
    }
    Ok(())
}

/// Whether the broker tells this client about its topics.
fn answers(client: &ClientConfig) -> Result<bool> {
    let producer: BaseProducer = client.create()?;
    let metadata = producer.client().fetch_metadata(Some("harness.secured"), LIMIT / 6);
    Ok(metadata.is_ok_and(|metadata| metadata.topics().iter().all(|topic| topic.error().is_none())))
}
