//! Running cargo, and programs that it built.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// The cargo that runs us, in the workspace's root.
pub(crate) fn command() -> Command {
    let mut cargo = rowpost_servers::command::cargo();
    cargo.current_dir(workspace());
    cargo
}

/// The relay and the services of the shop.
pub(crate) const PROGRAMS: [&str; 5] =
    ["rowpost", "shop-order", "shop-inventory", "shop-payment", "shop-gateway"];

/// `--bin` for each; with the features that the whole workspace asks for, as `cargo test --workspace` has
/// them: with those of one package alone, cargo compiles the dependencies once more.
pub(crate) fn build_arguments<'p>(programs: &[&'p str]) -> Vec<&'p str> {
    let programs = programs.iter().flat_map(|program| ["--bin", program]);
    ["build", "--workspace"].into_iter().chain(programs).collect()
}

/// Runs cargo and shows its output; an error unless it succeeds.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let status = command().args(arguments).status().context("cargo cannot be started")?;
    ensure!(status.success(), "`cargo {}` failed", arguments.join(" "));
    Ok(())
}

pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}
