//! What `rowpost find` answers.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::Serialize;

use super::{
    copies::Copy,
    events::Event,
    kafka::{Destination, Searched},
    verdict::{Loss, Standing, Status},
};
use crate::{
    checkpoint::{Checkpoint, FirstPast},
    position::BinlogCoordinates,
};

/// As JSON; `text` shows it to a person.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) source: String,
    pub(super) searched: SearchedBinlog,
    /// `None`: no relay of this source has begun yet.
    pub(super) checkpoint: Option<Stored>,
    pub(super) events: Vec<Found>,
}

/// Where the events were looked for.
#[derive(Debug, Serialize)]
pub(super) struct SearchedBinlog {
    /// The server's address, or the folder.
    pub(super) binlog_of: String,
    pub(super) from: BinlogCoordinates,
    pub(super) until: BinlogCoordinates,
    /// Nothing older is there.
    pub(super) is_from_oldest: bool,
    /// Where the search ended because enough was found.
    pub(super) stopped_at: Option<BinlogCoordinates>,
    pub(super) transactions: u64,
    /// Outbox rows that were looked at, by table.
    pub(super) outbox_rows: BTreeMap<Arc<str>, u64>,
    /// The tables that the configuration calls outbox tables.
    pub(super) outbox_tables: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) committed_at: String,
    pub(super) coordinates: BinlogCoordinates,
}

/// One event.
#[derive(Debug, Serialize)]
pub(super) struct Found {
    pub(super) status: Status,
    pub(super) event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event_type: Option<String>,
    pub(super) table: Arc<str>,
    pub(super) key: Option<String>,
    pub(super) transaction: Transaction,
    /// `None` where that is not known.
    pub(super) checkpoint_is_past: Option<bool>,
    /// Where the checkpoint is not past it.
    pub(super) behind: Option<Behind>,
    pub(super) topic: Arc<str>,
    pub(super) partitions: Vec<Partition>,
    pub(super) copies: Vec<Copy>,
    /// Copies that are not listed.
    pub(super) more_copies: u64,
    pub(super) published: Option<Published>,
    /// Of one that is gone.
    pub(super) loss: Option<Loss>,
}

#[derive(Debug, Serialize)]
pub(super) struct Transaction {
    pub(super) gtid: Option<String>,
    pub(super) begins_at: BinlogCoordinates,
    pub(super) ends_at: BinlogCoordinates,
    pub(super) committed_at: String,
    /// Which of its outbox rows it is, from 1 on.
    pub(super) outbox_row: u64,
}

/// How far the relay is behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Behind {
    /// Bytes of binlog from the checkpoint to the transaction's end; `None` where coordinates do not
    /// tell.
    pub(super) bytes: Option<u64>,
    /// Since the commit.
    pub(super) seconds: i64,
}

#[derive(Debug, Serialize)]
pub(super) struct Partition {
    pub(super) partition: i32,
    pub(super) earliest_offset: i64,
    pub(super) searched_from: Option<i64>,
    pub(super) searched_to: i64,
}

/// When it came to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Published {
    pub(super) at: String,
    /// By two clocks: it may be negative.
    pub(super) after_commit_ms: i64,
    /// It may have been before.
    pub(super) is_at_the_latest: bool,
    /// Whose checkpoint says so; `None` where the broker does.
    pub(super) checkpoint_sequence: Option<u64>,
}

impl Found {
    pub(super) fn of(
        event: &Event,
        destination: Destination,
        (status, standing): (Status, Standing),
        behind: Option<Behind>,
        published: Option<Published>,
    ) -> Self {
        let loss = (status == Status::Gone).then(|| Loss::of(&destination));
        let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let Destination { partitions, copies } = destination;
        Self {
            status,
            event_id: event.id().map(shown_id),
            event_type: event.record.event_type.as_deref().map(text),
            table: Arc::clone(&event.record.table),
            key: event.record.key.as_deref().map(text),
            transaction: Transaction {
                gtid: event.gtid.map(|gtid| gtid.to_string()),
                begins_at: event.begins_at.clone(),
                ends_at: event.ends_at.clone(),
                committed_at: event.committed_at.to_string(),
                outbox_row: event.rows_before + 1,
            },
            checkpoint_is_past: match standing {
                Standing::Past => Some(true),
                Standing::Before | Standing::NoCheckpoint => Some(false),
                Standing::Incomparable => None,
            },
            behind,
            topic: Arc::clone(&event.record.topic),
            partitions: partitions.into_iter().map(Partition::from).collect(),
            copies: copies.kept,
            more_copies: copies.more,
            published,
            loss,
        }
    }
}

/// Text as it is, else a UUID's 16 bytes as one.
fn shown_id(id: &[u8]) -> String {
    match (std::str::from_utf8(id), uuid::Uuid::from_slice(id)) {
        (Ok(text), _) if !text.chars().any(char::is_control) => text.to_owned(),
        (_, Ok(uuid)) => uuid.to_string(),
        (_, Err(_)) => id.escape_ascii().to_string(),
    }
}

impl Published {
    /// By the broker's clock.
    pub(super) fn by_broker(at: Timestamp, committed_at: Timestamp) -> Self {
        Self::new(at, committed_at, false, None)
    }

    /// By the relay's clock.
    pub(super) fn with_checkpoint(first: &FirstPast, committed_at: Timestamp) -> Self {
        let FirstPast { checkpoint, is_first } = first;
        Self::new(checkpoint.committed_at, committed_at, !is_first, Some(checkpoint.sequence))
    }

    fn new(
        at: Timestamp,
        committed_at: Timestamp,
        is_at_the_latest: bool,
        checkpoint_sequence: Option<u64>,
    ) -> Self {
        Self {
            at: at.to_string(),
            after_commit_ms: at.as_millisecond().saturating_sub(committed_at.as_millisecond()),
            is_at_the_latest,
            checkpoint_sequence,
        }
    }
}

impl From<Searched> for Partition {
    fn from(searched: Searched) -> Self {
        Self {
            partition: searched.partition,
            earliest_offset: searched.earliest,
            searched_from: searched.from,
            searched_to: searched.end,
        }
    }
}

impl From<&Checkpoint> for Stored {
    fn from(checkpoint: &Checkpoint) -> Self {
        Self {
            sequence: checkpoint.sequence,
            committed_at: checkpoint.committed_at.to_string(),
            coordinates: checkpoint.position.coordinates.clone(),
        }
    }
}
