//! Why the outbox tables cannot be read from, or not now.

use std::sync::Arc;

use crate::{error::Disposition, position::BinlogCoordinates, record::RecordError};

use super::super::{DecodeError, Malformed};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TableStartError {
    #[error(
        "outbox table `{table}` has no primary key, by which its rows could be read one after the other: \
         add one, or start from the binlog (mysql.start)"
    )]
    NoPrimaryKey { table: Arc<str> },
    #[error(
        "outbox table `{table}` cannot be read in the order of `{column}`: {reason}; set `start_order` of \
         its [[outbox]] entry to another column, or leave it out to read by the primary key"
    )]
    Order { table: Arc<str>, column: String, reason: &'static str },
    #[error(
        "outbox table `{table}` cannot be read by its primary key: column `{column}` {reason}; start from \
         the binlog (mysql.start)"
    )]
    PrimaryKey { table: Arc<str>, column: String, reason: &'static str },
    #[error(
        "outbox table `{table}` was read by ({was}) up to now, and would be read by ({is}): its primary key \
         was altered or `start_order` changed in the middle of the start from the tables; undo that, and \
         change it when all rows are read"
    )]
    KeyChanged { table: Arc<str>, was: String, is: String },
    #[error(
        "a transaction that wrote to an outbox table has been open for a second, and the end of the binlog \
         cannot be told from what it will write; waiting for a moment without one"
    )]
    Busy,
    #[error(
        "the account may not lock the outbox tables for the moment in which the end of the binlog is read: \
         grant lock tables on their databases to it, or set gtid_mode = ON on the source, which makes it \
         unnecessary. The source says: {reason}"
    )]
    LockDenied { reason: String },
    #[error(
        "gtid_mode is not ON any more, and was when the start from the outbox tables was begun, which is not \
         finished: without GTIDs it cannot be told what the tables had then; set gtid_mode = ON until the \
         log says that the tables are read"
    )]
    GtidMode,
    #[error("outbox table `{table}` was created, altered or dropped while it was to be read")]
    Altered { table: Arc<str> },
    #[error(
        "more than {rows_max} rows were inserted into outbox tables since {begun}, where the start from the \
         tables was begun, and it is not finished: they are too many to tell them from those that were there \
         before. Start under another `source` name and let it finish; what this one has published comes \
         again then"
    )]
    TooManyNewer { rows_max: usize, begun: BinlogCoordinates },
    #[error("rows of outbox table `{table}` cannot be decoded")]
    Rows {
        table: Arc<str>,
        #[source]
        error: DecodeError,
    },
    #[error("column `{column}` of outbox table `{table}` came as text that is not of its type")]
    Text { table: Arc<str>, column: String },
    #[error("a value of the primary key of outbox table `{table}` cannot be decoded")]
    Key {
        table: Arc<str>,
        #[source]
        error: Malformed,
    },
    #[error("a row in an outbox table makes no record")]
    Record {
        #[source]
        error: RecordError,
    },
}

impl TableStartError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Busy | Self::Altered { .. } => Disposition::Retry,
            Self::NoPrimaryKey { .. }
            | Self::Order { .. }
            | Self::PrimaryKey { .. }
            | Self::KeyChanged { .. }
            | Self::GtidMode
            | Self::LockDenied { .. }
            | Self::TooManyNewer { .. }
            | Self::Rows { .. }
            | Self::Text { .. }
            | Self::Key { .. }
            | Self::Record { .. } => Disposition::Halt,
        }
    }

    /// Whether it lies in a row, so that starting again meets it again.
    pub fn is_about_data(&self) -> bool {
        match self {
            Self::Rows { .. } | Self::Text { .. } | Self::Key { .. } | Self::Record { .. } => true,
            Self::NoPrimaryKey { .. }
            | Self::Order { .. }
            | Self::PrimaryKey { .. }
            | Self::KeyChanged { .. }
            | Self::Busy
            | Self::GtidMode
            | Self::LockDenied { .. }
            | Self::Altered { .. }
            | Self::TooManyNewer { .. } => false,
        }
    }
}
