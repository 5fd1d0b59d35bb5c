//! Tests of loading as a whole, by property.

mod environment;
mod example;
mod precedence;
mod redaction;
mod refusals;

use std::ffi::OsString;

use super::{Config, ConfigError, Flag};

/// The two keys that have no default.
pub(super) const REQUIRED: &str = "\
[mysql]
url = \"mysql://relay:s3cr3t@db:3306\"
[kafka]
bootstrap_servers = \"kafka:9092\"
";

/// Loads from the text of a file, variables and flags.
pub(super) fn load(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rowpost.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(name, value)| (OsString::from(name), value.into()));
    let flags: Vec<Flag> = flags
        .iter()
        .map(|(flag, value)| Flag { flag, values: vec![(*value).to_owned()] })
        .collect();
    Config::load(Some(&path), environment, &flags)
}

/// The valid file with more text in front of it (top-level keys) or behind it.
pub(super) fn load_file(text: &str) -> Result<Config, ConfigError> {
    load(text, &[], &[])
}

/// Everything an operator sees of the error: messages and miette's rendering.
pub(super) fn report(error: &ConfigError) -> String {
    let mut rendered = String::new();
    miette::NarratableReportHandler::new().render_report(&mut rendered, error).unwrap();
    let mut graphical = String::new();
    miette::GraphicalReportHandler::new().render_report(&mut graphical, error).unwrap();
    format!("{}\n{rendered}\n{graphical}\n{error:?}", error.lines().join("\n"))
}
