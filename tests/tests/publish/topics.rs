//! Topics that are not there yet.

use anyhow::Result;
use rowpost::{
    config::Delivery,
    error::Disposition,
    publish::{PublishError, RecordError},
};
use rowpost_tests::{KafkaBroker, needs, numbers::Isolation, tier::Tier};
use tokio::time::Instant;

use crate::{stage::Stage, strict};

#[tokio::test]
async fn unknown_topic_is_named_and_published_to_once_it_is_there() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = strict::broker().await?;
    let stage = Stage::without_topic(broker);
    let running = stage.start().await?;
    let started = Instant::now();

    running.send(stage.chunk(0, 10)).await;
    let error = running.end().await.unwrap_err();

    assert!(matches!(error, PublishError::Record(RecordError::UnknownTopic { .. })), "{error}");
    assert_eq!(error.disposition(), Disposition::Retry);
    let create = format!("kafka-topics --create --topic {}", stage.topic);
    assert!(error.to_string().contains(&create), "{error}");
    assert!(started.elapsed() < stage.publish.transaction_timeout, "{:?}", started.elapsed());

    broker.create_topic(&stage.topic, 6, &[]).await?;
    let mut running = stage.start().await?;
    running.send(stage.chunk(0, 10)).await;
    running.committed(10).await;
    running.close().await?;
    stage.seen(Isolation::ReadCommitted).await?.assert_once(10);
    Ok(())
}

/// Each producer meets the topic for itself and holds records back until it knows the partitions.
#[tokio::test]
async fn topic_that_the_broker_creates_on_the_way_loses_and_reorders_nothing() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = KafkaBroker::shared().await?;
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let stage = Stage { delivery, ..Stage::without_topic(broker) };
        let mut running = stage.start().await?;

        for start in (0..20_000).step_by(20) {
            running.send(stage.chunk(start, start + 20)).await;
        }
        running.committed(20_000).await;
        running.close().await?;

        stage.seen(Isolation::ReadCommitted).await?.assert_once(20_000);
    }
    Ok(())
}
