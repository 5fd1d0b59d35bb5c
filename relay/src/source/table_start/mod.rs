//! Rows of the outbox tables → chunks, before the first chunk of the binlog.
//!
//! A start from the tables has two parts. It is *begun* by a position, which is stored before anything is
//! published and then stands still: everything before it is in the tables, everything behind it is the
//! binlog's. Then the tables are *read*, and what was inserted behind the position is passed over; the last
//! row that is out is stored with each batch. When all is read, the binlog is read from the position on.
//!
//! The rule: a row that was inserted behind the position comes from the binlog, always; one that was
//! inserted before it comes from the table, once, because the tables are read in one order and only behind
//! the last row. Each life looks at the tables as they are then, at one moment, and reads in the binlog
//! which rows are behind the position. So it does not matter how often a life ends, or where.
//!
//! Promises:
//! - each row that is in a table when it is read, or is inserted behind the position, comes once;
//! - the table's rows come in the order of the primary key, or of `start_order`, before all others;
//! - nobody waits for it: rows are read without locks, in one transaction that only reads;
//! - memory is bounded: one row at a time, and sixteen bytes for each row that was inserted since the start
//!   was begun.
//!
//! Not promised:
//! - rows that were inserted before the position and are deleted before a connection that will come to them
//!   looks at the tables. Each connection looks once, when it begins; what is deleted later it still reads.
//!   So none is missed but of those deleted in the moment between the choice of the position and the first
//!   look, and of those that were not out yet when a connection ended (by a kill, a stop, a loss, a batch
//!   that failed) and were deleted before the next one looked;
//! - a primary key that is deleted and inserted again within the milliseconds in which a life begins;
//! - rows of an XA transaction that is prepared before the position and committed behind it;
//! - anything of a start for which the server's binlog is reset or purged behind the position before it is
//!   finished: `lost` says what follows then.
//!
//! The timestamp of a record, where no column says it, is the moment as of which the tables are read: they
//! do not tell when a row was committed.
//!
//! Before this: `start`, which begins it. After this: `session`, which reads the binlog.

mod begin;
mod catalog;
mod chunks;
mod error;
#[cfg(test)]
mod laws;
mod newer;
mod plan;
mod read;
mod scan;
mod selected;
mod statement;

pub use self::error::TableStartError;
pub(in crate::source) use self::{begin::settled_end, catalog::describe, read::read};
