//! Rowpost tails MySQL's ROW binlog and publishes outbox rows to Kafka exactly once.
//!
//! ```text
//! MySQL binlog ──source──▶ chunks ──publish──▶ Kafka
//!               │                │
//!            record:          batch + checkpoint
//!            row → record     in one Kafka transaction
//! ```

pub mod config; // file, environment and flags → settings that cannot be wrong

pub mod position; // where we are in the binlog

pub mod source; // binlog bytes → outbox rows in commit order

pub mod record; // outbox row → Kafka record

pub mod publish; // records and checkpoint → one Kafka transaction

pub mod checkpoint; // the position, stored in Kafka

pub mod metrics; // typed handles of every metric

pub mod error; // what a caller does about an error
