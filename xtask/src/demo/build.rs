//! `cargo build` of the relay and of the demo's run, with its progress.

use std::{
    collections::BTreeSet,
    env,
    io::{BufRead, BufReader},
    path::PathBuf,
    process::Stdio,
    thread,
};

use anyhow::{Context, Result, bail};
use rowpost_servers::{
    command,
    progress::{self, Step},
};
use serde_json::Value;

use crate::cargo;

/// Names a relay that is built already, as for the tests.
pub(super) const BINARY_VARIABLE: &str = "ROWPOST_BIN";

/// The run.
const DEMO: &str = "demo";

/// What runs in the demo.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) relay: PathBuf,
    /// Where the relay comes from, for people.
    pub(super) relay_origin: String,
    pub(super) demo: PathBuf,
}

/// The dev profile: its dependencies are optimised, ours are compiled quickly; tests share the build.
pub(super) fn programs() -> Result<Programs> {
    let given = env::var_os(BINARY_VARIABLE).map(PathBuf::from);
    let programs: Vec<&str> = cargo::PROGRAMS.into_iter().chain([DEMO]).collect();
    let mut cargo = cargo::command();
    cargo
        .args(cargo::build_arguments(&programs))
        .args(["--message-format", "json-render-diagnostics"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    progress::step("building the relay, the shop and the demo", None, |step| {
        let total = crate_count()?;
        let mut child = cargo.spawn().context("cannot run cargo")?;
        let stdout = child.stdout.take().context("cargo has no output")?;
        let stderr = child.stderr.take().context("cargo has no errors")?;
        // Both pipes are emptied at once, or cargo would wait for the full one.
        let (executables, errors) = thread::scope(|scope| {
            let errors = scope.spawn(|| errors(BufReader::new(stderr), step));
            let executables = follow(BufReader::new(stdout), total, step);
            (executables, errors.join())
        });
        let (executables, errors) = (executables?, errors.unwrap_or_default());
        if !child.wait()?.success() {
            bail!("cargo could not build them:\n{errors}");
        }
        let find = |name: &str| {
            let found = executables.iter().find(|path| path.file_name().is_some_and(|n| n == name));
            found.cloned().with_context(|| format!("cargo built no `{name}`"))
        };
        let relay_origin = match &given {
            Some(relay) => format!("{} as {BINARY_VARIABLE} says", relay.display()),
            None => "built in the dev profile, its dependencies optimised".to_owned(),
        };
        let relay = given.map_or_else(|| find("rowpost"), Ok)?;
        Ok(Programs { relay, relay_origin, demo: find(DEMO)? })
    })
}

/// Crates that the programs consist of.
fn crate_count() -> Result<usize> {
    let mut tree = cargo::command();
    tree.args(["tree", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    tree.args(cargo::PROGRAMS.into_iter().chain(["rowpost-tests"]).flat_map(|p| ["--package", p]));
    let listed = command::output(&mut tree)?;
    let crates: BTreeSet<&str> = listed.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    Ok(crates.len())
}

/// Reads cargo's messages, one JSON object per line, shows how far it is, and returns the programs.
fn follow(messages: impl BufRead, total: usize, step: &Step) -> Result<Vec<PathBuf>> {
    let mut finished = BTreeSet::new();
    let mut executables = Vec::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<Value>(&line?) else { continue };
        let text = |pointer: &str| message.pointer(pointer).and_then(Value::as_str);
        if text("/target/kind/0") != Some("custom-build")
            && let Some(package) = text("/package_id")
            && text("/reason") == Some("compiler-artifact")
        {
            finished.insert(package.to_owned());
            // A crate may be built twice, for the build and for the target; it counts once.
            step.at(&format!("{} of {} crates", finished.len(), total.max(finished.len())));
        }
        executables.extend(text("/executable").map(PathBuf::from));
    }
    Ok(executables)
}

/// What cargo says besides its progress.
fn errors(said: impl BufRead, step: &Step) -> String {
    let mut errors = String::new();
    for line in said.lines().map_while(Result::ok) {
        match line.split_whitespace().next().unwrap_or_default() {
            "Compiling" | "Downloaded" | "Finished" => {}
            "Downloading" => step.at("downloading crates"),
            "Blocking" => step.at("waiting for another cargo to end"),
            _ => errors.push_str(&format!("{line}\n")),
        }
    }
    errors
}
