//! Our decoding against real servers: what `SELECT` returns is right.
//!
//! Random rows of every column type go into a table, are changed and deleted, and come back through
//! the binlog; each value's text must be the one that `SELECT` gave for the same row. A second
//! reader that nobody here wrote (`mysql_cdc`) checks the types that it reads rightly.
//!
//! Every random test prints its seed and takes it back: `ROWPOST_SEED=…`.

#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a panic is how a test fails, and what is not expected is a failure"
)]

mod binlog;
mod charsets;
mod column_types;
mod json_literal;
mod literal;
mod round_trip;
mod second_reader;
mod special_columns;
mod table_start;
