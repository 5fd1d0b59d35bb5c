//! `cargo xtask bench`: builds the relay and the benchmark as they are released, and runs it.

use std::{
    ffi::OsString,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result};
use clap::Args;

use crate::cargo;

/// Passed on to the benchmark, which has a help of its own.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Bench {
    /// `catch-up`, `latency`, `memory` or `all`, with options; `--help` shows them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

impl Bench {
    /// The benchmark's exit code.
    pub(crate) fn run(&self) -> Result<ExitCode> {
        // Nothing else: a whole workspace in release takes many times as long.
        cargo::run(&["build", "--release", "--package", "rowpost", "--package", "rowpost-bench"])?;
        let release = cargo::target().join("release");
        let status = Command::new(release.join("rowpost-bench"))
            .args(&self.arguments)
            // The harness would build a debug binary otherwise.
            .env("ROWPOST_BIN", release.join("rowpost"))
            .status()
            .context("cannot run the benchmark")?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
    }
}
