//! The checkpoint topic → the newest checkpoint.
//!
//! Promises:
//! - reads the end of the partition only: some 15 ms whatever the topic's size;
//! - aborted, foreign and forgotten (tombstone) records are passed over, and so are the gaps that
//!   transaction markers and compaction leave.
//!
//! How: the last stable offset is asked for, a window of 16 offsets before it is read to the end of
//! the partition, and the window grows sixteenfold while it holds no checkpoint.

use std::ops::ControlFlow;

use rdkafka::{Message, message::BorrowedMessage};

use super::{
    Checkpoint, CheckpointError, RecordOrigin,
    topic::{self, TopicFound},
};
use crate::{
    position::Position,
    publish::{Session, Settings},
};

const READING: &str = "reading the checkpoint";

/// Offsets of the first window. One checkpoint takes two: its record and its transaction's marker.
const WINDOW: i64 = 16;

/// By what the window grows: seven reads for 200 million offsets.
const WINDOW_GROWTH: i64 = 16;

/// Where the checkpoints of one source are stored.
#[derive(Debug, Clone)]
pub struct Store {
    settings: Settings,
}

/// A checkpoint that is past something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstPast {
    pub checkpoint: Checkpoint,
    /// The one right before it is there and is not past it.
    pub is_first: bool,
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
        topic::ensure(&self.open()?)
    }

    /// The topic as it is, without creating it; an error for one that would lose the position.
    pub fn look(&self) -> Result<TopicFound, CheckpointError> {
        topic::look(&self.open()?)
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
        let session = self.open()?;
        let watermarks = session.watermarks(&self.settings.checkpoint_topic, 0);
        let (low, high) =
            watermarks.map_err(|code| CheckpointError::of(&session, READING, code))?;

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

    fn open(&self) -> Result<Session<'_>, CheckpointError> {
        Ok(Session::open(&self.settings, &self.settings.checkpoint_reader())?)
    }

    /// Reads from `start` to the end.
    fn read_from(&self, session: &Session<'_>, start: i64) -> Result<Newest, CheckpointError> {
        let mut newest = Newest::Silence;
        let failed = self.scan(session, start, |record| {
            match self.newer(std::mem::replace(&mut newest, Newest::Silence), record) {
                Ok(newer) => {
                    newest = newer;
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            }
        })?;
        failed.map_or(Ok(newest), Err)
    }

    fn scan<B>(
        &self,
        session: &Session<'_>,
        start: i64,
        see: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<B>,
    ) -> Result<Option<B>, CheckpointError> {
        let scanned = session.scan(&self.settings.checkpoint_topic, 0, start, see);
        scanned.map_err(|code| CheckpointError::of(session, READING, code))
    }

    /// Of the checkpoints since a time the first that is past something, as `is_past` says of each.
    /// Blocks.
    ///
    /// Not promised: that it was the first of all. The topic is compacted.
    pub fn first_past(
        &self,
        since_ms: i64,
        is_past: impl Fn(&Position) -> bool,
    ) -> Result<Option<FirstPast>, CheckpointError> {
        let session = self.open()?;
        let topic = &self.settings.checkpoint_topic;
        let start = session
            .first_since(topic, 0, since_ms)
            .map_err(|code| CheckpointError::of(&session, READING, code))?;
        let Some(start) = start else { return Ok(None) };
        let mut before = None;
        let found = self.scan(&session, start, |record| match self.decode(record) {
            Err(error) => ControlFlow::Break(Err(error)),
            Ok(Some(checkpoint)) if is_past(&checkpoint.position) => {
                let is_first = before.is_some_and(|before| before + 1 == checkpoint.sequence);
                ControlFlow::Break(Ok(FirstPast { checkpoint, is_first }))
            }
            Ok(checkpoint) => {
                before = checkpoint.map(|checkpoint| checkpoint.sequence).or(before);
                ControlFlow::Continue(())
            }
        })?;
        found.transpose()
    }

    fn newer(&self, newest: Newest, record: &impl Message) -> Result<Newest, CheckpointError> {
        if record.key() != Some(self.settings.source.as_bytes()) {
            return Ok(newest);
        }
        let Some(checkpoint) = self.decode(record)? else { return Ok(Newest::Forgotten) };
        Ok(match newest {
            Newest::Found(known) if known.sequence > checkpoint.sequence => Newest::Found(known),
            Newest::Found(_) | Newest::Silence | Newest::Forgotten => {
                Newest::Found(Box::new(checkpoint))
            }
        })
    }

    /// `None`: a tombstone, or another source's.
    fn decode(&self, record: &impl Message) -> Result<Option<Checkpoint>, CheckpointError> {
        let is_ours = record.key() == Some(self.settings.source.as_bytes());
        let Some(value) = record.payload().filter(|_| is_ours) else { return Ok(None) };
        let origin =
            RecordOrigin { topic: record.topic().to_owned(), kafka_offset: record.offset() };
        Checkpoint::decode(value, &origin).map(Some)
    }
}
