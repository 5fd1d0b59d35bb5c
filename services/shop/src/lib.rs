//! What the services of the shop share: little, and nothing about stock, money or orders.
//!
//! ```text
//! order ──inventory──▶ inventory ──payment──▶ payment ──▶ gateway (HTTP)
//!   ▲                     │  ▲                   │
//!   └──────order──────────┘  └─────inventory─────┤   ORDER_CANCEL: the way back
//!   └──────────────────order─────────────────────┘   PAYMENT_COMPLETE
//! ```
//!
//! Every arrow between services is an outbox row that the relay publishes; no service produces to
//! Kafka itself. Asked the same thing twice, a service acts once and answers twice, with the same
//! answer: a retry is then always safe, whoever makes it.

#![warn(missing_docs)]

pub mod message; // what the events say

pub mod topic; // where they go

pub mod fields; // a request's JSON → typed fields, or the name of the wrong one

pub mod http; // errors as JSON, health, the size limit

pub mod settings; // flags and environment

pub mod database; // the pool, once the schema is right

pub mod consume; // an outbox library consumer of these topics

pub mod traces; // spans → a collector

pub mod life; // start, run, leave in order

pub use self::{
    fields::{Fields, InvalidField},
    http::{ApiError, JsonObject},
    life::{Failure, Life},
    message::{Item, Message, Payment, Status},
    settings::Settings,
    topic::{Outgoing, Style, Topic},
};
