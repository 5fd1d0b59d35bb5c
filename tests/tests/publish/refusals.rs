//! What cannot be published is said by name, and nothing of its batch is.

use std::{num::NonZeroUsize, time::Duration};

use anyhow::Result;
use bytesize::ByteSize;
use rowpost::{
    error::Disposition,
    publish::{PublishError, RecordError},
};
use rowpost_tests::{KafkaBroker, Random, needs, numbers::Isolation, tier::Tier};
use tokio::time::Instant;

use crate::stage::Stage;

/// Publishes 0 to 9, then one number with a payload of `bytes`; returns how that ended.
async fn publish_large(stage: &Stage, bytes: usize) -> Result<PublishError> {
    let mut running = stage.start().await?;
    running.send(stage.chunk(0, 10)).await;
    running.committed(10).await;
    let mut chunk = stage.chunk(10, 12);
    // Hard to compress: lz4 must not save it.
    let mut noise = Random::new(1);
    let value = std::iter::repeat_with(|| noise.draw().to_le_bytes()).flatten().take(bytes);
    chunk.records[1].value = Some(value.collect());
    running.send(chunk).await;
    let error = running.end().await.unwrap_err();
    stage.seen(Isolation::ReadCommitted).await?.assert_once(10);
    assert_eq!(stage.checkpoint_number().await?, Some(10));
    Ok(error)
}

fn assert_too_large(error: &PublishError, stage: &Stage) {
    assert!(matches!(error, PublishError::Record(RecordError::TooLarge { .. })), "{error}");
    assert_eq!(error.disposition(), Disposition::Halt);
    let text = error.to_string();
    for part in ["event 11 ", "message.max.bytes", "numbers:12", stage.topic.as_str()] {
        assert!(text.contains(part), "`{part}` is missing in: {text}");
    }
}

#[tokio::test]
async fn record_over_the_clients_limit_halts_and_is_named() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;

    let error = publish_large(&stage, 1_100_000).await?;

    assert_too_large(&error, &stage);
    Ok(())
}

#[tokio::test]
async fn record_over_the_topics_limit_halts_and_is_named() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = KafkaBroker::shared().await?;
    let stage = Stage::without_topic(broker);
    broker.create_topic(&stage.topic, 1, &[("max.message.bytes", "200000")]).await?;

    let error = publish_large(&stage, 300_000).await?;

    assert!(matches!(error, PublishError::Record(RecordError::TooLarge { .. })), "{error}");
    assert_eq!(error.disposition(), Disposition::Halt);
    assert!(error.to_string().contains(&stage.topic), "{error}");
    Ok(())
}

#[tokio::test]
async fn partition_that_does_not_exist_halts() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let running = stage.start().await?;
    let mut chunk = stage.chunk(0, 1);
    chunk.records[0].partition = Some(6);

    running.send(chunk).await;
    let error = running.end().await.unwrap_err();

    assert!(matches!(error, PublishError::Record(RecordError::UnknownPartition { .. })), "{error}");
    assert_eq!(error.disposition(), Disposition::Halt);
    assert!(error.to_string().contains("partition 6"), "{error}");
    Ok(())
}

#[tokio::test]
async fn illegal_topic_name_halts() -> Result<()> {
    needs!(Tier::Kafka);
    for name in ["outbox.event.größe", "nul\0byte"] {
        let stage = Stage::new().await?;
        let running = stage.start().await?;
        let mut chunk = stage.chunk(0, 1);
        chunk.records[0].topic = name.into();

        running.send(chunk).await;
        let error = running.end().await.unwrap_err();

        assert!(matches!(error, PublishError::Record(RecordError::InvalidTopic { .. })), "{error}");
        assert_eq!(error.disposition(), Disposition::Halt);
    }
    Ok(())
}

/// librdkafka's queue holds a twentieth of this chunk.
#[tokio::test]
async fn full_queue_makes_the_publisher_wait_and_drops_nothing() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = Stage::new().await?;
    stage.publish.batch_bytes_max = ByteSize::kib(64);
    stage.publish.batch_records_max = NonZeroUsize::new(100).expect("100 is not zero");
    stage.set("queue.buffering.max.kbytes", "1000");
    stage.set("queue.buffering.max.messages", "1000");
    let mut running = stage.start().await?;

    running.send(stage.chunk(0, 20_000)).await;

    let committed = running.committed(20_000).await;
    assert_eq!(committed.records_total, 20_000);
    running.close().await?;
    stage.seen(Isolation::ReadCommitted).await?.assert_once(20_000);
    Ok(())
}

#[tokio::test]
async fn broker_that_is_not_there_is_tried_again_later() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = Stage::without_topic(KafkaBroker::shared().await?);
    // Port 1 is privileged and closed.
    stage.bootstrap = "127.0.0.1:1".to_owned();
    stage.publish.delivery_timeout = Duration::from_secs(2);
    let started = Instant::now();

    let error = stage.start().await.err().expect("nothing listens there");

    assert_eq!(error.disposition(), Disposition::Retry, "{error}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    Ok(())
}

#[tokio::test]
async fn stop_ends_a_publisher_that_waits() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    let running = stage.start().await?;

    running.stop.cancel();
    let error = running.end().await.unwrap_err();

    assert!(matches!(error, PublishError::Stopped), "{error}");
    Ok(())
}
