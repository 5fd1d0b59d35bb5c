//! Records in memory → Kafka, as fast as librdkafka goes: what a relay could reach at most.
//!
//! Promises:
//! - the relay's own librdkafka properties and batch limits, records of the same sizes with the same
//!   keys, one checkpoint record in each Kafka transaction, the native flush, and two transactional
//!   ids in rotation: everything of the exactly-once relay but the reading and decoding;
//! - none of the relay's publishing code: a slow engine must not lower its own ceiling;
//! - a process of its own, so that its CPU time and memory are taken as the relay's are.
//!
//! Started by `catch_up` as `rowpost-bench ceiling …`; prints one line of JSON when all is committed
//! and stays until its standard input is closed, so that it can be looked at.

mod producer;
mod records;
mod settings;

use std::io::Read;

use anyhow::{Context, Result};
use clap::Args;
use serde::{Deserialize, Serialize};

pub(crate) use self::records::{KEYS, ledger};

/// What to produce, and where to.
#[derive(Debug, Clone, Args)]
#[group(id = "ceiling")]
pub(crate) struct Options {
    #[arg(long)]
    pub(crate) bootstrap: String,
    /// Names the checkpoint topic and the transactional ids, as a relay's `source` does.
    #[arg(long)]
    pub(crate) source: String,
    #[arg(long)]
    pub(crate) topic: String,
    #[arg(long)]
    pub(crate) run: u32,
    #[arg(long)]
    pub(crate) rows: u64,
    #[arg(long)]
    pub(crate) payload_bytes: usize,
}

impl Options {
    /// As the child's command line.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let pairs = [
            ("--bootstrap", self.bootstrap.clone()),
            ("--source", self.source.clone()),
            ("--topic", self.topic.clone()),
            ("--run", self.run.to_string()),
            ("--rows", self.rows.to_string()),
            ("--payload-bytes", self.payload_bytes.to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

/// What the child says when it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    pub(crate) kafka_transactions: u64,
}

/// The child's whole life.
#[expect(clippy::print_stdout, reason = "the answer to the parent")]
pub(crate) fn run(options: &Options) -> Result<()> {
    let settings = settings::read(options)?;
    let records = records::build(options);
    let outcome = producer::produce(&settings, options, &records)?;
    println!("{}", serde_json::to_string(&outcome)?);
    std::io::stdin().read_to_end(&mut Vec::new()).context("cannot wait for the parent")?;
    Ok(())
}
