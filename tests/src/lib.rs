//! Harness of the tests against real servers.
//!
//! ```text
//! Writers ──commit──▶ MysqlServer ──binlog──▶ Relay ──▶ KafkaBroker ──▶ Reader
//!    └────────── Ledger: written = published, in order, once ──────────────┘
//! ```
//!
//! Servers come from addresses in the environment (`ROWPOST_TEST_MYSQL_URL`, `ROWPOST_TEST_KAFKA`,
//! `ROWPOST_TEST_DYNAMODB`),
//! else from Docker (feature `containers`), else from native binaries that `rowpost-servers` fetches.
//! Whatever was started dies with the test process, however that ends.

#![expect(
    clippy::indexing_slicing,
    reason = "a panic is how a test fails; this crate is in no product"
)]

pub mod tier; // which servers a run may leave out

pub mod control; // kill, stop, start, pause

pub mod mysql_server;

pub mod replication; // several of them, one behind the other

pub mod kafka_broker;

pub mod dynamodb_store;

#[cfg(feature = "containers")]
mod containers;

#[cfg(not(feature = "containers"))]
mod native_mysql;

pub mod outbox; // the table under test

mod payload; // what is in it

pub mod seed; // random, but repeatable

pub mod writer; // commits and rollbacks under load

pub mod ledger; // written against published

pub mod http; // the relay's endpoints, the services

pub mod collector; // of spans

pub mod open_metrics; // what one of them answers

pub mod programs; // the binaries under test

mod tied; // a process that dies with the test

pub mod relay; // the relay under test

pub mod command_line; // its other commands

pub mod eventually; // waiting without sleeping

pub mod numbers; // chunks without MySQL

pub mod notebook; // a service on the outbox library

pub mod shop; // the reference system that the relay serves

pub mod demo; // the run that `cargo xtask demo` shows

pub use self::{
    dynamodb_store::DynamodbStore,
    eventually::eventually,
    kafka_broker::KafkaBroker,
    ledger::{Ledger, Reader},
    mysql_server::{MysqlServer, Setup},
    relay::Relay,
    seed::Random,
    writer::{WriterOptions, Writers},
};
