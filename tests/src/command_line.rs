//! Commands of `rowpost` that end by themselves: `check`, `replay`, `status`.

use std::{fs, process::Command};

use anyhow::{Context, Result};
use rowpost_servers::{cache::Cache, run_directory};

use crate::{
    control::blocking,
    programs::{RELAY, program},
    relay::{self, RelayConfig},
};

/// How a command ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// `None`: ended by a signal.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `rowpost ARGUMENTS` to its end.
pub async fn rowpost(arguments: &[&str]) -> Result<Said> {
    let mut command = relay::command(&program(RELAY).await?);
    command.args(arguments);
    run(command).await
}

/// The same with `--config FILE` behind the arguments.
pub async fn rowpost_with(config: &RelayConfig, arguments: &[&str]) -> Result<Said> {
    run(command(config, arguments).await?).await
}

/// `rowpost ARGUMENTS --config FILE`, to be run by whoever asks for it.
pub async fn command(config: &RelayConfig, arguments: &[&str]) -> Result<Command> {
    let directory = run_directory::subfolder(&Cache::open()?, "command")?;
    let file = directory.join("rowpost.toml");
    fs::write(&file, config.toml())?;
    let mut command = relay::command(&program(RELAY).await?);
    command.args(arguments).arg("--config").arg(file);
    Ok(command)
}

async fn run(mut command: Command) -> Result<Said> {
    blocking(move || {
        let output = command.output().context("cannot run rowpost")?;
        Ok(Said {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    })
    .await
}
