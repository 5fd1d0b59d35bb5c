//! What stands, remembered between two commands.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rowpost_servers::{mysql, process::ProcessId};
use serde::{Deserialize, Serialize};

const FILE: &str = "state.json";

/// Ports and processes of one stack; written before and after each start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) mysql: Option<Mysql>,
    pub(super) kafka: Option<Kafka>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Mysql {
    pub(super) options: mysql::Options,
    pub(super) port: u16,
    /// `None` while it is being started.
    pub(super) process: Option<ProcessId>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Kafka {
    pub(super) port: u16,
    pub(super) controller_port: u16,
    /// `None` while it is being started.
    pub(super) process: Option<ProcessId>,
}

impl State {
    /// An absent file is a stack that never was up.
    pub(super) fn load(directory: &Path) -> Result<Self> {
        let file = directory.join(FILE);
        match fs::read(&file) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .with_context(|| format!("cannot understand {}", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
        }
    }

    pub(super) fn store(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory)?;
        let partial = directory.join("state.json.partial");
        fs::write(&partial, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&partial, directory.join(FILE)).context("cannot write the stack's state")
    }
}
