//! The source against real servers.

#![expect(
    clippy::indexing_slicing,
    reason = "a panic is how a test fails; this crate is in no product"
)]

mod accounts;
mod columns;
mod faults;
mod files;
mod reading;
mod refusals;
mod search;
mod stage;
