//! `cargo xtask stack up | down | status`.

mod native;
mod state;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use rowpost_servers::{
    cache::Cache,
    mysql::{Flags, Version},
};

use self::native::Stack;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts what does not run yet and prints MYSQL_URL= and KAFKA_BOOTSTRAP= lines.
    Up(Up),
    /// Stops the servers and throws their data away.
    Down(Down),
    /// Says what runs: pid, port, version.
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// MySQL version: 5.7, 8.0 or 9.
    #[arg(long, default_value = "9")]
    mysql: Version,
    /// The reference compose file's binlog flags: no GTIDs, a new file every 4 KiB.
    #[arg(long)]
    reference_flags: bool,
    /// Several stacks can stand side by side.
    #[arg(long, default_value = "default")]
    name: String,
    /// Only MySQL.
    #[arg(long)]
    no_kafka: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    #[arg(long, default_value = "default")]
    name: String,
    /// Every stack.
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// Keeps the data: the next `up` of this name goes on with it.
    #[arg(long)]
    keep_data: bool,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    let cache = Cache::open()?;
    match command {
        Command::Up(up) => {
            let flags = if up.reference_flags { Flags::Reference } else { Flags::Gtid };
            let stack = Stack::named(&cache, &up.name)?;
            say(&stack.up(up.mysql, flags, !up.no_kafka)?);
        }
        Command::Down(down) if down.all => {
            for stack in Stack::all(&cache)? {
                say(&stack.down(down.keep_data)?);
            }
        }
        Command::Down(down) => {
            say(&Stack::named(&cache, &down.name)?.down(down.keep_data)?);
        }
        Command::Status => {
            let stacks = Stack::all(&cache)?;
            if stacks.is_empty() {
                say("no stack is up");
            }
            for stack in stacks {
                say(&stack.status().with_context(|| "cannot read a stack's state")?);
            }
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the command's result, for people and for `eval`")]
fn say(text: &str) {
    println!("{}", text.trim_end());
}
