//! `rowpost find`: where an event is, from the binlog to Kafka.
//!
//! ```text
//! --from, --until ──range──▶ binlog ──events──▶ chosen ──copies──▶ offsets ──verdict──▶ report ──▶ text
//!                                       checkpoint, before and after ───────┘
//! ```
//!
//! Promises:
//! - it only reads: no checkpoint, transactional id or topic is touched, and a relay may run beside it;
//! - an event that is not found was looked for in what the report names, and nowhere else;
//! - what is said to be in Kafka carries the event's id in the header that the relay puts it in.
//!
//! Not promised: to see what the binlog does not hold. A row that was rolled back never was in it.
//!
//! Before this: `range`. After this: nothing.

mod command;
mod copies;
mod error;
mod events;
mod kafka;
mod report;
mod text;
mod verdict;

pub use self::{command::run, error::FindError};
