//! The shop, its four services as processes, through the relay and Kafka. Both saga styles.

#![expect(clippy::indexing_slicing, reason = "all of it is test code: a panic is how it fails")]

mod bad_input;
mod browser;
mod duplicates;
mod kills;
mod orders;
mod page;
mod stage;
mod streams;
mod trouble;
mod view;
