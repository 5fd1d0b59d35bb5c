//! What is wrong with a folder of binlog files, and where they end.

use std::{io, path::PathBuf, sync::Arc};

use crate::{
    position::{BinlogCoordinates, GtidSet},
    source::EventFault,
};

#[derive(Debug, thiserror::Error)]
pub enum BinlogFilesError {
    #[error("{} cannot be read", path.display())]
    Read {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error(
        "{} holds no binlog files: their names end in a number of six digits or more, as in \
         bin-log.000123, bin-log.000123.gz or bin-log.000123.zst", folder.display()
    )]
    NoFiles { folder: PathBuf },
    #[error(
        "{} holds binlog files of several series: {}; name the one that is meant", folder.display(),
        names.join(", ")
    )]
    SeveralSeries { folder: PathBuf, names: Vec<String> },
    #[error(
        "{} holds no binlog files named {wanted}; it has those of {}", folder.display(),
        names.join(", ")
    )]
    NoSuchSeries { folder: PathBuf, wanted: String, names: Vec<String> },
    #[error(
        "{missing} is missing between {before} and {after}; what it holds would be left out. Put it \
         into the folder, or start behind it"
    )]
    Gap { missing: String, before: Arc<str>, after: Arc<str> },
    #[error(
        "{file} is encrypted (binlog_encryption), and only its server has the key; have the server \
         send it: `mysqlbinlog --raw --read-from-remote-server {file}`"
    )]
    Encrypted { file: Arc<str> },
    #[error("{file} is no binlog file: it does not begin with the bytes fe 62 69 6e")]
    NotABinlog { file: Arc<str> },
    #[error(
        "{file} does not begin with a format description: it is no binlog of MySQL 5.6 or later"
    )]
    NoFormatDescription { file: Arc<str> },
    #[error("{file} has no list of previous GTIDs, by which a start at a GTID set is found")]
    NoPreviousGtids { file: Arc<str> },
    #[error(
        "{file} ends inside an event that begins at {position}; it is not the file that the server \
         was writing, so the copy is cut off: copy it again"
    )]
    Torn { file: Arc<str>, position: u64 },
    #[error(
        "{file} ends at {end} without a rotation, but the server went on from it into {next} by \
         one: its end is missing, copy it again"
    )]
    Unfinished { file: Arc<str>, end: u64, next: Arc<str> },
    #[error(
        "{file} ends in a rotation to {named}, but {next} follows in the folder: the files are not \
         of one run of one server"
    )]
    OtherSuccessor { file: Arc<str>, named: String, next: Arc<str> },
    #[error("{wanted} is not in the folder, which holds {oldest} to {newest}")]
    NoSuchFile { wanted: Arc<str>, oldest: Arc<str>, newest: Arc<str> },
    #[error(
        "no event begins at {wanted}; the nearest begin at {before} and {after}. A position must be \
         one that the server or this relay gave"
    )]
    NotABoundary { wanted: BinlogCoordinates, before: u64, after: u64 },
    #[error("{wanted} is behind the end of its file, which is at {end}")]
    BehindEnd { wanted: BinlogCoordinates, end: u64 },
    #[error(
        "transactions before {oldest} are in no file of the folder: {missing}; add older files, or \
         start with these transactions in the set to leave them out"
    )]
    GtidsMissing { missing: GtidSet, oldest: Arc<str> },
    #[error(
        "the files end at {end}, before these transactions of the set to read until: {missing}; add newer \
         files, or leave them out of the set"
    )]
    EndBefore { end: BinlogCoordinates, missing: GtidSet },
    #[error(
        "the transaction at {at} has no GTID, so a GTID set does not tell whether it is wanted; \
         start at a position or a time"
    )]
    Anonymous { at: BinlogCoordinates },
    #[error(
        "the oldest file, {oldest}, was begun at {begun}, later than the time to start from; what \
         was committed in between is not in the folder. Add older files, or start from the earliest"
    )]
    TimeBefore { oldest: Arc<str>, begun: jiff::Timestamp },
    #[error(
        "the files end at {end} inside a transaction, though the server had closed the last of them; \
         copy it again"
    )]
    EndInTransaction { end: BinlogCoordinates },
    #[error("{file} cannot be understood at {position}")]
    Event {
        file: Arc<str>,
        position: u64,
        #[source]
        fault: EventFault,
    },
    /// Everything was read.
    #[error("the binlog files end at {}", .0.coordinates)]
    Ended(EndOfFiles),
}

/// Where the last file ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfFiles {
    /// Behind the last whole event.
    pub coordinates: BinlogCoordinates,
    /// The server had not closed the file when it was copied: it may go on. Only then can an event,
    /// and a transaction, be cut off here.
    pub is_in_use: bool,
    /// The file ends inside an event.
    pub is_torn: bool,
}
