//! What the source says of itself while it reads: written by its reader, shown by the status.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

use super::report::LastError;
use crate::position::BinlogCoordinates;

/// Shared between the reader and the status.
#[derive(Debug, Default)]
pub struct SourceView(Mutex<Seen>);

/// The newest of each.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// `host:port` that is read, or was read last.
    pub host: Option<String>,
    pub server: Option<Server>,
    /// How far the binlog was read.
    pub read_position: Option<BinlogCoordinates>,
    pub last_error: Option<LastError>,
}

/// The server behind the newest binlog stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    pub uuid: Uuid,
    pub version: String,
    pub opened_at: Timestamp,
}

impl SourceView {
    /// The host before, if this is another one.
    pub fn reads_from(&self, host: &str) -> Option<Option<String>> {
        let mut seen = self.lock();
        if seen.host.as_deref() == Some(host) {
            return None;
        }
        Some(seen.host.replace(host.to_owned()))
    }

    pub fn opened(&self, uuid: Uuid, version: &str) {
        let opened_at = Timestamp::now();
        self.lock().server = Some(Server { uuid, version: version.to_owned(), opened_at });
    }

    pub fn read_up_to(&self, position: BinlogCoordinates) {
        self.lock().read_position = Some(position);
    }

    /// A failure that the reader tries again by itself. `message` is the error with its causes.
    pub fn failed(&self, message: String) {
        self.lock().last_error = Some(LastError::now(super::Stage::Source, message));
    }

    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Every field is whole by itself: a panic elsewhere leaves nothing half written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
