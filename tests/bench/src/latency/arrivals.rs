//! A topic → when each record reached a `read_committed` consumer.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::{BorrowedMessage, Headers},
};
use rowpost_tests::ledger::EventId;
use uuid::Uuid;

use crate::stand::PARTITIONS;

/// How long one poll waits; it returns as soon as there is a record.
const POLL: Duration = Duration::from_millis(100);

/// A consumer on a thread of its own.
pub(super) struct Arrivals {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: JoinHandle<Result<HashMap<EventId, Instant>>>,
}

impl Arrivals {
    /// Reads all of `topic`, from its beginning.
    pub(super) fn watch(client: &ClientConfig, topic: &str) -> Result<Self> {
        let consumer: BaseConsumer = client
            .clone()
            .set("group.id", "rowpost-bench-latency")
            .set("isolation.level", "read_committed")
            .set("enable.auto.commit", "false")
            // The broker answers as soon as there is one record to read ...
            .set("fetch.min.bytes", "1")
            // ... and a fetch that missed its record is not stuck for half a second.
            .set("fetch.wait.max.ms", "50")
            .create()?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            assignment.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicU64::new(0));
        let thread = {
            let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
            thread::spawn(move || consume(&consumer, &stop, &count))
        };
        Ok(Self { stop, count, thread })
    }

    /// Records so far.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// By event, its first arrival.
    pub(super) fn finish(self) -> Result<HashMap<EventId, Instant>> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the consumer panicked"))?
    }
}

fn consume(
    consumer: &BaseConsumer,
    stop: &AtomicBool,
    count: &AtomicU64,
) -> Result<HashMap<EventId, Instant>> {
    let mut arrivals = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let Some(message) = consumer.poll(POLL) else { continue };
        let arrived_at = Instant::now();
        arrivals.entry(event(&message?)?).or_insert(arrived_at);
        count.fetch_add(1, Ordering::Relaxed);
    }
    Ok(arrivals)
}

fn event(message: &BorrowedMessage<'_>) -> Result<EventId> {
    let headers = message.headers().context("a record without headers")?;
    let id = headers.iter().find(|header| header.key == "id").and_then(|header| header.value);
    Ok(EventId::from_uuid(Uuid::try_parse_ascii(id.context("a record without the header `id`")?)?))
}
