//! `cargo xtask bench`: what the relay reaches on real MySQL and real Kafka.
//!
//! ```text
//! catch_up   backlog in the binlog ──▶ relay ──▶ records per second, beside the ceiling's
//! latency    COMMIT returned ──▶ relay ──▶ read_committed consumer: milliseconds
//! memory     steady, idle, and one transaction of 1 GiB: resident bytes, CPU
//! ```
//!
//! Promises: figures that are compared come from one run, in turns; no figure without a proof by the
//! ledger that every row arrived once and in order.
//!
//! Not promised: that a busy machine's figures mean anything. It is said when it was busy.

mod cli;

mod machine; // where

mod stand; // servers, relays, topics

mod delivery; // exactly once, at least once

mod ceiling; // the same records from memory

mod processes; // CPU time over time

mod statistics; // medians, quantiles

mod progress; // for whoever waits

mod catch_up;

mod latency;

mod memory;

mod report; // figures → Markdown, JSON, docs/benchmarks.md

use anyhow::Result;
use clap::Parser;

// As the relay: librdkafka's C code allocates with it too. The ceiling keeps freed memory for as long as
// mimalloc does by default, a second, which is the faster.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    cli::run(cli::Arguments::parse())
}
