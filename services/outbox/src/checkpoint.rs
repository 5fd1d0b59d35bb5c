//! The relay's checkpoint topic → how far the binlog is published.
//!
//! It is read from Kafka and not from a relay's `/api/status`: the topic is what the next relay begins
//! with, whichever machine that is on, and it is there while no relay runs. A status page says what one
//! process believes, which may have been fenced since, and a service would have to know its address.
//!
//! Promises:
//! - only committed checkpoints count: everything before one is in Kafka for good;
//! - what cannot be read is an error, never taken for a position.
//!
//! Before this: the relay. After this: [`prune`](crate::prune).

use std::{
    cmp::Ordering,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    types::RDKafkaErrorCode,
};
use serde::{Deserialize, de::IgnoredAny};

use crate::blocking::blocking;

/// The newest format that is understood.
const FORMAT_MAX: u32 = 1;
/// Of a start from the outbox tables: what is in them may not be out.
const FORMAT_OF_TABLE_START: u32 = 2;
/// Tells prepared XA branches besides.
const FORMAT_OF_PREPARED: u32 = 3;
/// Limit of one read; a broker that takes longer counts as away.
const READ_MAX: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(100);
/// Offsets looked at first. A checkpoint takes two, with its transaction's marker.
const WINDOW: i64 = 16;
const WINDOW_GROWTH: i64 = 16;

/// Why the position is not known.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Kafka refuses or is gone, or there is no such topic.
    #[error(
        "the relay's checkpoint topic `{topic}` cannot be read: {source}; it is \
         `rowpost.<source>.checkpoint` of the relay's configuration, and this client needs to read it"
    )]
    Kafka {
        /// As asked for.
        topic: String,
        /// librdkafka's words.
        source: KafkaError,
    },
    /// A record that no relay wrote.
    #[error("offset {kafka_offset} of `{topic}` is no checkpoint: {source}")]
    Malformed {
        /// Where it lies.
        topic: String,
        /// Where it lies.
        kafka_offset: i64,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The relay is newer than this crate.
    #[error(
        "`{topic}` holds checkpoints of format {format}, this version reads up to {FORMAT_MAX}: \
         update the service"
    )]
    NewerFormat {
        /// Where it lies.
        topic: String,
        /// As written.
        format: u32,
    },
}

/// What is published, as far as pruning wants to know.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Checkpoint {
    /// Each has a higher one than the one before.
    pub sequence: u64,
    /// Everything before it is in Kafka.
    pub position: Position,
}

/// A place in the binlog of one server. A transaction that is partly out lies behind it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Position {
    /// Whose files `coordinates` names.
    pub server_uuid: String,
    /// The end of the last whole transaction.
    pub coordinates: Coordinates,
    /// In MySQL's text form; `None` where the source has no GTIDs.
    pub gtid_set: Option<String>,
}

/// File and byte of a binlog. Ordered within one series of files only.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Coordinates {
    /// For example `bin-log.000042`.
    pub file: String,
    /// Bytes from its start.
    pub position: u64,
}

impl PartialOrd for Coordinates {
    /// SERVER: the number is padded to six digits and grows past them, so names do not sort as text.
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self.file == other.file {
            return Some(self.position.cmp(&other.position));
        }
        let (base, number) = self.file.rsplit_once('.')?;
        let (other_base, other_number) = other.file.rsplit_once('.')?;
        let order = number.parse::<u64>().ok()?.cmp(&other_number.parse().ok()?);
        (base == other_base && order != Ordering::Equal).then_some(order)
    }
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// What format 3 says besides.
#[derive(Deserialize)]
struct Prepared {
    position: PreparedPosition,
}

#[derive(Deserialize)]
struct PreparedPosition {
    #[serde(default)]
    prepared: Vec<Branch>,
    table_start: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Branch {
    gtid: Option<String>,
}

impl Position {
    /// Nobody can see the rows of a prepared branch. Its `XA COMMIT` is a transaction of its own, so what
    /// is prepared counts as out.
    fn add(&mut self, prepared: Vec<Branch>) {
        let Some(set) = &mut self.gtid_set else { return };
        for gtid in prepared.into_iter().filter_map(|branch| branch.gtid) {
            if !set.is_empty() {
                set.push(',');
            }
            set.push_str(&gtid);
        }
    }
}

/// Reads the checkpoints of one relay source. Clones share a client.
#[derive(Clone)]
pub struct RelayCheckpoint {
    topic: String,
    /// The key of its records.
    source: String,
    reader: Arc<Mutex<BaseConsumer>>,
}

/// The newest word within a window.
enum Newest {
    Silence,
    /// A tombstone: the position is to be forgotten.
    Forgotten,
    Found(Checkpoint),
}

impl RelayCheckpoint {
    /// Of the relay whose `source` has this name. `kafka` says where the brokers are and how to log
    /// in; the account needs to read `rowpost.<source>.checkpoint`.
    pub fn of_source(kafka: &ClientConfig, source: &str) -> Result<Self, CheckpointError> {
        Self::in_topic(kafka, source, format!("rowpost.{source}.checkpoint"))
    }

    /// For a relay whose `checkpoint.topic` is set.
    pub fn in_topic(
        kafka: &ClientConfig,
        source: &str,
        topic: String,
    ) -> Result<Self, CheckpointError> {
        let mut client = kafka.clone();
        client
            // Named only because the client wants a name: nothing is committed, nobody joins.
            .set("group.id", "rowpost-outbox-prune")
            .set("enable.auto.commit", "false")
            .set("isolation.level", "read_committed")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error");
        match client.create() {
            Ok(reader) => {
                let (source, reader) = (source.to_owned(), Arc::new(Mutex::new(reader)));
                Ok(Self { topic, source, reader })
            }
            Err(source) => Err(CheckpointError::Kafka { topic, source }),
        }
    }

    /// The newest committed checkpoint; `None` before the relay has written one.
    pub async fn read(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let reading = self.clone();
        blocking(move || reading.read_blocking()).await
    }

    fn read_blocking(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        // SERVER: to a read_committed reader the high watermark is the last stable offset.
        let (low, high) = reader
            .fetch_watermarks(&self.topic, 0, READ_MAX)
            .map_err(|source| self.error(source))?;
        let mut window = WINDOW;
        loop {
            let start = high.saturating_sub(window).max(low);
            match self.read_from(&reader, start)? {
                Newest::Found(checkpoint) => return Ok(Some(checkpoint)),
                Newest::Forgotten => return Ok(None),
                Newest::Silence if start <= low => return Ok(None),
                Newest::Silence => window = window.saturating_mul(WINDOW_GROWTH),
            }
        }
    }

    /// To the end, which comes as an event: markers and compaction leave gaps in the offsets.
    fn read_from(&self, reader: &BaseConsumer, start: i64) -> Result<Newest, CheckpointError> {
        let mut partition = TopicPartitionList::new();
        partition
            .add_partition_offset(&self.topic, 0, Offset::Offset(start))
            .and_then(|()| reader.assign(&partition))
            .map_err(|source| self.error(source))?;
        let (started, mut newest) = (Instant::now(), Newest::Silence);
        while started.elapsed() < READ_MAX {
            match reader.poll(POLL) {
                None => {}
                Some(Ok(record)) => newest = self.newer(newest, &record)?,
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(newest),
                Some(Err(KafkaError::MessageConsumption(code))) if is_passing(code) => {}
                Some(Err(source)) => return Err(self.error(source)),
            }
        }
        Err(self.error(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut)))
    }

    fn newer(&self, newest: Newest, record: &impl Message) -> Result<Newest, CheckpointError> {
        if record.key() != Some(self.source.as_bytes()) {
            return Ok(newest);
        }
        let Some(value) = record.payload() else { return Ok(Newest::Forgotten) };
        let checkpoint = self.decode(value, record.offset())?;
        Ok(match newest {
            Newest::Found(known) if known.sequence > checkpoint.sequence => Newest::Found(known),
            Newest::Found(_) | Newest::Silence | Newest::Forgotten => Newest::Found(checkpoint),
        })
    }

    fn decode(&self, value: &[u8], kafka_offset: i64) -> Result<Checkpoint, CheckpointError> {
        let topic = || self.topic.clone();
        let malformed =
            |source| CheckpointError::Malformed { topic: topic(), kafka_offset, source };
        // The format is read alone: of a newer one nothing else can be relied on.
        let Versioned { version: format } = serde_json::from_slice(value).map_err(malformed)?;
        if format > FORMAT_MAX && format != FORMAT_OF_PREPARED {
            return Err(CheckpointError::NewerFormat { topic: topic(), format });
        }
        let mut checkpoint: Checkpoint = serde_json::from_slice(value).map_err(malformed)?;
        if format == FORMAT_OF_PREPARED {
            let Prepared { position } = serde_json::from_slice(value).map_err(malformed)?;
            if position.table_start.is_some() {
                let format = FORMAT_OF_TABLE_START;
                return Err(CheckpointError::NewerFormat { topic: topic(), format });
            }
            checkpoint.position.add(position.prepared);
        }
        Ok(checkpoint)
    }

    fn error(&self, source: KafkaError) -> CheckpointError {
        CheckpointError::Kafka { topic: self.topic.clone(), source }
    }
}

/// What the client reports while it goes on trying. It also looks for the coordinator of the group
/// that it has in name only: not being allowed to is nothing to us.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    code == RDKafkaErrorCode::BrokerTransportFailure
        || code == RDKafkaErrorCode::AllBrokersDown
        || code == RDKafkaErrorCode::GroupAuthorizationFailed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(file: &str, position: u64) -> Coordinates {
        Coordinates { file: file.to_owned(), position }
    }

    fn topic() -> RelayCheckpoint {
        RelayCheckpoint::of_source(&ClientConfig::new(), "shop").unwrap()
    }

    #[test]
    fn coordinates_are_ordered_by_number_within_one_series() {
        assert!(at("bin-log.999999", 900) < at("bin-log.1000000", 4));
        assert!(at("bin-log.000002", 4) < at("bin-log.000002", 5));
        assert_eq!(at("bin-log.000002", 4).partial_cmp(&at("other.000003", 4)), None);
        assert_eq!(at("bin-log.000002", 4).partial_cmp(&at("bin-log.2", 4)), None);
    }

    #[test]
    fn checkpoint_is_read_as_the_relay_writes_it() {
        let value = br#"{"version":1,"sequence":42,"position":{"server_uuid":"u","coordinates":
            {"file":"bin-log.000003","position":1234},"gtid_set":null,"in_progress":
            {"outbox_rows":10}},"committed_at":"2026-11-22T10:00:00Z","later":1}"#;

        let checkpoint = topic().decode(value, 7).unwrap();

        let coordinates = at("bin-log.000003", 1_234);
        let position = Position { server_uuid: "u".to_owned(), coordinates, gtid_set: None };
        assert_eq!(checkpoint, Checkpoint { sequence: 42, position });
    }

    /// Otherwise nothing would be pruned for as long as a branch stays prepared.
    #[test]
    fn prepared_branches_count_as_out_but_not_in_a_start_from_the_tables() {
        let decode = |more: &str| {
            let value = format!(
                r#"{{"version":3,"sequence":42,"position":{{"server_uuid":"u","coordinates":
                {{"file":"b.000003","position":4}},"gtid_set":"u:1-4:6","prepared":
                [{{"xid":"X'67',X'',1","gtid":"u:5"}}]{more}}}}}"#
            );
            topic().decode(value.as_bytes(), 7)
        };

        assert_eq!(decode("").unwrap().position.gtid_set.as_deref(), Some("u:1-4:6,u:5"));
        let error = decode(r#","table_start":{"rows":1}"#).unwrap_err().to_string();
        assert!(error.contains("format 2"), "{error}");
    }

    #[test]
    fn what_is_no_checkpoint_of_ours_is_refused_by_name() {
        let newer = topic().decode(br#"{"version":2,"sequence":"?"}"#, 7).unwrap_err().to_string();
        let foreign = topic().decode(br#"{"version":1}"#, 7).unwrap_err().to_string();

        assert!(newer.contains("format 2") && newer.contains("rowpost.shop.checkpoint"), "{newer}");
        assert!(foreign.starts_with("offset 7 of `rowpost.shop.checkpoint`"), "{foreign}");
    }
}
