//! What `rowpost position show` found.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    checkpoint::{Checkpoint, Writer},
    position::{BinlogCoordinates, GtidSet, Position},
};

/// As JSON; `text` shows it to a person.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) source: String,
    pub(super) topic: String,
    /// `None`: no relay of this source has begun yet.
    pub(super) checkpoint: Option<Stored>,
    pub(super) server: Server,
    /// `None` where the checkpoint's place is not on this server, or there is none.
    pub(super) ahead: Option<Ahead>,
    pub(super) to_oldest: Option<ToOldest>,
    /// Why a relay could not go on from here.
    pub(super) refusal: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) committed_at: String,
    pub(super) writer: Writer,
    pub(super) relay_version: String,
    pub(super) position: Position,
}

#[derive(Debug, Serialize)]
pub(super) struct Server {
    pub(super) address: String,
    pub(super) version: String,
    pub(super) server_uuid: Uuid,
    pub(super) gtid_mode: String,
    pub(super) oldest: BinlogCoordinates,
    pub(super) end: BinlogCoordinates,
    pub(super) files: usize,
}

/// From the checkpoint to the end of the server's binlog.
#[derive(Debug, Serialize)]
pub(super) struct Ahead {
    /// `None` where the coordinates are not of this server's files.
    pub(super) bytes: Option<u64>,
    pub(super) files: Option<usize>,
    /// Transactions that are not covered, where they have GTIDs.
    pub(super) gtids: Option<GtidSet>,
    pub(super) transactions: Option<u64>,
    /// When the first transaction that is not covered was committed.
    pub(super) waiting_since: Option<String>,
    pub(super) waiting_seconds: Option<i64>,
}

/// From the oldest file to the checkpoint.
#[derive(Debug, Serialize)]
pub(super) struct ToOldest {
    /// Files that may be purged before the checkpoint's own.
    pub(super) files: usize,
    pub(super) bytes: u64,
    /// `None`: the server purges nothing by itself.
    pub(super) expire_seconds: Option<u64>,
    /// When the checkpoint's file was finished; `None` while it is written.
    pub(super) file_finished_at: Option<String>,
    /// Before that it is not purged by itself; `None` where that cannot be known yet.
    pub(super) kept_until: Option<String>,
}

impl From<Checkpoint> for Stored {
    fn from(checkpoint: Checkpoint) -> Self {
        Self {
            sequence: checkpoint.sequence,
            committed_at: checkpoint.committed_at.to_string(),
            writer: checkpoint.writer,
            relay_version: checkpoint.relay_version,
            position: checkpoint.position,
        }
    }
}

/// Seconds since the epoch, as the server writes them.
pub(super) fn moment(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}
