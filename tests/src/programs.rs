//! The workspace's binaries: given, or built once per test process.

use std::{collections::BTreeMap, env, path::PathBuf};

use anyhow::{Context, Result};
use rowpost_servers::command;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{control::blocking, outbox};

/// Names a relay that is there already, with the shop's services beside it; what is missing is built by
/// cargo.
pub const RELAY_VARIABLE: &str = "ROWPOST_BIN";
/// Profile of that build; default: dev.
pub const PROFILE_VARIABLE: &str = "ROWPOST_TEST_PROFILE";

pub const RELAY: &str = "rowpost";
const SERVICES: [&str; 4] = ["shop-order", "shop-inventory", "shop-payment", "shop-gateway"];

/// Where the program lies.
pub async fn program(name: &str) -> Result<PathBuf> {
    if let Some(relay) = env::var_os(RELAY_VARIABLE).map(PathBuf::from) {
        let given = if name == RELAY { relay } else { relay.with_file_name(name) };
        if name == RELAY || given.exists() {
            return Ok(given);
        }
    }
    static OF_RELAY: OnceCell<BTreeMap<String, PathBuf>> = OnceCell::const_new();
    static OF_SHOP: OnceCell<BTreeMap<String, PathBuf>> = OnceCell::const_new();
    let built = match name {
        RELAY => OF_RELAY.get_or_try_init(|| blocking(|| build(&[RELAY]))).await?,
        _ => OF_SHOP.get_or_try_init(|| blocking(|| build(&SERVICES))).await?,
    };
    built.get(name).cloned().with_context(|| format!("cargo built no binary `{name}`"))
}

/// With the features that the whole workspace asks for, as `cargo test --workspace` has them: with those
/// of one package alone, cargo compiles the dependencies once more.
fn build(programs: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let profile = env::var(PROFILE_VARIABLE).unwrap_or_else(|_| "dev".to_owned());
    let mut cargo = command::cargo();
    cargo.args(["build", "--workspace", "--profile", &profile]);
    cargo.args(programs.iter().flat_map(|program| ["--bin", program]));
    cargo.args(["--message-format", "json-render-diagnostics"]).current_dir(outbox::workspace());
    Ok(executables(&command::output(&mut cargo)?))
}

/// From cargo's messages, one JSON object per line.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let name = message.pointer("/target/name")?.as_str()?.to_owned();
        Some((name, PathBuf::from(message.get("executable")?.as_str()?)))
    };
    messages.lines().filter_map(executable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_among_the_messages_of_cargo() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"serde"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"rowpost"},"executable":"/target/debug/rowpost"}
{"reason":"build-finished","success":true}"#;

        let expected = ("rowpost".to_owned(), PathBuf::from("/target/debug/rowpost"));
        assert_eq!(executables(messages), BTreeMap::from([expected]));
    }
}
