//! The shop, its four services as processes, through the relay and Kafka. Both saga styles.

#![expect(clippy::indexing_slicing, reason = "all of it is test code: a panic is how it fails")]

mod bad_input;
mod browser;
mod configuration;
mod duplicates;
mod gateway_minute;
mod kills;
mod load;
mod orders;
mod out_of_order;
mod page;
mod races;
mod sample;
mod servers;
mod stage;
mod streams;
mod traces;
mod trouble;
mod view;
