//! Faults that only a broker on a script produces: librdkafka's mock cluster, one broker.
//!
//! It knows no fencing and no `read_committed`; those are tested against a real broker.

use std::{
    thread,
    time::{Duration, Instant},
};

use prometheus_client::registry::Registry;
use rdkafka::{
    mocking::MockCluster,
    producer::DefaultProducerContext,
    types::{RDKafkaApiKey, RDKafkaRespErr},
};
use rstest::rstest;

use super::{batch::tests::chunk, *};
use crate::{config, error::Disposition};

type Mock = MockCluster<'static, DefaultProducerContext>;

const TOPIC: &str = "outbox.event.order";

fn mock() -> Mock {
    let mock = MockCluster::new(1).unwrap();
    mock.create_topic(TOPIC, 3, 1).unwrap();
    mock.create_topic("rowpost.shop.checkpoint", 1, 1).unwrap();
    mock
}

fn settings(mock: &Mock, delivery: Delivery) -> Settings {
    settings_with(mock, delivery, Duration::from_secs(5))
}

fn settings_with(mock: &Mock, delivery: Delivery, delivery_timeout: Duration) -> Settings {
    let kafka = config::Kafka {
        bootstrap_servers: mock.bootstrap_servers(),
        properties: [("retry.backoff.ms", "10")].into_iter().collect(),
    };
    let publish = config::Publish { delivery_timeout, ..config::Publish::default() };
    Settings::new("shop", delivery, &kafka, &publish, &config::Checkpoint::default()).unwrap()
}

/// What is left of a publisher that was given chunks ending at 1, 2, … one after the other.
struct Outcome {
    result: Result<(), PublishError>,
    /// The end of the last chunk that it called committed.
    committed: u64,
    took: Duration,
}

/// Gives each chunk only after the one before was committed, so that each is a batch.
fn publish(mock: &Mock, delivery: Delivery, chunks: u64) -> Outcome {
    publish_with(settings(mock, delivery), chunks)
}

fn publish_with(settings: Settings, chunks: u64) -> Outcome {
    let delivery = settings.delivery;
    let settings = Arc::new(settings);
    let mode = match delivery {
        Delivery::ExactlyOnce => Mode::ExactlyOnce(slots::fence(&settings).unwrap()),
        Delivery::AtLeastOnce => {
            Mode::AtLeastOnce(Producer::create(&settings.idempotent_producer()).unwrap())
        }
    };
    let start = batch::tests::position();
    let publisher = Publisher {
        settings,
        metrics: Metrics::register(&mut Registry::default()),
        mode,
        writer: Writer::here(),
        sequence: 1,
    };
    let (sender, received) = mpsc::channel(1);
    let (committed, mut watched) = watch::channel(Committed {
        position: start.clone(),
        records_total: 0,
        commit_timestamp_us: 0,
        committed_at: jiff::Timestamp::UNIX_EPOCH,
    });
    let started = Instant::now();
    let run =
        thread::spawn(move || publisher.run(start, received, committed, CancellationToken::new()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for end in 1..=chunks {
            if sender.send(chunk(5, 500, end)).await.is_err()
                || watched.wait_for(|c| c.position.coordinates.position >= end).await.is_err()
            {
                break;
            }
        }
    });
    drop(sender);
    let result = run.join().unwrap();
    let committed = watched.borrow().position.coordinates.position;
    Outcome { result, committed, took: started.elapsed() }
}

#[rstest]
fn batches_are_committed_one_after_the_other(
    #[values(Delivery::ExactlyOnce, Delivery::AtLeastOnce)] delivery: Delivery,
) {
    let outcome = publish(&mock(), delivery, 5);

    outcome.result.unwrap();
    assert_eq!(outcome.committed, 5);
}

/// The crate's own flush waits in slices of 100 ms; so did each commit before the native flush.
#[test]
fn commit_does_not_wait_for_a_tick() {
    let mock = mock();

    let outcome = publish(&mock, Delivery::ExactlyOnce, 30);

    outcome.result.unwrap();
    assert!(outcome.took < Duration::from_millis(1_500), "{:?} for 30 commits", outcome.took);
}

#[test]
fn commit_that_the_coordinator_puts_off_is_tried_again() {
    let mock = mock();
    mock.request_errors(
        RDKafkaApiKey::EndTxn,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        ],
    );

    let outcome = publish(&mock, Delivery::ExactlyOnce, 3);

    outcome.result.unwrap();
    assert_eq!(outcome.committed, 3);
}

/// Each answer takes longer than one call waits for it: the calls are made again and go on.
#[test]
fn slow_broker_fences_and_commits_in_several_calls() {
    let mock = mock();
    mock.broker_round_trip_time(-1, Duration::from_millis(1_300)).unwrap();

    let settings = settings_with(&mock, Delivery::ExactlyOnce, Duration::from_secs(30));
    let outcome = publish_with(settings, 1);

    outcome.result.unwrap();
    assert_eq!(outcome.committed, 1);
}

#[rstest]
#[case(RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, "takes this relay for an old one")]
#[case(RDKafkaRespErr::RD_KAFKA_RESP_ERR_PRODUCER_FENCED, "takes this relay for an old one")]
#[case(
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
    "forgot the transactional id"
)]
#[case(
    RDKafkaRespErr::RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    "transactional ids (prefix `rowpost.`)"
)]
fn commit_that_fails_is_not_told_as_committed_and_ends_the_publisher(
    #[case] error: RDKafkaRespErr,
    #[case] said: &str,
) {
    let mock = mock();
    mock.request_errors(RDKafkaApiKey::EndTxn, &[error]);

    let outcome = publish(&mock, Delivery::ExactlyOnce, 3);

    let error = outcome.result.unwrap_err();
    assert!(error.to_string().contains(said), "{error}");
    assert_eq!(outcome.committed, 0);
}

/// librdkafka stops sending then, and says so to nobody who does not ask.
#[test]
fn transaction_that_can_only_be_aborted_is_noticed_before_the_records_time_out() {
    let mock = mock();
    mock.request_errors(
        RDKafkaApiKey::AddPartitionsToTxn,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED],
    );

    let outcome = publish(&mock, Delivery::ExactlyOnce, 1);

    let error = outcome.result.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Halt, "{error}");
    assert!(outcome.took < Duration::from_secs(3), "{:?}", outcome.took);
}

#[rstest]
fn produce_requests_that_fail_for_a_while_are_sent_again(
    #[values(Delivery::ExactlyOnce, Delivery::AtLeastOnce)] delivery: Delivery,
) {
    let mock = mock();
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__TRANSPORT,
        ],
    );

    let outcome = publish(&mock, delivery, 3);

    outcome.result.unwrap();
    assert_eq!(outcome.committed, 3);
}

#[rstest]
#[case(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "may not write to topic")]
#[case(RDKafkaRespErr::RD_KAFKA_RESP_ERR_INVALID_RECORD, "the broker refuses a record")]
#[case(RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, "larger than allowed")]
#[case(RDKafkaRespErr::RD_KAFKA_RESP_ERR_POLICY_VIOLATION, "the broker refuses a record")]
fn record_that_the_broker_refuses_halts_and_is_named(
    #[case] error: RDKafkaRespErr,
    #[case] said: &str,
    #[values(Delivery::ExactlyOnce, Delivery::AtLeastOnce)] delivery: Delivery,
) {
    let mock = mock();
    mock.request_errors(RDKafkaApiKey::Produce, &[error; 3]);

    let outcome = publish(&mock, delivery, 1);

    let error = outcome.result.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Halt, "{error}");
    let text = error.to_string();
    // Whichever request the broker sees first.
    let is_named = ["in the binlog up to bin-log.000001:1", "the checkpoint record"]
        .iter()
        .any(|name| text.contains(name));
    assert!(text.contains(said) && is_named, "{text}");
    assert_eq!(outcome.committed, 0);
    assert!(outcome.took < Duration::from_secs(3), "{:?}", outcome.took);
}

#[rstest]
fn broker_that_goes_away_is_tried_again_after_the_delivery_timeout(
    #[values(Delivery::ExactlyOnce, Delivery::AtLeastOnce)] delivery: Delivery,
) {
    let mock = mock();
    let settings = settings(&mock, delivery);
    mock.request_errors(
        RDKafkaApiKey::Produce,
        &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS; 10_000],
    );

    let outcome = publish(&mock, delivery, 1);

    let error = outcome.result.unwrap_err();
    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    assert!(outcome.took >= settings.delivery_timeout, "{:?}", outcome.took);
    assert!(outcome.took < settings.delivery_timeout * 3, "{:?}", outcome.took);
}
