//! What stops the source, and whether starting again can help.

use std::{fmt, sync::Arc};

use super::{
    DecodeError, EventFault, StreamError,
    binlog_files::BinlogFilesError,
    event::EventType,
    hosts::NoHost,
    mysql::{ConnectionError, Refusal},
    preflight::Unfit,
    server::ServerError,
    start::StartError,
    table_map::DescribeError,
    table_start::TableStartError,
};
use crate::{
    error::Disposition,
    position::{BinlogCoordinates, Gtid},
    record::{MappingError, RecordError},
};

/// Where in the binlog something went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Behind the last event that was read from the file.
    pub coordinates: BinlogCoordinates,
    /// Of the transaction being read.
    pub gtid: Option<Gtid>,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the binlog cannot be read behind {place}")]
    Event {
        place: Box<Place>,
        #[source]
        fault: EventFault,
    },
    #[error("{fault}, at {place}{}", fault.way_past(place))]
    Transaction { place: Box<Place>, fault: TransactionFault },
    #[error(
        "rows of outbox table `{table}` at {place} cannot be decoded ({} leaves their transaction out)",
        place.past()
    )]
    Rows {
        table: Arc<str>,
        place: Box<Place>,
        #[source]
        error: DecodeError,
    },
    #[error("a row at {place} makes no record ({} leaves its transaction out)", place.past())]
    Record {
        place: Box<Place>,
        #[source]
        error: Box<RecordError>,
    },
    #[error("an outbox table at {place} does not fit its configuration")]
    Mapping {
        place: Box<Place>,
        #[source]
        error: Box<MappingError>,
    },
    #[error(
        "the columns of outbox table `{table}` at {place} are not known: the binlog carries no names, \
         and the table does not exist any more; set binlog_row_metadata=FULL on the source, so that \
         later rows can be read whatever happens to their table, and pass over this transaction with {}",
        place.past()
    )]
    TableGone { table: Arc<str>, place: Box<Place> },
    #[error(
        "outbox table `{table}` is not what it was when the rows at {place} were written; set \
         binlog_row_metadata=FULL on the source, so that later rows can be read whatever happens to \
         their table, and pass over this transaction with {}", place.past()
    )]
    TableChanged {
        table: Arc<str>,
        place: Box<Place>,
        #[source]
        error: DescribeError,
    },
    #[error(
        "the columns of outbox table `{table}` at {place} are not known: the binlog carries no names, \
         and the table was altered at {altered}, after these rows were written. If that changed neither \
         names nor order of its columns, go on with --trust-present-columns"
    )]
    TableAlteredSince { table: Arc<str>, place: Box<Place>, altered: jiff::Timestamp },
    #[error(
        "the columns of outbox table `{table}` at {place} are not known: the binlog carries no names \
         (binlog_row_metadata is not FULL, or the server is older than 8.0), and no server is named \
         whose present table could be looked at; name it with --mysql"
    )]
    ColumnsUnnamed { table: Arc<str>, place: Box<Place> },
    #[error(
        "rows of outbox table `{table}` are missing in the binlog: the transaction that ends at {place} \
         inserted them in statement format, so the binlog has its statement instead. Set \
         binlog_format=ROW for the session that wrote it, and revoke SUPER from its account (from 8.0 on \
         also SESSION_VARIABLES_ADMIN and SYSTEM_VARIABLES_ADMIN), so that no session can leave it; then \
         insert the rows anew, and start behind that place with {}", place.past()
    )]
    StatementFormat { table: Arc<str>, place: Box<Place> },
    #[error(
        "XA branch {xid} is committed at {place}, but its outbox rows are gone: the binlog that it was \
         prepared in, at {begins_at}, was purged or reset. Insert the rows anew from their table, and go \
         on with {}", place.past_branch(xid)
    )]
    BranchGone {
        xid: String,
        begins_at: Box<BinlogCoordinates>,
        place: Box<Place>,
        /// `None`: its place on this server was never known.
        #[source]
        error: Option<Box<Self>>,
    },
    #[error(transparent)]
    Files(#[from] BinlogFilesError),
    #[error("the relay cannot start reading")]
    Start(#[from] StartError),
    #[error(transparent)]
    NoHost(Box<NoHost>),
    #[error(transparent)]
    TableStart(Box<TableStartError>),
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error("the source's reader panicked: {message}")]
    Panicked { message: String },
    #[error("this happened {times} times without a transaction read in between")]
    Repeated {
        times: u32,
        #[source]
        error: Box<Self>,
    },
}

/// A transaction that is not what a transaction should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransactionFault {
    #[error("the transaction ends without its commit event: a {found} event follows")]
    CutShort { found: EventType },
    #[error(
        "a {found} event outside of any transaction: the position lies inside a transaction, not at \
         the end of one"
    )]
    Headless { found: EventType },
    #[error("rows of table id {table_id}, which no table map announced")]
    Unannounced { table_id: u64 },
    #[error(
        "the transaction was rolled back after its first {outbox_rows} outbox rows were published: \
         it changed a table of another engine than InnoDB, so its ROLLBACK is in the binlog; keep \
         such tables out of transactions that write to an outbox"
    )]
    RolledBack { outbox_rows: u64 },
    #[error(
        "XA branch {xid} is committed here, but what the binlog has at {begins_at}, where it was prepared, \
         is not that branch: its outbox rows cannot be read"
    )]
    BranchReplaced { xid: String, begins_at: BinlogCoordinates },
    #[error(
        "the transaction in progress has {found} outbox rows, of which {published} are said to be \
         published: this is not the transaction that the checkpoint means"
    )]
    Shorter { published: u64, found: u64 },
    #[error(
        "a second transaction is too large to be published whole, while {gtid} is published in part: \
         the checkpoint can hold only one"
    )]
    SecondInProgress { gtid: Box<Gtid> },
    #[error("the source reports an incident, events may be missing from its binlog: {message}")]
    Incident { message: String },
    #[error("a {event_type} event, which this version of rowpost does not know")]
    UnknownEvent { event_type: EventType },
    #[error(
        "no event begins at position {position}, where reading was to begin; `rowpost position set` takes \
         only positions between two transactions"
    )]
    PositionUnreachable { position: u64 },
    #[error(
        "the transaction has no GTID, so GTID sets do not tell whether it is wanted; name the range by \
         positions or times"
    )]
    Anonymous,
}

impl Place {
    /// The command that leaves the transaction out that this place is in.
    fn past(&self) -> String {
        format!("`rowpost position set past:{}`", self.coordinates)
    }

    /// The command that leaves out the commit of an XA branch, and the branch.
    fn past_branch(&self, xid: &str) -> String {
        let at = &self.coordinates;
        format!("`rowpost position set past:{at} --forget-branch \"{xid}\"`")
    }
}

impl From<TableStartError> for SourceError {
    fn from(error: TableStartError) -> Self {
        Self::TableStart(Box::new(error))
    }
}

impl From<NoHost> for SourceError {
    fn from(none: NoHost) -> Self {
        Self::NoHost(Box::new(none))
    }
}

impl TransactionFault {
    /// Where the transaction is whole but cannot be published, and only a person can decide.
    fn way_past(&self, place: &Place) -> String {
        match self {
            Self::RolledBack { .. } => {
                format!("; {} leaves it out", place.past())
            }
            Self::BranchReplaced { xid, .. } => {
                format!("; {} leaves it out", place.past_branch(xid))
            }
            Self::CutShort { .. }
            | Self::Headless { .. }
            | Self::Unannounced { .. }
            | Self::Anonymous
            | Self::Shorter { .. }
            | Self::SecondInProgress { .. }
            | Self::Incident { .. }
            | Self::UnknownEvent { .. }
            | Self::PositionUnreachable { .. } => String::new(),
        }
    }

    /// Whether it may lie in what was sent rather than in what was written.
    fn may_pass(&self) -> bool {
        match self {
            Self::CutShort { .. } | Self::Headless { .. } | Self::Unannounced { .. } => true,
            Self::RolledBack { .. }
            | Self::BranchReplaced { .. }
            | Self::Shorter { .. }
            | Self::SecondInProgress { .. }
            | Self::Incident { .. }
            | Self::UnknownEvent { .. }
            | Self::PositionUnreachable { .. }
            | Self::Anonymous => false,
        }
    }
}

impl SourceError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Connection(error) if error.is_temporary() => Disposition::Retry,
            Self::Server(ServerError::Connection(error)) if error.is_temporary() => {
                Disposition::Retry
            }
            Self::Transaction { fault, .. } if fault.may_pass() => Disposition::Retry,
            Self::Event { .. } | Self::Panicked { .. } => Disposition::Retry,
            Self::Start(error) => error.disposition(),
            Self::NoHost(none) => none.disposition(),
            Self::TableStart(error) => error.disposition(),
            Self::Connection(_)
            | Self::Transaction { .. }
            | Self::Rows { .. }
            | Self::Record { .. }
            | Self::Mapping { .. }
            | Self::TableGone { .. }
            | Self::TableChanged { .. }
            | Self::TableAlteredSince { .. }
            | Self::ColumnsUnnamed { .. }
            | Self::StatementFormat { .. }
            | Self::BranchGone { .. }
            | Self::Files(_)
            | Self::Server(_)
            | Self::Unfit(_)
            | Self::Repeated { .. } => Disposition::Halt,
        }
    }

    /// How often in a row, without a transaction read in between, it may happen before it is taken
    /// for a fault that stays; `None`: an outage, which may last for as long as it lasts.
    pub fn attempts_max(&self) -> Option<u32> {
        match self {
            Self::Connection(error) | Self::Server(ServerError::Connection(error))
                if error.is_outage() =>
            {
                None
            }
            Self::Connection(ConnectionError::Refused(error))
                if error.refusal() == Refusal::DuplicateServerId =>
            {
                Some(5)
            }
            Self::Connection(_) | Self::Event { .. } => Some(3),
            Self::NoHost(none) => none.attempts_max(),
            Self::Start(_) | Self::TableStart(_) => None,
            // Once more from the last boundary: what was cut in the sending is whole then.
            Self::Transaction { .. }
            | Self::Panicked { .. }
            | Self::Rows { .. }
            | Self::Record { .. }
            | Self::Mapping { .. }
            | Self::TableGone { .. }
            | Self::TableChanged { .. }
            | Self::TableAlteredSince { .. }
            | Self::ColumnsUnnamed { .. }
            | Self::StatementFormat { .. }
            | Self::BranchGone { .. }
            | Self::Files(_)
            | Self::Server(_)
            | Self::Unfit(_)
            | Self::Repeated { .. } => Some(1),
        }
    }

    /// Adds the place to what the stream reported.
    pub(super) fn of_stream(error: StreamError, place: impl FnOnce() -> Place) -> Self {
        match error {
            StreamError::Connection(error) => Self::Connection(error),
            StreamError::Event(fault) => Self::Event { place: Box::new(place()), fault },
            StreamError::Files(error) => Self::Files(error),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.coordinates)?;
        match &self.gtid {
            Some(gtid) => write!(f, " in {gtid}"),
            None => Ok(()),
        }
    }
}
