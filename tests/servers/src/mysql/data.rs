//! An empty data directory, initialised once per version (and way of comparing names) and copied for
//! each server.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::binaries::Binaries;
use crate::{cache::Cache, command};

/// SERVER: from 8.0 on a server refuses data that were initialised with another value of this.
const NAMES: &str = "--lower-case-table-names=";

/// The directory that new servers start as a copy of. Root has no password in it. Of the server's
/// arguments those count that cannot be changed later.
pub(super) fn template(
    cache: &Cache,
    binaries: &Binaries,
    arguments: &[String],
) -> Result<PathBuf> {
    let version = binaries.version;
    let what = format!("initialising MySQL {version}");
    let names = arguments.iter().rfind(|argument| argument.starts_with(NAMES));
    let suffix = names
        .and_then(|names| names.strip_prefix(NAMES))
        .map(|value| format!("-names-{value}"))
        .unwrap_or_default();
    cache.folder(&format!("mysql-{version}-data{suffix}"), &what, |folder, _| {
        let data = folder.join("data");
        let mut mysqld = binaries.command(&data);
        mysqld.args(names).arg("--initialize-insecure");
        command::run(&mut mysqld, &folder.join("initialize.log"))?;
        // SERVER: this file holds the server UUID; a server without it gives itself a new one.
        let server_uuid = data.join("auto.cnf");
        if server_uuid.exists() {
            fs::remove_file(server_uuid).context("cannot remove the template's server UUID")?;
        }
        Ok(())
    })
}

/// Copies the template; a copy that was cut short does not count as one.
pub(super) fn create(
    cache: &Cache,
    binaries: &Binaries,
    arguments: &[String],
    directory: &Path,
    data: &Path,
) -> Result<()> {
    let template = template(cache, binaries, arguments)?.join("data");
    let partial = directory.join("data.partial");
    crate::cache::remove_folder(&partial)?;
    fs::create_dir_all(directory)?;
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto", "--sparse=always"]).arg(&template).arg(&partial);
    command::run(&mut copy, &directory.join("copy.log"))?;
    fs::rename(&partial, data).context("cannot move the data directory into place")
}
