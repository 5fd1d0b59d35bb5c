//! `rowpost replay`: a part of the binlog, published once more.
//!
//! ```text
//! --from, --until ──range──▶ coordinates ──feed──▶ chunks ──stage──▶ chosen, marked ──publish──▶ Kafka
//! ```
//!
//! Promises:
//! - a replayed record is byte for byte what the daemon published, plus the header `replayed`;
//! - exactly once, however often the replay is killed and resumed: its position is committed with its
//!   records, under transactional ids and a checkpoint key of its own;
//! - the daemon's checkpoint and transactional ids are never touched, whether it runs or not.
//!
//! Not promised: that a consumer may take replayed records for new ones. It has the event ids.
//!
//! It is the daemon's pipeline on another feed. Before this: `range`. After this: `pipeline`.

mod command;
mod description;
mod dry_run;
mod error;
mod feed;
mod stage;

pub(crate) use self::stage::MARK;
pub use self::{command::run, error::ReplayError};
