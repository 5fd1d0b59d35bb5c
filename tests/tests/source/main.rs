//! The source against real servers.

mod accounts;
mod columns;
mod faults;
mod reading;
mod refusals;
mod stage;
