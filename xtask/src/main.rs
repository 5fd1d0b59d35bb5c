//! `cargo xtask …`: what a developer types.

#![expect(clippy::print_stdout, reason = "printing is what these commands do")]

mod bench;
mod cargo;
mod check;
mod demo;
mod stack;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Rowpost's own tools")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The main job for real: writers, kill -9 of the relay, and the proof that nothing was lost.
    Demo(demo::Demo),
    /// Real MySQL and Kafka servers that stay: start, stop, look.
    #[command(subcommand)]
    Stack(stack::Command),
    /// Format, lints, style: what needs no server.
    Check,
    /// Every test, on real servers.
    Test(test::Test),
    /// Catch-up, latency and memory, measured; `bench all --write-docs` for docs/benchmarks.md.
    Bench(bench::Bench),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Demo(demo) => return demo::run(&demo),
        Command::Stack(command) => stack::run(&command),
        Command::Check => check::run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(bench) => return bench.run(),
    }
    .map(|()| ExitCode::SUCCESS)
}
