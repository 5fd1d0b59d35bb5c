//! Where binlog events come from: a server, files on disk, or a test's script.
//!
//! Promises:
//! - every event's checksum was verified before its body is shown, where the binlog has checksums;
//! - compressed transactions are unpacked: their event comes first, without a body, then what was in
//!   it. What does not unpack to exactly the stated size is an error, never passed over;
//! - memory stays bounded: an event larger than the read buffer is held whole only if the reader
//!   wants it.
//!
//! Before this: the server or a file. After this: `assembler`.

use std::future::Future;

use super::{
    binlog_files::BinlogFilesError,
    event::{EventError, EventHeader, EventType},
    mysql::ConnectionError,
};

/// One event; its bytes are borrowed from the source's buffer until the next event is asked for.
#[derive(Debug, Clone, Copy)]
pub struct RawEvent<'a> {
    pub header: EventHeader,
    /// Without header and checksum.
    pub body: &'a [u8],
    /// Only the first bytes of the body are here, because the reader did not want the rest.
    pub is_cut: bool,
    /// Came from inside a compressed transaction: its header's position means nothing.
    pub is_unpacked: bool,
}

/// Says of events larger than the read buffer whether their bodies are worth holding in memory.
pub trait Interest {
    /// `head` is the start of the body, at least [`HEAD_BYTES`] of it.
    fn wants(&self, header: &EventHeader, head: &[u8]) -> bool;
}

/// How much of a declined event's body is kept: enough for a rows event's table id and for the
/// statement that a QUERY event begins with, behind up to 64 KiB of status variables.
pub const HEAD_BYTES: usize = 80 * 1024;

/// A stream of events, from a transaction boundary on.
pub trait EventSource {
    /// Waits until there is something to read. Dropping the future loses nothing.
    fn ready(&mut self) -> impl Future<Output = Result<(), StreamError>> + Send;

    /// Whether the next event is here already, so that [`Self::next_event`] will not wait.
    fn has_event(&self) -> bool;

    /// The next event. Heartbeats are events too. After an error, or when the future was dropped,
    /// the source must not be asked again.
    fn next_event(
        &mut self,
        interest: &(impl Interest + Sync),
    ) -> impl Future<Output = Result<RawEvent<'_>, StreamError>> + Send;
}

/// Why there is no next event.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Event(#[from] EventFault),
    /// Also that everything was read: files end.
    #[error(transparent)]
    Files(#[from] BinlogFilesError),
}

/// An event whose bytes are not what they should be. Reading it again may help: the fault may lie in
/// the network or in the server's memory. If it comes again it lies in the file.
#[derive(Debug, thiserror::Error)]
pub enum EventFault {
    #[error("{event_type} event does not match its checksum")]
    Checksum { event_type: EventType },
    #[error("{event_type} event is malformed")]
    Malformed {
        event_type: EventType,
        #[source]
        error: EventError,
    },
    #[error("event header is malformed")]
    MalformedHeader {
        #[source]
        error: EventError,
    },
    #[error("compressed transaction does not unpack")]
    Unpack {
        #[source]
        error: std::io::Error,
    },
    #[error("compressed transaction unpacks to {unpacked} bytes, {stated} were stated")]
    UnpackedSize { stated: u64, unpacked: u64 },
    #[error("{event_type} event inside a compressed transaction")]
    Misplaced { event_type: EventType },
    #[error(
        "{bytes} bytes of compressed transaction have to be set aside in {directory}, which fails; \
         TMPDIR names another directory"
    )]
    Spool {
        bytes: u64,
        directory: String,
        #[source]
        error: std::io::Error,
    },
}
