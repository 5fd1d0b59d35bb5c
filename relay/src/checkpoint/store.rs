//! The checkpoint topic → the newest checkpoint.
//!
//! Promises:
//! - reads the end of the partition only: some 15 ms whatever the topic's size;
//! - aborted, foreign and forgotten (tombstone) records are passed over, and so are the gaps that
//!   transaction markers and compaction leave.
//!
//! How: the last stable offset is asked for, a window of 16 offsets before it is read to the end of
//! the partition, and the window grows sixteenfold while it holds no checkpoint.

use std::time::Duration;

use rdkafka::{
    Message, Offset, TopicPartitionList, consumer::Consumer as _, error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::{
    Checkpoint, CheckpointError, RecordOrigin,
    session::{REQUEST_TIMEOUT, Session, passes},
    topic::{self, TopicFound},
};
use crate::publish::{self, Fault, Settings};

const READING: &str = "reading the checkpoint";

/// Offsets of the first window. One checkpoint takes two: its record and its transaction's marker.
const WINDOW: i64 = 16;

/// By what the window grows: seven reads for 200 million offsets.
const WINDOW_GROWTH: i64 = 16;

/// One poll; the end of the partition comes as an event, so this only bounds a silent broker.
const POLL: Duration = Duration::from_millis(100);

/// Where the checkpoints of one source are stored.
#[derive(Debug, Clone)]
pub struct Store {
    settings: Settings,
}

/// The newest word about the position within a window.
enum Newest {
    /// Nothing of this source.
    Silence,
    /// A tombstone: somebody wants the position forgotten.
    Forgotten,
    Found(Box<Checkpoint>),
}

impl Store {
    pub fn new(settings: &Settings) -> Self {
        Self { settings: settings.clone() }
    }

    /// Creates the topic if it is missing, and refuses one that would lose the position.
    pub fn ensure_topic(&self) -> Result<(), CheckpointError> {
        topic::ensure(&Session::open(&self.settings)?)
    }

    /// The topic as it is, without creating it; an error for one that would lose the position.
    pub fn look(&self) -> Result<TopicFound, CheckpointError> {
        topic::look(&Session::open(&self.settings)?)
    }

    /// The newest committed checkpoint, without creating the topic. Blocks.
    pub fn newest(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        match self.look()? {
            TopicFound::Missing => Ok(None),
            TopicFound::Usable { .. } => self.read(),
        }
    }

    /// The newest committed checkpoint. Blocks for some milliseconds, or until
    /// `publish.delivery_timeout` when no broker answers.
    ///
    /// A publisher reads after its fence; anybody else gets what is committed at the moment.
    pub fn read(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let session = Session::open(&self.settings)?;
        let topic = session.topic();
        // SERVER: to a read_committed reader the high watermark is the last stable offset.
        let (low, high) = session
            .retry(|reader| {
                reader
                    .fetch_watermarks(topic, 0, REQUEST_TIMEOUT)
                    .map_err(|error| publish::code_of(&error))
            })
            .map_err(|code| session.error(READING, code))?;

        let mut window = WINDOW;
        loop {
            let start = high.saturating_sub(window).max(low);
            match self.read_from(&session, start)? {
                Newest::Found(checkpoint) => return Ok(Some(*checkpoint)),
                Newest::Forgotten => return Ok(None),
                Newest::Silence if start <= low => return Ok(None),
                Newest::Silence => window = window.saturating_mul(WINDOW_GROWTH),
            }
        }
    }

    /// Reads from `start` to the end. Offsets have gaps, so only the partition's own end counts.
    fn read_from(&self, session: &Session<'_>, start: i64) -> Result<Newest, CheckpointError> {
        let fail = |error: &KafkaError| session.error(READING, publish::code_of(error));
        let mut partition = TopicPartitionList::new();
        partition
            .add_partition_offset(session.topic(), 0, Offset::Offset(start))
            .and_then(|()| session.reader.assign(&partition))
            .map_err(|error| fail(&error))?;

        let mut newest = Newest::Silence;
        while !session.is_over() {
            match session.reader.poll(POLL) {
                // SERVER: rdkafka's poll may return early with nothing.
                None => {}
                Some(Ok(record)) => newest = self.newer(newest, &record)?,
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(newest),
                Some(Err(error)) if is_passing(publish::code_of(&error)) => {}
                Some(Err(error)) => return Err(fail(&error)),
            }
        }
        Err(session.error(READING, RDKafkaErrorCode::OperationTimedOut))
    }

    fn newer(&self, newest: Newest, record: &impl Message) -> Result<Newest, CheckpointError> {
        if record.key() != Some(self.settings.source.as_bytes()) {
            return Ok(newest);
        }
        let Some(value) = record.payload() else { return Ok(Newest::Forgotten) };
        let origin =
            RecordOrigin { topic: record.topic().to_owned(), kafka_offset: record.offset() };
        let checkpoint = Checkpoint::decode(value, &origin)?;
        Ok(match newest {
            Newest::Found(known) if known.sequence > checkpoint.sequence => Newest::Found(known),
            Newest::Found(_) | Newest::Silence | Newest::Forgotten => {
                Newest::Found(Box::new(checkpoint))
            }
        })
    }
}

/// What the consumer reports while it goes on trying. It also looks for the coordinator of the group
/// that it needs in name only: not being allowed to is nothing to us.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    passes(code) || Fault::of(code) == Fault::GroupDenied
}
