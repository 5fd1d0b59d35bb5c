//! Records → Kafka transactions: fill, checkpoint, flush; the commit on a second thread.

use std::{
    sync::{
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, anyhow, bail};
use rdkafka::{
    ClientConfig, ClientContext,
    error::RDKafkaErrorCode,
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
};

use super::{Options, Outcome, records::Record, settings::Settings};

/// A relay's checkpoint is about so large.
const CHECKPOINT_BYTES: usize = 200;
/// As the relay: how long to wait when librdkafka's queue is full.
const QUEUE_FULL_PAUSE: Duration = Duration::from_micros(500);
/// Of one call; nothing here is expected to take seconds.
const LIMIT: Duration = Duration::from_secs(30);

/// Counts what was not delivered: a flush that succeeded says nothing about that.
#[derive(Debug, Default)]
struct Failures(AtomicU64);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, _record: usize) {
        if result.is_err() {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// One transactional id.
struct Slot {
    producer: ThreadedProducer<Failures>,
}

/// Produces all records and returns once the last is committed.
pub(super) fn produce(
    settings: &Settings,
    options: &Options,
    records: &[Record],
) -> Result<Outcome> {
    let mut slots = Vec::new();
    for config in &settings.producers {
        slots.push(Slot::open(config)?);
    }
    let (flushed, to_commit) = mpsc::channel();
    let (freed, free) = mpsc::channel();
    for slot in 0..slots.len() {
        freed.send(slot)?;
    }
    let slots = slots.as_slice();
    let kafka_transactions = thread::scope(|scope| {
        let committer = scope.spawn(move || commit(slots, &to_commit, &freed));
        let filled = fill(slots, settings, options, records, &free, flushed);
        let committed = committer.join().map_err(|_| anyhow!("the committer panicked"))?;
        // The committer's error is the cause where both have one.
        committed.and(filled)
    })?;
    Ok(Outcome { kafka_transactions })
}

/// Fills one slot after the other, and hands each to the committer once it is flushed.
fn fill(
    slots: &[Slot],
    settings: &Settings,
    options: &Options,
    records: &[Record],
    free: &Receiver<usize>,
    flushed: Sender<usize>,
) -> Result<u64> {
    let checkpoint = vec![b'c'; CHECKPOINT_BYTES];
    let mut transactions = 0;
    for batch in batches(records, settings) {
        let number = free.recv().context("the committer has ended")?;
        let slot = slots.get(number).context("no such slot")?;
        let timestamp_ms = now_ms();
        for (ordinal, record) in batch.iter().enumerate() {
            slot.offer(outgoing(record, &options.topic, timestamp_ms, ordinal))?;
        }
        slot.offer(BaseRecord {
            topic: &settings.checkpoint_topic,
            partition: Some(0),
            payload: Some(&checkpoint),
            key: Some(options.source.as_bytes()),
            timestamp: None,
            headers: None,
            delivery_opaque: usize::MAX,
        })?;
        // ORDER: as the relay: the next transaction is filled only when this one is acknowledged.
        slot.flush()?;
        flushed.send(number).context("the committer has ended")?;
        transactions += 1;
    }
    Ok(transactions)
}

/// Commits in order and gives the slots back, already begun.
fn commit(slots: &[Slot], to_commit: &Receiver<usize>, freed: &Sender<usize>) -> Result<()> {
    for number in to_commit {
        let slot = slots.get(number).context("no such slot")?;
        slot.producer.commit_transaction(LIMIT)?;
        slot.producer.begin_transaction()?;
        // At the end nobody waits for a slot any more.
        freed.send(number).unwrap_or(());
    }
    Ok(())
}

/// Up to the relay's limits, whichever comes first.
fn batches<'a>(records: &'a [Record], settings: &Settings) -> impl Iterator<Item = &'a [Record]> {
    let (records_max, bytes_max) = (settings.batch_records_max, settings.batch_bytes_max);
    let mut rest = records;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |record: &&Record| {
            bytes += record.key.len() + record.value.len() + record.event_id.len();
            bytes <= bytes_max
        };
        let count = rest.iter().take(records_max).take_while(fits).count();
        let (batch, later) = rest.split_at_checked(count.max(1).min(rest.len()))?;
        rest = later;
        (!batch.is_empty()).then_some(batch)
    })
}

fn outgoing<'a>(
    record: &'a Record,
    topic: &'a str,
    timestamp_ms: i64,
    ordinal: usize,
) -> BaseRecord<'a, [u8], [u8], usize> {
    let event_id = Header { key: "id", value: Some(record.event_id.as_bytes()) };
    BaseRecord {
        topic,
        partition: None,
        payload: Some(record.value.as_bytes()),
        key: Some(record.key.as_bytes()),
        timestamp: Some(timestamp_ms),
        headers: Some(OwnedHeaders::new_with_capacity(1).insert(event_id)),
        delivery_opaque: ordinal,
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Slot {
    /// Connects, fences, and begins the first transaction.
    fn open(config: &ClientConfig) -> Result<Self> {
        let producer: ThreadedProducer<Failures> =
            config.create_with_context(Failures::default())?;
        producer.init_transactions(LIMIT)?;
        producer.begin_transaction()?;
        Ok(Self { producer })
    }

    fn offer(&self, mut record: BaseRecord<'_, [u8], [u8], usize>) -> Result<()> {
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, returned)) => {
                    if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                        return Err(error).context("librdkafka does not take a record");
                    }
                    record = returned;
                    thread::sleep(QUEUE_FULL_PAUSE);
                }
            }
        }
    }

    /// Waits until every record is acknowledged.
    fn flush(&self) -> Result<()> {
        let limit_ms = i32::try_from(LIMIT.as_millis()).unwrap_or(i32::MAX);
        #[expect(
            unsafe_code,
            reason = "the crate's own flush polls in slices of 100 ms, which would lower the ceiling"
        )]
        // SAFETY: the pointer is that of a live client, which `self.producer` keeps alive for the whole
        // call; librdkafka's functions are thread-safe; the call takes no other pointer.
        let answer = unsafe {
            rdkafka::bindings::rd_kafka_flush(self.producer.client().native_ptr(), limit_ms)
        };
        if answer != rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            bail!("records are not acknowledged within {LIMIT:?}");
        }
        match self.producer.client().context().0.load(Ordering::Relaxed) {
            0 => Ok(()),
            failures => bail!("{failures} records were not delivered"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(count: usize) -> Vec<Record> {
        let record = Record { key: "k".into(), event_id: "12345".into(), value: "1234".into() };
        vec![record; count]
    }

    fn sizes(records_max: usize, bytes_max: usize, count: usize) -> Vec<usize> {
        let settings = Settings {
            producers: Vec::new(),
            checkpoint_topic: String::new(),
            batch_records_max: records_max,
            batch_bytes_max: bytes_max,
        };
        batches(&records(count), &settings).map(<[Record]>::len).collect()
    }

    #[test]
    fn batch_ends_at_the_first_limit_it_reaches_and_none_is_left_out() {
        assert_eq!(sizes(10, 1_000_000, 25), [10, 10, 5]);
        assert_eq!(sizes(10, 35, 7), [3, 3, 1]);
        assert_eq!(sizes(10, 1_000_000, 0), [0; 0]);
    }

    #[test]
    fn record_over_the_limit_goes_alone() {
        assert_eq!(sizes(10, 9, 2), [1, 1]);
    }
}
