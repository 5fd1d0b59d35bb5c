//! Where we are in the source's binlog.
//!
//! A [`Position`] is what a checkpoint stores: the server it belongs to, the coordinates behind the
//! last whole transaction, the GTIDs that are out, and how far the transaction in progress is out.
//! GTIDs decide where the source has them; coordinates decide where it has none.
//!
//! Promises:
//! - a position only grows: [`Position::apply`] never removes a GTID;
//! - coordinates always name a transaction boundary, never the middle of one.
//!
//! Before this: `source`, which says how far each chunk reaches. After this: `checkpoint`.

mod coordinates;
mod gtid;
mod gtid_set;
mod gtid_text;
mod intervals;
mod log_pos;
mod prepared;
mod table_start;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use self::{
    coordinates::{BinlogCoordinates, ParseCoordinatesError},
    gtid::{GTID_NUMBER_MAX, Gtid, GtidNumberOutOfRange, GtidTag},
    gtid_set::GtidSet,
    gtid_text::ParseGtidError,
    intervals::GtidInterval,
    log_pos::{EndPosition, widen},
    prepared::PreparedBranch,
    table_start::{KeyPart, LastRow, TableStart},
};

/// Everything up to here is on the broker, and of the transaction in progress its first rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The server whose binlog files `coordinates` names.
    pub server_uuid: Uuid,
    /// The end of the last whole transaction.
    pub coordinates: BinlogCoordinates,
    /// When the coordinates' file was begun, in Unix seconds of the server's clock: the time of its
    /// first event. Tells the file from another one that got its name, after the binlog was reset or the
    /// server restored. `None` where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_begun: Option<u32>,
    /// GTIDs that are out, all those before the coordinates among them; `None` where reading began on a
    /// server that gives none to some transactions (`gtid_mode` is not `ON`).
    pub gtid_set: Option<GtidSet>,
    /// The transaction that is partly out, if the last Kafka transaction ended inside one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<InProgress>,
    /// The start from the outbox tables, as long as it is not finished: of what lies before this
    /// position, only a part is out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_start: Option<TableStart>,
    /// XA branches that are prepared and may still be committed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prepared: Vec<PreparedBranch>,
}

/// A transaction too large for one Kafka transaction, of which the first rows are out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InProgress {
    /// `None` where the server writes no GTIDs: then it is the first transaction after the
    /// position's coordinates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<Gtid>,
    /// Outbox rows of it that are out. A count of rows, not of events: it stays true on a replica
    /// that cuts the same transaction into other events.
    pub outbox_rows: u64,
}

/// How far the position reaches once a chunk is out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advance {
    pub server_uuid: Uuid,
    /// The end of the last whole transaction that this advance covers.
    pub coordinates: BinlogCoordinates,
    /// When that file was begun, as in [`Position`].
    pub file_begun: Option<u32>,
    /// GTIDs of the whole transactions covered, those without outbox rows included.
    pub gtids: Option<GtidSet>,
    /// Set when the chunk ends inside a transaction.
    pub in_progress: Option<InProgress>,
    /// Set while the rows come from the outbox tables.
    pub table_start: Option<TableStart>,
    /// All that are prepared then, as in [`Position`].
    pub prepared: Vec<PreparedBranch>,
}

impl Position {
    /// The GTIDs that the server need not send: of what is out, and of branches whose place on it is known.
    /// Asked for a branch of long ago it would look through all of its files since then. `purged` ones it
    /// cannot send; whether they are missed is known once their branches are committed.
    pub fn unneeded(&self, server_uuid: Uuid, purged: &GtidSet) -> Option<GtidSet> {
        let mut set = self.gtid_set.clone()?;
        for branch in &self.prepared {
            if let Some(gtid) = &branch.gtid
                && (branch.server_uuid == server_uuid || purged.contains(gtid))
            {
                set.insert(gtid);
            }
        }
        Some(set)
    }

    /// Moves over what `advance` covers. A server without GTIDs leaves the set as it is: it says
    /// nothing about what other servers wrote.
    pub fn apply(&mut self, advance: &Advance) {
        self.server_uuid = advance.server_uuid;
        self.coordinates = advance.coordinates.clone();
        self.file_begun = advance.file_begun;
        match (&mut self.gtid_set, &advance.gtids) {
            (Some(set), Some(gtids)) => set.union(gtids),
            (set @ None, Some(gtids)) => *set = Some(gtids.clone()),
            (_, None) => {}
        }
        self.in_progress.clone_from(&advance.in_progress);
        self.table_start.clone_from(&advance.table_start);
        self.prepared.clone_from(&advance.prepared);
    }
}

impl Advance {
    /// Adds what `later` covers: applying the sum is applying the two one after the other.
    pub fn merge(&mut self, later: &Self) {
        self.server_uuid = later.server_uuid;
        self.coordinates = later.coordinates.clone();
        self.file_begun = later.file_begun;
        match (&mut self.gtids, &later.gtids) {
            (Some(set), Some(gtids)) => set.union(gtids),
            (set @ None, Some(gtids)) => *set = Some(gtids.clone()),
            (_, None) => {}
        }
        self.in_progress.clone_from(&later.in_progress);
        self.table_start.clone_from(&later.table_start);
        self.prepared.clone_from(&later.prepared);
    }
}

#[cfg(test)]
mod tests;
