//! A topic with records that no relay wrote, and a consumer on it.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::{Header, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use rowpost_outbox::{
    CancellationToken, Consumer, ConsumerConfig, ConsumerError, MySqlPool, Received,
};
use rowpost_tests::{KafkaBroker, notebook::Notebook};
use tokio::task::JoinHandle;

/// Longer than anything takes on a busy machine of two cores.
pub(crate) const LONG: Duration = Duration::from_secs(120);

pub(crate) struct Topic {
    pub(crate) kafka: &'static KafkaBroker,
    pub(crate) name: String,
    produced: AtomicU32,
}

impl Topic {
    pub(crate) async fn create(name: &str, partitions: i32) -> Result<Self> {
        let kafka = KafkaBroker::shared().await?;
        let name = format!("{name}_{}", std::process::id());
        kafka.create_topic(&name, partitions, &[]).await?;
        Ok(Self { kafka, name, produced: AtomicU32::new(0) })
    }

    /// One record for each text, with the ids `<partition>-<n>`; `n` counts all records of the topic.
    pub(crate) async fn produce(&self, partition: i32, texts: &[&str]) -> Result<()> {
        let producer: FutureProducer = self.kafka.client().create()?;
        for text in texts {
            let number = self.produced.fetch_add(1, Ordering::Relaxed);
            let id = format!("{partition}-{number}");
            let headers = OwnedHeaders::new()
                .insert(Header { key: "id", value: Some(&id) })
                .insert(Header { key: "correlation-id", value: Some("saga-1") });
            let payload = format!("{{\"text\": \"{text}\"}}");
            let record = FutureRecord::to(&self.name)
                .partition(partition)
                .key(*text)
                .payload(&payload)
                .headers(headers);
            producer.send(record, LONG).await.map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// A consumer of the topic's name that is quick to give up.
    pub(crate) fn config(&self) -> ConsumerConfig {
        ConsumerConfig {
            attempts_max: NonZeroU32::new(3).expect("3 is not 0"),
            backoff_first: Duration::from_millis(50),
            ..ConsumerConfig::new(&self.name, [&self.name])
        }
    }

    pub(crate) fn run(&self, pool: &MySqlPool, notebook: &Notebook) -> Result<Running> {
        self.run_with(&self.kafka.client(), self.config(), pool, notebook)
    }

    pub(crate) fn run_with(
        &self,
        client: &ClientConfig,
        config: ConsumerConfig,
        pool: &MySqlPool,
        notebook: &Notebook,
    ) -> Result<Running> {
        let stop = CancellationToken::new();
        let consumer = Consumer::new(client, pool.clone(), config, notebook.clone())?;
        Ok(Running { task: tokio::spawn(consumer.run(stop.clone())), stop })
    }

    /// What the group has committed, over all partitions; 0 where nothing.
    pub(crate) async fn committed(&self) -> Result<i64> {
        let (mut client, name) = (self.kafka.client(), self.name.clone());
        tokio::task::spawn_blocking(move || {
            let reader: BaseConsumer = client.set("group.id", &name).create()?;
            let metadata = reader.fetch_metadata(Some(&name), LONG)?;
            let found = metadata.topics().first().context("no answer about the topic")?;
            let mut partitions = TopicPartitionList::new();
            for partition in found.partitions() {
                partitions.add_partition(&name, partition.id());
            }
            let committed = reader.committed_offsets(partitions, LONG)?;
            let offsets = committed.elements();
            Ok(offsets.iter().filter_map(|place| place.offset().to_raw()).map(|o| o.max(0)).sum())
        })
        .await?
    }

    /// The first records of the dead-letter topic, once there are so many.
    pub(crate) async fn dead_letters(&self, count: usize) -> Result<Vec<Received>> {
        self.read(format!("{}.dead-letter", self.name), count).await
    }

    /// The first records of all partitions, once there are so many.
    pub(crate) async fn records(&self, count: usize) -> Result<Vec<Received>> {
        self.read(self.name.clone(), count).await
    }

    /// 0 where there is no such topic; a consumer's question makes none.
    pub(crate) async fn dead_letter_partitions(&self) -> Result<usize> {
        let (client, topic) = (self.kafka.client(), format!("{}.dead-letter", self.name));
        tokio::task::spawn_blocking(move || {
            let reader: BaseConsumer = client.create()?;
            let metadata = reader.fetch_metadata(Some(&topic), LONG)?;
            Ok(metadata.topics().first().map_or(0, |topic| topic.partitions().len()))
        })
        .await?
    }

    async fn read(&self, topic: String, count: usize) -> Result<Vec<Received>> {
        let mut client = self.kafka.client();
        client.set("group.id", "rowpost-tests-reader").set("isolation.level", "read_committed");
        tokio::task::spawn_blocking(move || {
            let reader: BaseConsumer = client.create()?;
            let metadata = reader.fetch_metadata(Some(&topic), LONG)?;
            let found = metadata.topics().first().context("no answer about the topic")?;
            let mut partitions = TopicPartitionList::new();
            for partition in found.partitions() {
                partitions.add_partition_offset(&topic, partition.id(), Offset::Beginning)?;
            }
            reader.assign(&partitions)?;
            let mut records = Vec::new();
            while records.len() < count {
                records.push(Received::of(&reader.poll(LONG).context("no record")??));
            }
            Ok(records)
        })
        .await?
    }
}

pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<(), ConsumerError>>,
}

impl Running {
    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await??)
    }
}
