//! `cargo xtask demo`: the main job for real, from nothing to a verdict.
//!
//! Promises:
//! - real servers, the real relay; what cannot be had is said, and nothing stands in for it;
//! - Ctrl-C, an error and the end leave neither a process nor a file of the run behind; `--keep`
//!   leaves all of it running after the verdict, under the name of a stack;
//! - exit code 0 only for good verdicts.
//!
//! The run itself (writers, kill, consumer, ledger, the shop's orders) is the binary `demo` of the tests' crate, with
//! their harness.

mod build; // relay and run, compiled

mod interrupt; // Ctrl-C

mod kept; // what --keep leaves

use std::{
    process::{Command, ExitCode, ExitStatus},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use rowpost_servers::{
    cache::{CACHE_VARIABLE, Cache},
    kafka,
    mysql::{Flags, Version},
    process,
};

use self::{
    build::{BINARY_VARIABLE, Programs},
    interrupt::Interrupt,
};
use crate::stack::{Addresses, Engine, Request, Stack};

/// Names a store that is there already, as for the tests.
const DYNAMODB_VARIABLE: &str = "ROWPOST_TEST_DYNAMODB";

const STYLES: [&str; 2] = ["choreography", "orchestration"];

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Demo {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    run: Run,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Inserts one row by hand into a demo that was kept, and waits until it is in Kafka.
    Insert(kept::Insert),
}

#[derive(Debug, Args)]
struct Run {
    /// Leaves everything running, as the stack `demo`.
    #[arg(long)]
    keep: bool,
    /// MySQL version: 5.7, 8.0 or 9. Default: 9, or 8.0 where 9 cannot be had.
    #[arg(long)]
    mysql: Option<Version>,
    /// The reference compose file's binlog flags and no others: no GTIDs, a new file every 4 KiB.
    /// Default: those of docker-compose.yml, which adds GTIDs and column names.
    #[arg(long)]
    reference_flags: bool,
    /// How long the writers write under load.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=3600))]
    seconds: u32,
    /// Rows that they write in a second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    rate: u32,
    /// How the orders are led through the shop: one style, instead of one after the other.
    #[arg(long, value_parser = STYLES)]
    saga: Option<String>,
    /// MySQL and Kafka from docker-compose.yml. Default where Docker answers.
    #[arg(long, conflicts_with = "native")]
    docker: bool,
    /// MySQL and Kafka without Docker.
    #[arg(long)]
    native: bool,
}

pub(crate) fn run(demo: &Demo) -> Result<ExitCode> {
    let cache = Cache::open()?;
    match &demo.action {
        Some(Action::Insert(insert)) => kept::insert(&cache, insert),
        None => whole(&cache, &demo.run),
    }
}

fn whole(cache: &Cache, run: &Run) -> Result<ExitCode> {
    let name = match run.keep {
        true => kept::STACK.to_owned(),
        false => format!("demo-{}", std::process::id()),
    };
    Stack::sweep(cache)?;
    let mut stack = Stack::named(cache, &name)?;
    if stack.state()?.is_up() {
        bail!("a kept demo is up: `cargo xtask stack down --name {name}` first");
    }
    if !run.keep {
        stack = stack.tied();
    }
    let interrupt = Interrupt::watch(cache, &name)?;
    let outcome = perform(run, &mut stack);
    interrupt.wait_if_requested(outcome.is_err());
    if !(run.keep && outcome.is_ok()) {
        stack.discard()?;
    }
    outcome
}

fn perform(run: &Run, stack: &mut Stack) -> Result<ExitCode> {
    let started = Instant::now();
    let programs = build::programs()?;
    let engine = stack.up(&run.request())?;
    eprintln!("ready after {:.1} s\n", started.elapsed().as_secs_f64());
    let addresses = kept::addresses(stack)?;
    println!("{}", headline(run, engine, &addresses, &programs));
    let status = story(&programs, stack, &addresses, run)?;
    if run.keep {
        kept::leave(stack, &addresses)?;
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Run {
    fn request(&self) -> Request {
        let engine = match (self.docker, self.native) {
            (true, _) => Some(Engine::Docker),
            (false, true) => Some(Engine::Native),
            (false, false) => None,
        };
        let flags = if self.reference_flags { Flags::Reference } else { Flags::Compose };
        Request { engine, version: self.mysql, flags, with_kafka: true, with_dynamodb: true }
    }
}

fn headline(run: &Run, engine: Engine, addresses: &Addresses, programs: &Programs) -> String {
    let from = match engine {
        Engine::Docker => "in Docker",
        Engine::Native => "without Docker",
    };
    let flags = match run.reference_flags {
        true => "the reference flags and no others",
        false => "the flags of docker-compose.yml",
    };
    let (mysql, kafka) = (addresses.mysql_version, kafka::VERSION);
    let origin = &programs.relay_origin;
    format!(
        "Rowpost demo: MySQL {mysql} with {flags}, Kafka {kafka}, {from}\nrelay binary: {origin}"
    )
}

/// The run, on this terminal; it dies with us.
fn story(
    programs: &Programs,
    stack: &Stack,
    addresses: &Addresses,
    run: &Run,
) -> Result<ExitStatus> {
    let mut demo = Command::new(&programs.demo);
    // What the run writes lies with the stack's data, and goes with it.
    demo.env(CACHE_VARIABLE, stack.directory());
    demo.arg("run").args(kept::arguments(addresses));
    demo.arg("--relay").arg(&programs.relay);
    demo.arg(format!("--seconds={}", run.seconds)).arg(format!("--rate={}", run.rate));
    for style in STYLES {
        if run.saga.as_deref().is_none_or(|saga| saga == style) {
            demo.args(["--saga", style]);
        }
    }
    if run.keep {
        demo.arg("--keep-in").arg(stack.directory());
    }
    if let Some(endpoint) = &addresses.dynamodb_endpoint {
        demo.env(DYNAMODB_VARIABLE, endpoint);
    }
    // The services lie beside the relay.
    demo.env(BINARY_VARIABLE, &programs.relay);
    let status = process::tied(&demo)?.status().context("cannot run the demo")?;
    ensure!(status.code().is_some(), "the demo was cut short: {status}");
    Ok(status)
}
