//! Binlog bytes → committed outbox records.
//!
//! Promises:
//! - chunks leave in the order the source committed their transactions;
//! - rows leave only when their transaction is known to be committed: MySQL writes a transaction to
//!   the binlog at its commit, so its first event already proves it; what can still be rolled back
//!   (XA, mixed engines) is held or refused;
//! - a transaction that ends without its commit event is never passed over.
//!
//! Before this: nothing. After this: `record` for each row, `publish` for the chunks.

mod assembler;
pub mod binlog_files;
mod bytes;
mod chunk;
mod columns;
mod decode_error;
mod error;
pub mod event;
mod event_reader;
mod event_source;
pub mod mysql;
mod outlet;
pub mod preflight;
mod read_buffer;
mod reader;
mod retries;
pub mod row;
pub mod server;
mod session;
pub mod start;
pub mod table_map;
mod tables;
mod unpack;
mod watcher;

pub use self::{
    bytes::Malformed,
    chunk::Chunk,
    decode_error::DecodeError,
    error::{Place, SourceError, TransactionFault},
    event_source::{EventFault, EventSource, HEAD_BYTES, Interest, RawEvent, StreamError},
    preflight::{Advice, Unfit, preflight},
    reader::{run, run_cut},
    session::Cut,
    start::find_start,
    watcher::{EndOfBinlog, Watcher},
};
