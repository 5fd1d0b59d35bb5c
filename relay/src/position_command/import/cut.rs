//! What is out of a transaction, by its product's words and by the source's binlog → from which of its rows
//! on to go on.
//!
//! Pure. Here it is decided that nothing is left out: where it is not certain that a row is out, the
//! transaction is begun once more.

use std::fmt;

use super::foreign::Inside;
use crate::{
    position::{BinlogCoordinates, Gtid},
    source::within::{UpTo, Within},
};

/// Where to go on in the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// With its first row.
    Begin,
    /// Behind so many of its outbox rows.
    Behind(u64),
    /// Behind the transaction.
    End,
}

/// Rows that may come once more, and why that cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) rows: u64,
    pub(super) gtid: Option<Gtid>,
    pub(super) begins_at: BinlogCoordinates,
    pub(super) why: &'static str,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, gtid, begins_at, why } = self;
        write!(f, "at most {rows} outbox rows of the transaction at {begins_at}")?;
        if let Some(gtid) = gtid {
            write!(f, " ({gtid})")?;
        }
        write!(f, " once more: {why}")
    }
}

pub(super) const OTHER_LAYOUT: &str =
    "the offset counts events, and the source's binlog is not the one in which they were counted";
const UNCLEAR: &str = "which of them are out cannot be told (XA, a rollback to a savepoint, or another \
                       layout of its events)";
const HEARTBEAT: &str =
    "the offset was written by a heartbeat, which does not count the event in hand";
const IN_BETWEEN: &str = "the product was inside of it, and does not say which of its rows are out";

/// Up to where the product had read, for [`Within`]. `place` is where it says it is.
pub(super) fn up_to(inside: Inside, place: u64) -> UpTo {
    match inside {
        Inside::Events { events, rows } => UpTo::Events { begin: place, events, rows },
        Inside::UpToIt => UpTo::Event(place),
        Inside::Unsaid | Inside::Rows { .. } | Inside::BeforeIt => UpTo::End(place),
    }
}

/// Where to go on, and rows that come once more with it, with the reason.
pub(super) fn decide(inside: Inside, within: &Within) -> (Cut, Option<(u64, &'static str)>) {
    let repeated = |rows, why| (Cut::Begin, (rows > 0).then_some((rows, why)));
    let Some(before) = within.rows_before else { return repeated(within.rows, UNCLEAR) };
    let behind = match before {
        0 => Cut::Begin,
        all if all == within.rows => Cut::End,
        part => Cut::Behind(part),
    };
    match inside {
        // A row's offset counts rows; one without comes from a heartbeat inside of the transaction.
        Inside::Events { rows: 0, .. } if within.rows_next > 0 => {
            (behind, Some((within.rows_next, HEARTBEAT)))
        }
        Inside::Events { .. } | Inside::UpToIt => (behind, None),
        // The last row of a transaction is what Maxwell writes a position for. What it writes one for in
        // between is a row that it does not publish, and others before it may still be on their way.
        Inside::BeforeIt => match behind {
            Cut::Behind(rows) => repeated(rows, IN_BETWEEN),
            Cut::Begin | Cut::End => (behind, None),
        },
        Inside::Rows { .. } => repeated(within.rows, UNCLEAR),
        Inside::Unsaid => repeated(before, IN_BETWEEN),
    }
}
