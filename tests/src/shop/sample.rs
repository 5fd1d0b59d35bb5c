//! A client of the topics as the reference's sample is one: bare JSON, no headers, a key or none, and
//! every record that is there, whether its transaction has committed or not.

use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::{
    Message as _,
    consumer::{Consumer as _, StreamConsumer},
    producer::{FutureProducer, FutureRecord},
};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::Shop;

const TAKEN_WITHIN: Duration = Duration::from_secs(30);

/// Writes to the shop's topics.
#[derive(Clone)]
pub struct SampleProducer {
    producer: FutureProducer,
    prefix: String,
}

impl SampleProducer {
    pub fn new(shop: &Shop) -> Result<Self> {
        Ok(Self { producer: shop.kafka.client().create()?, prefix: shop.topic("") })
    }

    /// With its fields by the alphabet and on many lines, as none of our services writes.
    pub async fn write(&self, topic: &str, key: Option<&str>, event: &Value) -> Result<()> {
        let topic = format!("{}{topic}", self.prefix);
        let payload = serde_json::to_string_pretty(event)?;
        let mut record = FutureRecord::to(&topic).payload(&payload);
        record.key = key;
        let sent = self.producer.send(record, TAKEN_WITHIN).await;
        sent.map_err(|(error, _)| error).with_context(|| format!("nothing written to {topic}"))?;
        Ok(())
    }
}

/// Reads topics of the shop from their beginnings, in a group of its own.
pub struct SampleConsumer {
    consumer: StreamConsumer,
    prefix: String,
}

impl SampleConsumer {
    pub fn new(shop: &Shop, group: &str, topics: &[&str]) -> Result<Self> {
        let consumer: StreamConsumer = shop
            .kafka
            .client()
            .set("group.id", shop.topic(group))
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_uncommitted")
            .create()?;
        let topics: Vec<String> = topics.iter().map(|topic| shop.topic(topic)).collect();
        consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(Self { consumer, prefix: shop.topic("") })
    }

    /// The next event, and the topic it was on.
    pub async fn read(&self) -> Result<(String, Value)> {
        let message = self.consumer.recv().await?;
        let topic = message.topic().strip_prefix(&self.prefix).context("a foreign topic")?;
        let payload = message.payload().context("a record without a value")?;
        let event = serde_json::from_slice(payload).context("a value that is no JSON")?;
        Ok((topic.to_owned(), event))
    }
}

/// A service of the sample: reads events, and answers each or not. It goes with the test.
pub struct SampleService {
    task: JoinHandle<Result<()>>,
}

impl SampleService {
    /// `answer` makes of an event the topic, the key and the next event.
    pub fn start(
        shop: &Shop,
        name: &str,
        topics: &[&str],
        answer: impl Fn(&Value) -> Option<(&'static str, Option<String>, Value)> + Send + 'static,
    ) -> Result<Self> {
        let (consumer, producer) =
            (SampleConsumer::new(shop, name, topics)?, SampleProducer::new(shop)?);
        let task = tokio::spawn(async move {
            loop {
                let (_, event) = consumer.read().await?;
                if let Some((topic, key, next)) = answer(&event) {
                    producer.write(topic, key.as_deref(), &next).await?;
                }
            }
        });
        Ok(Self { task })
    }

    /// # Panics
    /// If it has ended, for it only ends in an error.
    pub fn assert_running(&self) {
        assert!(!self.task.is_finished(), "the sample's service has ended");
    }
}

impl Drop for SampleService {
    fn drop(&mut self) {
        self.task.abort();
    }
}
