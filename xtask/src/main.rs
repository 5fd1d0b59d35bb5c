//! `cargo xtask …`: what a developer types.

mod stack;

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
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Stack(command) => stack::run(&command),
    }
}
