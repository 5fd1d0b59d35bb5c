//! `cargo xtask check`: what needs no server.

use anyhow::Result;

use crate::cargo;

/// Formatting, lints with warnings as errors, and the style checks that no linter knows.
pub(crate) fn run() -> Result<()> {
    cargo::run(&["fmt", "--all", "--check"])?;
    cargo::run(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    cargo::run(&["test", "--quiet", "--package", "rowpost-tests", "--test", "tidy"])
}
