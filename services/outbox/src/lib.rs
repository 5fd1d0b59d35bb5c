//! Transactional outbox and inbox for services on MySQL and Kafka.
//!
//! A service that saves to its database and then sends to Kafka loses an event when it dies between
//! the two; one that sends first tells of things that never happened. Here an event is a row of the
//! same transaction, and the relay (`rowpost`) publishes the row from the binlog:
//!
//! ```text
//!  service A: one transaction                service B: one transaction
//! ┌──────────────────────────┐              ┌──────────────────────────────────┐
//! │ begin                    │              │ begin                            │
//! │   its state              │              │   inbox row  (duplicate? stop)   │
//! │   outbox row ← append    │              │   its state  ┐                   │
//! │ commit                   │              │   outbox row ┘ ← the Handler     │
//! └────────────┬─────────────┘              │ commit                           │
//!              │ binlog                     └──▲────────────┬────────┬─────────┘
//!              ▼                               │            │        └ then: Kafka offset
//!           rowpost ──────────▶ Kafka ─────────┘            ▼ binlog
//!        exactly once for       (read_committed)         rowpost ──▶ …
//!      read_committed readers
//! ```
//!
//! A crash before a commit leaves nothing, a crash after it loses nothing: the relay finds the row in
//! the binlog, and a record whose offset was not committed comes again and finds its inbox row.
//!
//! - Writing: implement [`Event`] for your own type, call [`Outbox::append`] in your transaction.
//! - Reading: implement [`Handler`], run a [`Consumer`]. What cannot be processed goes to a
//!   dead-letter topic and does not stand in the way. What keeps a store other than MySQL up to date
//!   is a [`Projection`].
//! - Starting: [`schema::install`] or [`schema::check`], before the first request.
//! - Keeping the tables small: run a [`Pruner`], which deletes what the relay has published and what
//!   cannot be delivered again.
//! - Tracing: set up an OpenTelemetry tracer provider, and rows, records and handlers are one trace.
//! - Testing: [`testing`] shows what was written, and delivers twice and out of order.
//!
//! The smallest service is `examples/smallest.rs`; the relay's configuration is in the README.

#![warn(missing_docs)]

pub mod disposition; // what to do about an error

mod spans; // what is done → OpenTelemetry

pub mod event; // a service's type → what a row says of it

mod trace; // the text of a `traceparent`

pub mod headers; // how one event leads to the next

pub mod append; // an event → a row of the caller's transaction

pub mod schema; // the tables, before anything else

pub mod received; // a Kafka record → an event

pub mod inbox; // an event → its effect, once

pub mod consumer; // topics → effects, in order

pub mod checkpoint; // how far the relay is

mod blocking; // work that blocks, on a thread that may

pub mod prune; // old rows → none

pub mod testing; // what a service's own tests need

pub use sqlx::{MySql, MySqlPool, Transaction};
pub use tokio_util::sync::CancellationToken;

pub use self::{
    append::{AppendError, Outbox, Rows},
    checkpoint::RelayCheckpoint,
    consumer::{Consumer, ConsumerConfig, ConsumerError, effect::Projection},
    disposition::Disposition,
    event::{Event, InvalidEvent},
    headers::Headers,
    inbox::{Handler, HandlerError, Outcome},
    prune::{PruneConfig, Pruner},
    received::Received,
    schema::SchemaError,
    trace::TraceContext,
};
