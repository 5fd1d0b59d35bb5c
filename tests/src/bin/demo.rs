//! What `cargo xtask demo` runs on the servers that it has started.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use rowpost_tests::{
    Setup,
    demo::{self, Insert, Run},
    shop::Style,
};

#[derive(Debug, Parser)]
#[command(name = "demo", about = "Writes, kills the relay, and proves that nothing was lost")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole story with its verdict; the exit code is 0 only when it is good.
    Run(RunArguments),
    /// Inserts one outbox row and waits until it is in Kafka.
    Insert(InsertArguments),
}

#[derive(Debug, Args)]
struct Servers {
    /// 5.7, 8.0 or 9.
    #[arg(long)]
    mysql: String,
    /// As root.
    #[arg(long)]
    mysql_url: String,
    #[arg(long)]
    kafka: String,
}

#[derive(Debug, Args)]
struct RunArguments {
    #[command(flatten)]
    servers: Servers,
    /// The binary `rowpost`.
    #[arg(long)]
    relay: PathBuf,
    /// How long the writers write under load.
    #[arg(long)]
    seconds: u32,
    /// Rows that they write in a second.
    #[arg(long)]
    rate: u32,
    /// A folder for kept.json: how to start what shall go on after the run.
    #[arg(long)]
    keep_in: Option<PathBuf>,
    /// How the shop's sagas are led; repeatable.
    #[arg(long, value_enum)]
    saga: Vec<Style>,
}

#[derive(Debug, Args)]
struct InsertArguments {
    #[command(flatten)]
    servers: Servers,
    #[arg(long)]
    key: String,
    #[arg(long = "type")]
    event_type: String,
    #[arg(long)]
    payload: String,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let is_good = match Arguments::parse().command {
        Command::Run(RunArguments { servers, relay, seconds, rate, keep_in, saga }) => {
            let servers = servers.checked()?;
            demo::run(&Run { servers, relay, seconds, rate, keep_in, styles: saga }).await?
        }
        Command::Insert(InsertArguments { servers, key, event_type, payload }) => {
            let servers = servers.checked()?;
            demo::insert(&Insert { servers, key, event_type, payload }).await?
        }
    };
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Servers {
    fn checked(self) -> Result<demo::Servers> {
        let setup = match self.mysql.as_str() {
            "5.7" => Setup::Reference,
            "8.0" => Setup::Mysql80,
            "9" => Setup::Current,
            other => anyhow::bail!("`{other}` is none of the MySQL versions 5.7, 8.0, 9"),
        };
        Ok(demo::Servers { setup, mysql_url: self.mysql_url, kafka: self.kafka })
    }
}
