//! The library `services/outbox` against real MySQL and Kafka.

mod append;
mod consumer;
mod inbox;
mod kills;
mod prune;
mod relayed;
mod schema;
mod topic;
