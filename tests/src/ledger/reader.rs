//! A topic → what the ledger needs of its records.
//!
//! Promises: `read_to_end` returns when every partition has been read to where a consumer of this
//! isolation can read now; what it read before is not read again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    message::Headers,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Arrival, Consumed, EventId, Extent, Ledger, Verdict};
use crate::control::blocking;

/// Without any record or end of partition for so long, the broker is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

const READ_INTERVAL: Duration = Duration::from_millis(50);

/// What a consumer gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Only records of committed Kafka transactions, up to the first open one.
    ReadCommitted,
    /// Everything in the log, aborted transactions included.
    ReadUncommitted,
}

/// Reads one topic of one run.
pub struct Reader {
    state: Arc<Mutex<State>>,
}

struct State {
    consumer: BaseConsumer,
    topic: String,
    run: u32,
    /// By partition: the Kafka offset to read next.
    next: BTreeMap<i32, i64>,
    consumed: Consumed,
}

impl Reader {
    /// From the beginning of `topic`, which need not be there yet.
    pub fn new(client: &ClientConfig, topic: &str, run: u32, isolation: Isolation) -> Result<Self> {
        let isolation = match isolation {
            Isolation::ReadCommitted => "read_committed",
            Isolation::ReadUncommitted => "read_uncommitted",
        };
        let consumer = client
            .clone()
            .set("group.id", "rowpost-tests-reader")
            .set("isolation.level", isolation)
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("allow.auto.create.topics", "false")
            // SERVER: with the default of 500 ms the end of a partition is known half a second late.
            .set("fetch.wait.max.ms", "10")
            .create()?;
        let (next, consumed) = (BTreeMap::new(), Consumed::default());
        let state = State { consumer, topic: topic.to_owned(), run, next, consumed };
        Ok(Self { state: Arc::new(Mutex::new(state)) })
    }

    /// Reads what is there now. Returns how many records were read so far in all.
    ///
    /// SERVER: a commit returns to the producer before its markers are in every partition: what was
    /// committed a moment ago may not be there yet. [`Self::complete_within`] waits for it.
    pub async fn read_to_end(&self) -> Result<u64> {
        let state = Arc::clone(&self.state);
        blocking(move || {
            let mut state = lock(&state);
            state.read_to_end()?;
            Ok(state.consumed.records())
        })
        .await
    }

    /// Reads until every committed row has arrived.
    ///
    /// # Panics
    /// With the verdict: when something is wrong, or still missing after `limit`.
    pub async fn complete_within(&self, limit: Duration, ledger: &Ledger) -> Result<()> {
        let started = Instant::now();
        loop {
            let records = self.read_to_end().await?;
            let is_late = started.elapsed() > limit;
            if records >= ledger.committed() || is_late {
                let verdict = self.verdict(ledger);
                assert!(verdict.is_sound(), "{verdict}");
                assert!(!is_late || verdict.is_complete(), "not within {limit:?}: {verdict}");
                if verdict.is_complete() {
                    return Ok(());
                }
            }
            tokio::time::sleep(READ_INTERVAL).await;
        }
    }

    /// What was read so far against what was written.
    pub fn verdict(&self, ledger: &Ledger) -> Verdict {
        ledger.compare(&lock(&self.state).consumed)
    }

    /// How much was read so far, and from when it is; `None` before the first record.
    pub fn extent(&self) -> Option<Extent> {
        lock(&self.state).consumed.extent()
    }

    /// Records read so far whose event had come before.
    pub fn duplicates(&self) -> u64 {
        lock(&self.state).consumed.duplicates()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn read_to_end(&mut self) -> Result<()> {
        let mut unfinished = self.partitions()?;
        if unfinished.is_empty() {
            return Ok(());
        }
        // A new assignment makes the client report every partition's end anew.
        let mut assignment = TopicPartitionList::new();
        for partition in &unfinished {
            let offset =
                self.next.get(partition).map_or(Offset::Beginning, |next| Offset::Offset(*next));
            assignment.add_partition_offset(&self.topic, *partition, offset)?;
        }
        self.consumer.assign(&assignment)?;
        let mut last_sign = Instant::now();
        while !unfinished.is_empty() {
            match self.consumer.poll(Duration::from_millis(100)) {
                None if last_sign.elapsed() > SILENCE_MAX => {
                    let seconds = SILENCE_MAX.as_secs();
                    bail!("no sign of {}, partitions {unfinished:?}, for {seconds} s", self.topic);
                }
                None => continue,
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    unfinished.retain(|candidate| *candidate != partition);
                }
                // Lost connections among them: the client mends those, or the silence ends it.
                Some(Err(error)) if is_passing(&error) => continue,
                Some(Err(error)) => return Err(error).context("cannot read from Kafka"),
                Some(Ok(message)) => {
                    self.next.insert(message.partition(), message.offset() + 1);
                    let timestamp_ms = message.timestamp().to_millis().unwrap_or_default();
                    self.consumed.measure(timestamp_ms, bytes(&message));
                    match parse(&message) {
                        Ok(event) => {
                            let partition = message.partition();
                            self.consumed.add(self.run, Arrival { event, partition });
                        }
                        Err(error) => {
                            let (partition, kafka_offset) = (message.partition(), message.offset());
                            self.consumed
                                .add_malformed(format!("{partition}@{kafka_offset}: {error:#}"));
                        }
                    }
                }
            }
            last_sign = Instant::now();
        }
        Ok(())
    }

    /// None while the topic is not there.
    fn partitions(&self) -> Result<Vec<i32>> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), SILENCE_MAX)?;
        let topic = metadata.topics().first().context("no answer about the topic")?;
        if topic.error().is_some() {
            return Ok(Vec::new());
        }
        Ok(topic.partitions().iter().map(rdkafka::metadata::MetadataPartition::id).collect())
    }
}

fn is_passing(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
        )
    )
}

/// Key, value and headers.
fn bytes(message: &impl Message) -> usize {
    let headers = message.headers().map_or(0, |headers| {
        headers.iter().map(|header| header.key.len() + header.value.map_or(0, <[u8]>::len)).sum()
    });
    [message.key(), message.payload()].into_iter().flatten().map(<[u8]>::len).sum::<usize>()
        + headers
}

/// The event that the record says it is, after its key and payload have said the same.
pub(crate) fn parse(message: &impl Message) -> Result<EventId> {
    let headers = message.headers().context("no headers")?;
    let id = headers.iter().find(|header| header.key == "id").context("no header `id`")?;
    let id = id.value.context("an empty header `id`")?;
    let event = EventId::from_uuid(Uuid::try_parse_ascii(id).context("header `id`")?);
    let key = message.key().context("no key")?;
    if key != event.aggregate_id().as_bytes() {
        bail!("{event} has the key `{}`", String::from_utf8_lossy(key));
    }
    let payload: Value = serde_json::from_slice(message.payload().context("no payload")?)?;
    let field = |name: &str| payload.get(name).and_then(Value::as_u64);
    let said = (field("key"), field("sequence"));
    if said != (Some(event.key.into()), Some(event.sequence.into())) {
        return Err(anyhow!("{event} has the payload of another: {said:?}"));
    }
    Ok(event)
}
