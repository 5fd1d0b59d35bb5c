//! The stored checkpoint: found whatever lies around it, refused when it cannot be trusted.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    producer::{BaseProducer, BaseRecord, Producer},
};
use rowpost::{
    checkpoint::{Checkpoint, CheckpointError, Writer},
    config::Delivery,
    error::Disposition,
    publish::PublishError,
};
use rowpost_tests::{KafkaBroker, eventually, needs, numbers::position, tier::Tier};

use crate::{
    stage::{DEADLINE, Stage, blocking},
    strict,
};

/// A stage with a checkpoint topic that holds nothing.
async fn stage() -> Result<Stage> {
    let broker = KafkaBroker::shared().await?;
    let stage = Stage::without_topic(broker);
    broker.create_topic(&checkpoint_topic(&stage), 1, &[("cleanup.policy", "compact")]).await?;
    Ok(stage)
}

fn checkpoint_topic(stage: &Stage) -> String {
    stage.checkpoint.topic.clone().unwrap_or_else(|| format!("rowpost.{}.checkpoint", stage.source))
}

fn encoded(sequence: u64, number: u64) -> Vec<u8> {
    Checkpoint::new(sequence, position(number), Writer::here())
        .encode(None)
        .expect("it can be encoded")
}

/// Writes records of any key, as one transaction where `commit` says how it ends.
async fn write(
    stage: &Stage,
    records: Vec<(String, Option<Vec<u8>>)>,
    commit: Option<bool>,
) -> Result<()> {
    let (bootstrap, topic) = (stage.bootstrap.clone(), checkpoint_topic(stage));
    blocking(move || {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("linger.ms", "5");
        if commit.is_some() {
            config.set("transactional.id", format!("other-{topic}"));
        }
        let producer: BaseProducer = config.create()?;
        if commit.is_some() {
            producer.init_transactions(DEADLINE)?;
            producer.begin_transaction()?;
        }
        for (key, value) in &records {
            let mut record = BaseRecord::to(&topic).key(key).partition(0);
            if let Some(value) = value {
                record = record.payload(value);
            }
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(DEADLINE)?;
        match commit {
            Some(true) => producer.commit_transaction(DEADLINE)?,
            Some(false) => producer.abort_transaction(DEADLINE)?,
            None => {}
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn missing_topic_is_created_compacted_and_empty() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = KafkaBroker::shared().await?;
    let stage = Stage::without_topic(broker);

    let running = stage.start().await?;

    assert_eq!(running.resume, None);
    running.close().await?;
    let client: BaseConsumer = broker.client().set("allow.auto.create.topics", "false").create()?;
    let topic = checkpoint_topic(&stage);
    let metadata = blocking(move || client.fetch_metadata(Some(&topic), DEADLINE)).await?;
    let found = metadata.topics().first().context("no answer about the topic")?;
    assert!(found.error().is_none());
    assert_eq!(found.partitions().len(), 1);
    // A second start looks at the topic that the first one made.
    assert!(stage.start().await?.resume.is_some());
    Ok(())
}

#[tokio::test]
async fn topic_from_which_the_broker_deletes_is_refused() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = KafkaBroker::shared().await?;
    for policy in ["delete", "compact,delete"] {
        let stage = Stage::without_topic(broker);
        let topic = checkpoint_topic(&stage);
        broker.create_topic(&topic, 1, &[("cleanup.policy", policy)]).await?;

        let error = stage.start().await.err().context("it was not refused")?;

        assert_eq!(error.disposition(), Disposition::Halt);
        let text = error.to_string();
        assert!(text.contains("cleanup.policy=compact") && text.contains(&topic), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn replication_factor_that_the_broker_cannot_give_is_named() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = Stage::without_topic(KafkaBroker::shared().await?);
    stage.checkpoint.replication_factor = 7;

    let error = stage.start().await.err().context("it was not refused")?;

    assert_eq!(error.disposition(), Disposition::Halt);
    assert!(error.to_string().contains("checkpoint.replication_factor = 7"), "{error}");
    Ok(())
}

#[tokio::test]
async fn empty_topic_has_no_checkpoint() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;

    assert_eq!(stage.checkpoint().await?, None);
    Ok(())
}

#[tokio::test]
async fn newest_checkpoint_is_found_behind_thousands_of_aborted_records() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;
    let mine = |sequence, number| (stage.source.clone(), Some(encoded(sequence, number)));
    write(&stage, vec![mine(1, 10)], Some(true)).await?;
    write(&stage, vec![mine(2, 20)], Some(true)).await?;

    write(&stage, (3..5_000).map(|sequence| mine(sequence, 666)).collect(), Some(false)).await?;

    assert_eq!(stage.checkpoint_number().await?, Some(20));
    Ok(())
}

#[tokio::test]
async fn newest_checkpoint_is_found_among_those_of_another_source() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = stage().await?;
    stage.checkpoint.topic = Some(checkpoint_topic(&stage));
    let mine = (stage.source.clone(), Some(encoded(7, 70)));
    write(&stage, vec![mine], Some(true)).await?;

    let other = |sequence| ("other".to_owned(), Some(encoded(sequence, 666)));
    write(&stage, (0..1_000).map(other).collect(), Some(true)).await?;

    assert_eq!(stage.checkpoint_number().await?, Some(70));
    stage.source = "other".to_owned();
    assert_eq!(stage.checkpoint_number().await?, Some(666));
    Ok(())
}

/// The cleaner leaves one record of thousands at the start of the topic, far from its end.
#[tokio::test]
async fn checkpoint_is_found_in_what_compaction_has_left() -> Result<()> {
    needs!(Tier::Kafka);
    let broker = strict::broker().await?;
    let mut stage = Stage::without_topic(broker);
    let topic = checkpoint_topic(&stage);
    stage.checkpoint.topic = Some(topic.clone());
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.cleanable.dirty.ratio", "0.0"),
        ("max.compaction.lag.ms", "1"),
        ("segment.ms", "1"),
        ("segment.bytes", "1048576"),
    ];
    broker.create_topic(&topic, 1, &settings).await?;
    let mine = |sequence, number| (stage.source.clone(), Some(encoded(sequence, number)));
    write(&stage, vec![mine(1, 10), mine(2, 20)], Some(true)).await?;
    let other = |sequence| ("other".to_owned(), Some(encoded(sequence, 666)));
    write(&stage, (0..5_000).map(other).collect(), Some(true)).await?;

    let left = || records(&stage, &topic);
    eventually("the topic is compacted", DEADLINE, async || {
        // The newest segment is never compacted, and a new one begins with a record.
        write(&stage, vec![other(5_000)], None).await?;
        anyhow::Ok(left().await? < 1_000)
    })
    .await;

    assert_eq!(stage.checkpoint_number().await?, Some(20));
    Ok(())
}

/// How many records a consumer finds in partition 0.
async fn records(stage: &Stage, topic: &str) -> Result<usize> {
    let reader: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &stage.bootstrap)
        .set("group.id", "rowpost-tests-compaction")
        .set("enable.partition.eof", "true")
        .set("fetch.wait.max.ms", "10")
        .create()?;
    let mut partition = TopicPartitionList::new();
    partition.add_partition_offset(topic, 0, Offset::Beginning)?;
    blocking(move || {
        reader.assign(&partition)?;
        let mut records = 0;
        loop {
            match reader.poll(DEADLINE).context("the broker is silent")? {
                Ok(_) => records += 1,
                Err(KafkaError::PartitionEOF(_)) => return Ok(records),
                Err(error) => return Err(error.into()),
            }
        }
    })
    .await
}

#[tokio::test]
async fn highest_sequence_is_the_newest_wherever_it_lies() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;
    let mine = |sequence, number| (stage.source.clone(), Some(encoded(sequence, number)));

    write(&stage, vec![mine(1, 10), mine(3, 30), mine(2, 20)], None).await?;

    assert_eq!(stage.checkpoint_number().await?, Some(30));
    Ok(())
}

#[tokio::test]
async fn tombstone_forgets_the_position() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;
    let mine = |sequence, number| (stage.source.clone(), Some(encoded(sequence, number)));

    write(&stage, vec![mine(1, 10), (stage.source.clone(), None)], None).await?;
    assert_eq!(stage.checkpoint().await?, None);

    write(&stage, vec![mine(1, 5)], None).await?;
    assert_eq!(stage.checkpoint_number().await?, Some(5));
    Ok(())
}

#[tokio::test]
async fn checkpoint_of_a_newer_version_halts_instead_of_starting_over() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = stage().await?;
    let newer = br#"{"version":99,"relay_version":"9.9.9"}"#.to_vec();
    write(&stage, vec![(stage.source.clone(), Some(newer))], None).await?;

    let error = stage.start().await.err().context("it was not refused")?;

    assert_eq!(error.disposition(), Disposition::Halt);
    let is_newer = matches!(
        error,
        PublishError::Checkpoint(CheckpointError::NewerVersion { version: 99, .. })
    );
    assert!(is_newer, "{error}");
    Ok(())
}

#[tokio::test]
async fn publisher_resumes_where_the_one_before_ended_and_counts_on() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::new().await?;
    for life in 0..4 {
        let mut running = stage.start().await?;
        let resume = running.resume.as_ref().map_or(0, |resume| resume.coordinates.position);
        assert_eq!(resume, life * 10);
        running.send(stage.chunk(resume, resume + 10)).await;
        running.committed(resume + 10).await;
        running.close().await?;
    }

    // At each start, and with each batch.
    assert_eq!(stage.checkpoint().await?.context("no checkpoint")?.sequence, 8);
    Ok(())
}

#[tokio::test]
async fn first_start_is_stored_before_anything_is_published() -> Result<()> {
    needs!(Tier::Kafka);
    let stage = Stage::without_topic(KafkaBroker::shared().await?);

    stage.start().await?.close().await?;

    assert_eq!(stage.checkpoint_number().await?, Some(0));
    Ok(())
}

/// It shows that the relay lives, and that no other one has taken over.
#[tokio::test]
async fn quiet_server_has_its_checkpoint_stored_at_every_interval() -> Result<()> {
    needs!(Tier::Kafka);
    for delivery in [Delivery::ExactlyOnce, Delivery::AtLeastOnce] {
        let mut stage = Stage::without_topic(KafkaBroker::shared().await?);
        stage.delivery = delivery;
        stage.checkpoint.interval = Duration::from_millis(200);
        let mut running = stage.start().await?;
        running.send(stage.chunk(0, 7)).await;
        let before = running.committed(7).await;

        eventually("the checkpoint is stored again and again", DEADLINE, async || {
            Ok::<_, anyhow::Error>(stage.checkpoint().await?.is_some_and(|it| it.sequence > 5))
        })
        .await;

        let after = running.watched.borrow().clone();
        assert_eq!(after.position, before.position);
        assert_eq!(after.commit_timestamp_us, before.commit_timestamp_us);
        assert!(after.committed_at > before.committed_at);
        running.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn quiet_outbox_moves_the_checkpoint_at_its_interval_and_at_the_end() -> Result<()> {
    needs!(Tier::Kafka);
    let mut stage = Stage::without_topic(KafkaBroker::shared().await?);
    stage.checkpoint.interval = Duration::from_millis(300);
    let mut running = stage.start().await?;

    // Many transactions without outbox rows: few checkpoints.
    for number in 1..=200 {
        running.send(stage.chunk(number, number)).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    running.committed(200).await;
    running.send(stage.chunk(201, 201)).await;
    running.close().await?;

    let checkpoint = stage.checkpoint().await?.context("no checkpoint")?;
    assert_eq!(checkpoint.position.coordinates.position, 201);
    assert!((3..12).contains(&checkpoint.sequence), "{} checkpoints", checkpoint.sequence);
    Ok(())
}
