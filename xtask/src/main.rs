//! `cargo xtask …`: what a developer types.

#![expect(clippy::print_stdout, reason = "printing is what these commands do")]

mod cargo;
mod check;
mod stack;
mod test;

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
    /// Real MySQL and Kafka servers that stay: start, stop, look.
    #[command(subcommand)]
    Stack(stack::Command),
    /// Format, lints, style: what needs no server.
    Check,
    /// Every test, on real servers.
    Test(test::Test),
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Stack(command) => stack::run(&command),
        Command::Check => check::run(),
        Command::Test(arguments) => test::run(&arguments),
    }
}
