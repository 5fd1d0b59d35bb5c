//! Where another product stands, in words that all of them have in common.

use std::fmt;

use crate::position::{BinlogCoordinates, GtidSet};

/// A position as its product wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign {
    /// Where it was found, for people.
    pub(super) place: String,
    /// Transactions that are out whole.
    pub(super) gtids: Option<GtidSet>,
    /// Where it goes on, or within the transaction that it is in.
    pub(super) coordinates: Option<BinlogCoordinates>,
    pub(super) inside: Inside,
}

/// What is out of the transaction in which the coordinates lie, if they lie in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    /// Nothing, or it is not said.
    Unsaid,
    /// Debezium: so many events, beginning with `BEGIN`, which is where the coordinates are; of the next
    /// event so many rows.
    Events { events: u64, rows: u64 },
    /// Debezium: so many rows of an event of which it is not said which it is. It does so in a branch of an
    /// XA transaction, of whose begin it takes no notice.
    Rows { rows: u64 },
    /// Maxwell: what ends at the coordinates or before. It writes that down at the transaction's last row,
    /// and in between where a row is none that it publishes.
    BeforeIt,
    /// Eventuate: the event that begins at the coordinates, and what is before it.
    UpToIt,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.gtids, &self.coordinates) {
            (Some(gtids), Some(coordinates)) => write!(f, "gtid set {gtids}; {coordinates}")?,
            (Some(gtids), None) => write!(f, "gtid set {gtids}")?,
            (None, Some(coordinates)) => write!(f, "{coordinates}")?,
            (None, None) => f.write_str("nothing")?,
        }
        match self.inside {
            Inside::Events { events, rows } => {
                write!(f, "; {events} events and {rows} rows inside the next transaction")
            }
            Inside::Rows { rows } => write!(f, "; {rows} rows inside an event that is not named"),
            Inside::BeforeIt => f.write_str("; what ends there is out"),
            Inside::UpToIt => f.write_str("; the event that begins there is out"),
            Inside::Unsaid => Ok(()),
        }
    }
}
