//! The library `services/outbox` against real MySQL and Kafka.

mod append;
mod inbox;
mod schema;
