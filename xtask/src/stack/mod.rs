//! `cargo xtask stack up | down | status`.

mod docker;
mod named;
mod native;
mod state;

use std::time::Instant;

use anyhow::Result;
use clap::{Args, Subcommand};
use rowpost_servers::{
    cache::Cache,
    mysql::{Flags, Version},
};

pub(crate) use self::{
    named::{Engine, Request, Stack},
    state::Addresses,
};

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
    /// The reference compose file's binlog flags and no others: no GTIDs, a new file every 4 KiB.
    #[arg(long)]
    reference_flags: bool,
    /// Several stacks can stand side by side.
    #[arg(long, default_value = "default")]
    name: String,
    /// Only MySQL.
    #[arg(long)]
    no_kafka: bool,
    /// Processes on this machine, even where Docker could be used.
    #[arg(long)]
    native: bool,
    /// The containers of docker-compose.yml, or an error.
    #[arg(long, conflicts_with_all = ["native", "reference_flags"])]
    docker: bool,
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

impl Up {
    fn request(&self) -> Request {
        let engine = match (self.docker, self.native) {
            (true, _) => Some(Engine::Docker),
            (false, true) => Some(Engine::Native),
            (false, false) => None,
        };
        Request {
            engine,
            version: Some(self.mysql),
            flags: if self.reference_flags { Flags::Reference } else { Flags::Gtid },
            with_kafka: !self.no_kafka,
            with_dynamodb: false,
        }
    }
}

pub(crate) fn run(command: &Command) -> Result<()> {
    let cache = Cache::open()?;
    match command {
        Command::Up(up) => {
            let started = Instant::now();
            let mut stack = Stack::named(&cache, &up.name)?;
            stack.up(&up.request())?;
            let seconds = started.elapsed().as_secs_f64();
            eprintln!("stack `{}` is up after {seconds:.1} s", up.name);
            print!("{}", stack.state()?.address_lines());
            Ok(())
        }
        Command::Down(down) if down.all => {
            Stack::all(&cache)?.iter().try_for_each(|stack| stack.down(down.keep_data))
        }
        Command::Down(down) => Stack::named(&cache, &down.name)?.down(down.keep_data),
        Command::Status => {
            let stacks = Stack::all(&cache)?;
            if stacks.is_empty() {
                println!("no stack is up");
            }
            stacks.iter().try_for_each(Stack::status)
        }
    }
}
