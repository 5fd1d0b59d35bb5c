//! Every record of the shop's topics once more, with the same headers: a relay that is not exactly
//! once, or a broker that was restored.

use std::time::Duration;

use anyhow::Result;
use rdkafka::{
    Message as _,
    consumer::{Consumer as _, StreamConsumer},
    message::{Header, Headers as _, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use tokio::task::JoinHandle;

use super::Shop;

/// Of what was copied; not copied again.
const MARK: &str = "copied-by-test";

pub struct Duplicator {
    task: JoinHandle<()>,
}

impl Duplicator {
    /// Copies until it is dropped.
    pub fn start(shop: &Shop) -> Result<Self> {
        let consumer: StreamConsumer = shop
            .kafka
            .client()
            .set("group.id", shop.topic("duplicator"))
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .create()?;
        let topics = [
            "inventory",
            "payment",
            "order",
            "shop.inventory.commands",
            "shop.payment.commands",
            "shop.order.replies",
        ]
        .map(|topic| shop.topic(topic));
        consumer.subscribe(&topics.each_ref().map(String::as_str))?;
        let producer: FutureProducer = shop.kafka.client().create()?;
        let task = tokio::spawn(async move {
            loop {
                let message = consumer.recv().await.expect("the broker delivers");
                let message = message.detach();
                let headers = message.headers().cloned().unwrap_or_else(OwnedHeaders::new);
                if headers.iter().any(|header| header.key == MARK) {
                    continue;
                }
                let headers = headers.insert(Header { key: MARK, value: Some("yes") });
                let mut copy = FutureRecord::to(message.topic())
                    .partition(message.partition())
                    .headers(headers);
                copy.key = message.key();
                copy.payload = message.payload();
                producer.send(copy, Duration::from_secs(30)).await.expect("the broker takes it");
            }
        });
        Ok(Self { task })
    }
}

impl Drop for Duplicator {
    fn drop(&mut self) {
        self.task.abort();
    }
}
