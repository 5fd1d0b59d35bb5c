//! Topics → their records, the moment a `read_committed` consumer has them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};
use tokio::sync::mpsc;

use crate::{
    control::blocking,
    ledger::{EventId, reader},
};

/// Records that wait for the story to take them up.
const WAITING_MAX: usize = 10_000;
/// How soon the thread notices that nobody listens any more.
const POLL_LIMIT: Duration = Duration::from_millis(100);

/// For the consumer to reach the ends of empty partitions.
const END_LIMIT: Duration = Duration::from_secs(30);

/// A record in the hands of the consumer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived {
    pub(super) event: EventId,
    pub(super) partition: i32,
    pub(super) at: Instant,
}

/// A consumer that reads the topics from their beginnings on. The partitions are assigned by hand: no
/// group, so no rebalance takes time.
pub(super) fn consumer(
    client: &ClientConfig,
    topics: &[&str],
    partitions: i32,
) -> Result<BaseConsumer> {
    let consumer: BaseConsumer = client
        .clone()
        .set("group.id", "rowpost-demo")
        .set("isolation.level", "read_committed")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "true")
        .create()
        .context("cannot make a consumer")?;
    let mut assignment = TopicPartitionList::new();
    for topic in topics {
        for partition in 0..partitions {
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

/// The consumer once it has passed the end of every partition: its connections are made then, and
/// what comes next is new.
pub(super) async fn at_end(consumer: BaseConsumer) -> Result<BaseConsumer> {
    blocking(move || {
        let mut left = consumer.assignment()?.count();
        let started = Instant::now();
        while left > 0 {
            if started.elapsed() > END_LIMIT {
                bail!("the consumer does not reach the ends of {left} partitions");
            }
            if let Some(Err(KafkaError::PartitionEOF(_))) = consumer.poll(POLL_LIMIT) {
                left -= 1;
            }
        }
        Ok(consumer)
    })
    .await
}

/// Hands on every record of the harness's writers until the receiver is dropped.
pub(super) fn follow(consumer: BaseConsumer) -> mpsc::Receiver<Arrived> {
    let (arrived, arrivals) = mpsc::channel(WAITING_MAX);
    thread::spawn(move || {
        while !arrived.is_closed() {
            // An error is an end of a partition again, or a connection that the client mends by itself.
            let Some(Ok(message)) = consumer.poll(POLL_LIMIT) else { continue };
            let at = Instant::now();
            // A record that cannot be understood is the closing's to report: it reads all of them.
            let Ok(event) = reader::parse(&message) else { continue };
            let partition = message.partition();
            if arrived.blocking_send(Arrived { event, partition, at }).is_err() {
                break;
            }
        }
    });
    arrivals
}
