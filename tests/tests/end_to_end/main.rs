//! The whole relay between a real MySQL and a real Kafka: what is written is what is published.

#![expect(
    clippy::indexing_slicing,
    reason = "a panic is how a test fails; this crate is in no product"
)]

mod faults;
mod giant;
mod kills;
mod publishing;
mod stack;
