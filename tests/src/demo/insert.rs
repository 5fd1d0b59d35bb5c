//! One outbox row by hand → the same row in Kafka.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mysql_async::prelude::Queryable;
use rdkafka::{Message, consumer::BaseConsumer, message::Headers};
use uuid::Uuid;

use super::{
    DATABASE, Servers,
    stage::{PARTITIONS, SINGLY},
    tail,
    text::{duration, say},
};
use crate::{KafkaBroker, MysqlServer, control::blocking, outbox};

const LIMIT: Duration = Duration::from_secs(15);

/// The row's own columns; the others are as every row of the demo has them.
#[derive(Debug)]
pub struct Insert {
    pub servers: Servers,
    pub key: String,
    pub event_type: String,
    /// JSON.
    pub payload: String,
}

/// Inserts it and waits; true when it arrived.
pub async fn insert(insert: &Insert) -> Result<bool> {
    let Insert { servers, key, event_type, payload } = insert;
    let mysql = MysqlServer::at(servers.setup, servers.mysql_url.clone()).await?;
    let kafka = KafkaBroker::at(servers.kafka.clone());
    let topic = outbox::topic(SINGLY);
    let consumer = tail::consumer(&kafka.client(), &[&topic], PARTITIONS)?;
    let consumer = tail::at_end(consumer).await?;
    let id = Uuid::new_v4();

    let mut connection = mysql.connect().await?;
    let head = format!(
        "insert into {DATABASE}.outbox (id, aggregatetype, aggregateid, type, payload) values"
    );
    let values = (id.to_string(), SINGLY, key, event_type, payload);
    let inserted = connection.exec_drop(format!("{head} (?, ?, ?, ?, ?)"), values).await;
    let committed_at = Instant::now();
    inserted.context("cannot insert the row")?;
    connection.disconnect().await?;
    say(format!("committed: {head}"));
    say(format!("           ('{id}', '{SINGLY}', '{key}', '{event_type}', '{payload}')"));

    let found = blocking(move || Ok(find(&consumer, id))).await?;
    match found {
        Some((at, what)) => {
            let latency = duration(at.saturating_duration_since(committed_at));
            say(format!("arrived:   {topic}{what}, {latency} after the commit"));
            Ok(true)
        }
        None => {
            say(format!(
                "it did not arrive in {topic} within {} s: does the relay run?",
                LIMIT.as_secs()
            ));
            Ok(false)
        }
    }
}

/// The record with this event id: when it came, and its place, key and value.
fn find(consumer: &BaseConsumer, id: Uuid) -> Option<(Instant, String)> {
    let (id, started) = (id.to_string(), Instant::now());
    while started.elapsed() < LIMIT {
        let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        let at = Instant::now();
        let is_it = message.headers().is_some_and(|headers| {
            headers.iter().any(|header| {
                header.key == "id" && header.value.is_some_and(|value| value == id.as_bytes())
            })
        });
        if is_it {
            let text = |bytes: Option<&[u8]>| {
                String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
            };
            let (partition, kafka_offset) = (message.partition(), message.offset());
            let (key, value) = (text(message.key()), text(message.payload()));
            return Some((at, format!("/{partition} at offset {kafka_offset}, {key}: {value}")));
        }
    }
    None
}
