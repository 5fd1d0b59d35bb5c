//! Binlog bytes → committed outbox records.
//!
//! Promises:
//! - chunks leave in the order the source committed their transactions;
//! - rows leave only when their transaction is known to be committed: MySQL writes a transaction to
//!   the binlog at its commit, so its first event already proves it; what can still be rolled back
//!   (XA, mixed engines) is held or refused; a held XA branch is read again where it is committed;
//! - a transaction that ends without its commit event is never passed over.
//!
//! Before this: nothing. After this: `record` for each row, `publish` for the chunks.

mod assembler;
pub mod binlog_files;
mod bisection;
mod bounds;
mod bytes;
mod chunk;
mod columns;
mod decode_error;
mod describer;
mod error;
pub mod event;
mod event_reader;
mod event_source;
mod hosts;
mod look_back;
mod lost;
pub mod mysql;
mod outlet;
pub mod preflight;
pub(crate) mod probe;
mod read_buffer;
mod reader;
mod retries;
pub mod row;
mod same_binlog;
mod search;
pub mod server;
mod session;
pub mod start;
pub(crate) mod survey;
pub mod table_map;
mod table_start;
mod tables;
mod unpack;
mod watcher;
pub(crate) mod within;

pub use self::{
    bounds::Bounds,
    bytes::Malformed,
    chunk::{Chunk, ChunkTransaction},
    decode_error::DecodeError,
    describer::PresentColumns,
    error::{Place, SourceError, TransactionFault},
    event_source::{EventFault, EventSource, HEAD_BYTES, Interest, RawEvent, StreamError},
    hosts::{Hosts, NoHost, Prospect, Refusal, find_start, settle},
    preflight::{Advice, Unfit, preflight},
    reader::{Reading, run, run_over},
    search::Search,
    session::{Cut, Origin},
    start::{StartError, look},
    table_start::TableStartError,
    watcher::{EndOfBinlog, KeptFiles, Watcher},
};
