//! A topic → its records, whole: what a consumer gets that reads committed records only.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers,
};
use rowpost_tests::KafkaBroker;

use crate::stack::LONG;

/// How often a topic is read anew while records are missing.
const READ_INTERVAL: Duration = Duration::from_millis(50);

/// One record, all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
    pub(crate) timestamp_ms: i64,
}

impl Record {
    /// What the first header, the event id's, says.
    pub(crate) fn event_id(&self) -> &str {
        let (_, id) = self.headers.first().expect("every record has the event id");
        str::from_utf8(id.as_deref().unwrap_or_default()).expect("the event id is text")
    }

    pub(crate) fn value_text(&self) -> &str {
        let value = self.value.as_deref().expect("not a tombstone");
        str::from_utf8(value).expect("the payload is text")
    }
}

/// Waits until `topic` holds `count` records, and reads it from its beginning to its end: more than
/// `count` come back when there are more. In order within each partition.
pub(crate) async fn read(kafka: &KafkaBroker, topic: &str, count: usize) -> Result<Vec<Record>> {
    let started = Instant::now();
    loop {
        let records = read_now(kafka, topic).await?;
        if records.len() >= count {
            return Ok(records);
        }
        if started.elapsed() > LONG {
            bail!("{} of {count} records in {topic} within {LONG:?}: {records:?}", records.len());
        }
        tokio::time::sleep(READ_INTERVAL).await;
    }
}

/// What is there now; nothing while the topic is not there.
pub(crate) async fn read_now(kafka: &KafkaBroker, topic: &str) -> Result<Vec<Record>> {
    let (client, topic) = (kafka.client(), topic.to_owned());
    let read = tokio::task::spawn_blocking(move || read_to_end(&consumer(client)?, &topic));
    read.await.context("the consumer panicked")?
}

/// The committed record at one offset; `None` if what is there is none.
pub(crate) async fn read_at(
    kafka: &KafkaBroker,
    topic: &str,
    partition: i32,
    offset: i64,
) -> Result<Option<Record>> {
    let (client, topic) = (kafka.client(), topic.to_owned());
    let read = tokio::task::spawn_blocking(move || {
        let consumer = consumer(client)?;
        let mut assignment = TopicPartitionList::new();
        assignment.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
        consumer.assign(&assignment)?;
        let started = Instant::now();
        while started.elapsed() < LONG {
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) => return Err(error).context("cannot read from Kafka"),
                Some(Ok(message)) => {
                    return Ok((message.offset() == offset).then(|| record(&message)));
                }
            }
        }
        bail!("nothing comes from {topic}")
    });
    read.await.context("the consumer panicked")?
}

fn consumer(mut client: ClientConfig) -> Result<BaseConsumer> {
    let consumer = client
        .set("group.id", "rowpost-tests-consumer")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("fetch.message.max.bytes", (64 << 20).to_string())
        .set("receive.message.max.bytes", (130 << 20).to_string())
        .set("fetch.wait.max.ms", "10")
        .create()?;
    Ok(consumer)
}

fn read_to_end(consumer: &BaseConsumer, topic: &str) -> Result<Vec<Record>> {
    let metadata = consumer.fetch_metadata(Some(topic), LONG)?;
    let found = metadata.topics().first().context("no answer about the topic")?;
    if found.error().is_some() {
        return Ok(Vec::new());
    }
    let mut assignment = TopicPartitionList::new();
    for partition in found.partitions() {
        assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
    }
    consumer.assign(&assignment)?;
    let mut unfinished = found.partitions().len();
    let mut records = Vec::new();
    let started = Instant::now();
    while unfinished > 0 {
        match consumer.poll(Duration::from_millis(100)) {
            None if started.elapsed() > LONG => bail!("the end of {topic} does not come"),
            None => {}
            Some(Err(KafkaError::PartitionEOF(_))) => unfinished -= 1,
            Some(Err(error)) => return Err(error).context("cannot read from Kafka"),
            Some(Ok(message)) => records.push(record(&message)),
        }
    }
    Ok(records)
}

fn record(message: &impl Message) -> Record {
    let headers = message.headers().map_or_else(Vec::new, |headers| {
        headers
            .iter()
            .map(|header| (header.key.to_owned(), header.value.map(<[u8]>::to_vec)))
            .collect()
    });
    Record {
        partition: message.partition(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.payload().map(<[u8]>::to_vec),
        headers,
        timestamp_ms: message.timestamp().to_millis().expect("every record has a timestamp"),
    }
}
