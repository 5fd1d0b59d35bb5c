//! Why a server cannot be read from where reading has to begin, and whether to try again.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    error::Disposition,
    position::{BinlogCoordinates, GtidSet},
    source::lost::purged_files,
};

/// Why this server cannot be read from where we have to begin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    #[error(
        "the source has purged transactions that are not yet published: {missing}; restore them from \
         a backup of the binlog or another server, or go on without them with `rowpost position set \
         earliest` and publish their rows from the outbox table"
    )]
    GtidsPurged { missing: GtidSet },
    #[error(
        "the source has purged what the checkpoint needs: {}; its oldest file is {oldest}, and what \
         lies between is not published. Restore the files, or go on without them with `rowpost \
         position set earliest` and publish their rows from the outbox table",
        purged_files(wanted, oldest)
    )]
    FilePurged { wanted: BinlogCoordinates, oldest: Arc<str> },
    #[error(
        "the source has purged what was committed between {wanted} and {begun}, when its oldest file \
         {oldest} was begun; read archived files with --binlog-dir, or start from earliest"
    )]
    TimePurged { wanted: Timestamp, oldest: Arc<str>, begun: Timestamp },
    #[error(
        "the source's binlog was begun anew since the checkpoint at {wanted} was written (RESET BINARY \
         LOGS AND GTIDS, RESET MASTER): its oldest file, {oldest}, is younger than that. What was \
         committed between the checkpoint and the reset is not published; `rowpost position set \
         earliest` goes on with what was committed since"
    )]
    BegunAnew { wanted: BinlogCoordinates, oldest: Arc<str> },
    #[error(
        "the source lacks transactions that are already published: {missing}; its binlog was reset, \
         it was restored from a backup, or it is another server"
    )]
    SourceBehind { missing: GtidSet },
    #[error(
        "the source lacks transactions that are already published, and does not come closer: {missing}; \
         its binlog was reset, it was restored from a backup, or it is another server. Decide which \
         server is right; if it is this one, `rowpost position set latest` goes on from now, and a \
         GTID set instead of `latest` from there"
    )]
    StaysBehind { missing: GtidSet },
    #[error(
        "the source's binlog ends at {end}, before {wanted}; it was reset or restored from a backup. \
         Decide which server is right; if it is this one, `rowpost position set` says where to go on"
    )]
    CoordinatesBehind { wanted: BinlogCoordinates, end: BinlogCoordinates },
    #[error(
        "the source's file {} is not the one that the checkpoint at {wanted} means, though it has its \
         name: the binlog was reset or restored from a backup. Decide which server is right; if it is \
         this one, `rowpost position set` says where to go on", wanted.file
    )]
    FileReplaced { wanted: BinlogCoordinates },
    #[error(
        "the checkpoint belongs to server {expected}, this is {actual}; without GTIDs a position means \
         nothing on another server. Connect to that server. If this one has the same binlog files under \
         a new server_uuid (auto.cnf was deleted), `rowpost position set {wanted}` goes on there"
    )]
    OtherServer { expected: Uuid, actual: Uuid, wanted: BinlogCoordinates },
    #[error(
        "transactions without a GTID begin at {at}, not yet published, and a source with gtid_mode = ON \
         does not send them; set global gtid_mode = ON_PERMISSIVE on it until the relay is past them, or \
         pass over them with `rowpost position set`"
    )]
    Anonymous { at: BinlogCoordinates },
    #[error(
        "there is no checkpoint yet, and a start by file and position means nothing on another server \
         than the first of mysql.url; bring that one back, or put this one first"
    )]
    NotTheFirst,
    #[error(
        "a GTID set names no place on a source whose gtid_mode is not ON; name `file:position`"
    )]
    NoGtids,
}

impl StartError {
    /// All of it repeats until a person has decided, but for one: a server sends a transaction to
    /// its replicas before it counts as executed (with semi-synchronous replication by as long as a
    /// replica takes to acknowledge), so a source that is behind may only be about to catch up.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::SourceBehind { .. } => Disposition::Retry,
            Self::GtidsPurged { .. }
            | Self::FilePurged { .. }
            | Self::TimePurged { .. }
            | Self::BegunAnew { .. }
            | Self::StaysBehind { .. }
            | Self::CoordinatesBehind { .. }
            | Self::FileReplaced { .. }
            | Self::OtherServer { .. }
            | Self::Anonymous { .. }
            | Self::NotTheFirst
            | Self::NoGtids => Disposition::Halt,
        }
    }
}
