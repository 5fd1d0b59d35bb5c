//! The whole relay between a real MySQL and a real Kafka: what is written is what is published.

#![expect(
    clippy::indexing_slicing,
    reason = "a panic is how a test fails; this crate is in no product"
)]

mod check;
mod exit_codes;
mod faults;
mod giant;
mod kills;
mod operations;
mod publishing;
mod security;
mod stack;
mod stopping;
