//! The publisher and its checkpoint against a real broker, fed with numbers instead of a binlog.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is how a test fails; this crate is in no product"
)]

mod access;
mod at_least_once;
mod atomicity;
mod checkpoint;
mod fencing;
mod instance;
mod kills;
mod outages;
mod refusals;
mod stage;
mod strict;
mod topics;
mod witness;
