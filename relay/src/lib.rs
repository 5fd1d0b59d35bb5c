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

pub mod traces; // published records → spans, for a collector

pub mod pipeline; // source and publisher, started, watched, started again

pub mod range; // what a person calls a part of the binlog

mod progress; // how far a command is

pub mod replay; // a part of the binlog, published once more

pub mod find; // where an event is

pub mod shutdown; // leaving in order

pub mod status; // what the relay says of itself

pub mod http; // metrics, health and status over HTTP

pub mod position_command; // the checkpoint, shown and set

pub mod check; // what the relay needs of its servers

pub mod error; // retry or halt

pub mod exit_code; // each error's number

pub mod failure; // the last words of a command

pub mod cli;

pub mod logging;
