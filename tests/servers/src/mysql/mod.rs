//! MySQL 5.7, 8.0 and 9 → servers on loopback, root without a password.
//!
//! Promises: a new server has a server UUID of its own; `kill9` loses nothing that was committed,
//! with any flags (they are all safe against the end of the process, not all against that of the
//! machine).

mod binaries;
mod data;
mod debian;
mod flags;
mod probe;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};

pub use self::{flags::Flags, probe::version_at};
use crate::{cache::Cache, server::Plan};

/// Which server to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Version {
    #[serde(rename = "5.7")]
    V57,
    #[serde(rename = "8.0")]
    V80,
    #[serde(rename = "9")]
    V9,
}

impl Version {
    pub const ALL: [Self; 3] = [Self::V57, Self::V80, Self::V9];
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::V57 => "5.7",
            Self::V80 => "8.0",
            Self::V9 => "9",
        })
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|version| version.to_string() == text)
            .ok_or_else(|| anyhow!("`{text}` is none of the MySQL versions 5.7, 8.0, 9"))
    }
}

/// Everything that tells one server from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    pub version: Version,
    pub flags: Flags,
    /// Further arguments of `mysqld`; they win over the ones before them.
    pub extra: Vec<String>,
}

/// The newest version that this machine has or can fetch: 9 needs Debian's tools and keys.
pub fn newest(cache: &Cache) -> Version {
    if binaries::is_fetched(cache, Version::V9) || debian::is_available() {
        Version::V9
    } else {
        Version::V80
    }
}

/// What [`prepare`] would bring over the network, in megabytes; 0 when it is here already.
pub fn download_mb(cache: &Cache, version: Version) -> u32 {
    match version {
        _ if binaries::is_fetched(cache, version) => 0,
        Version::V57 => 18,
        Version::V80 => 34,
        Version::V9 => 82,
    }
}

/// Fetches the server and makes its empty data directory, so that a later start is quick.
pub fn prepare(cache: &Cache, version: Version) -> Result<()> {
    let binaries = binaries::fetch(cache, version)?;
    data::template(cache, &binaries, &[]).map(drop)
}

/// How to start a server whose data lies below `directory`; made there if it is not.
pub fn plan(cache: &Cache, options: &Options, directory: &Path, port: u16) -> Result<Plan> {
    let binaries = binaries::fetch(cache, options.version)?;
    let data = data_directory(directory);
    if !data.exists() {
        data::create(cache, &binaries, &options.extra, directory, &data)?;
    }
    let mut command = binaries.command(&data);
    command
        .arg(format!("--port={port}"))
        .args(["--bind-address=127.0.0.1", "--socket=mysql.sock"])
        .args(options.flags.arguments(options.version))
        .args(&options.extra);
    Ok(Plan {
        name: format!("MySQL {}", options.version),
        command,
        log: directory.join("mysqld.log"),
        port,
        probe: version_at,
        start_limit: Duration::from_secs(120),
        stop_grace: Duration::from_secs(60),
    })
}

/// Where a server's data lies; MySQL 8 and newer keep their generated certificates there too.
pub fn data_directory(directory: &Path) -> PathBuf {
    directory.join("data")
}
