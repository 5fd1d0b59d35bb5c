//! The bytes of binlog events → what they say.
//!
//! Only what the assembler needs: transaction boundaries, GTIDs, files, XA, compression, and which table
//! a statement inserts into. Rows and table maps have their own decoder.
//!
//! Promises: checked reads only; malformed bytes give an [`EventError`], never a panic.

mod error;
mod file;
mod gtid;
pub mod gtid_set;
mod header;
mod insert_target;
mod payload;
mod query;
mod serialized;
mod xa_prepare;

pub use self::{
    error::EventError,
    file::{ChecksumAlgorithm, FormatDescription, RotateEvent, incident_message},
    gtid::GtidEvent,
    header::{EventHeader, EventType},
    insert_target::{InsertTarget, insert_target},
    payload::{Compression, PayloadHeader},
    query::{QueryEvent, Statement},
    xa_prepare::{XaPrepareEvent, Xid},
};
