//! The position, stored in Kafka.
//!
//! Promises:
//! - what [`Store::read`] returns is the newest committed checkpoint, if it is called after the fence;
//! - reading takes milliseconds, however many checkpoints the topic holds;
//! - a checkpoint that this version cannot read is an error, never taken for none.
//!
//! Before this: `position`. After this: nothing; `publish` writes what is read here.

mod error;
mod record;
mod store;
mod topic;
mod writer;

pub use self::{
    error::CheckpointError,
    record::{Checkpoint, RecordOrigin},
    store::{FirstPast, Store},
    topic::TopicFound,
    writer::{Role, Writer},
};
