//! One service of the shop as a process; it dies with the test.

use std::{
    collections::BTreeMap,
    env,
    ops::{Deref, DerefMut},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;
use rowpost_servers::ports;

use crate::{programs::program, tied::TiedProcess};

#[derive(Debug)]
pub struct Service {
    binary: PathBuf,
    port: u16,
    variables: Vec<(&'static str, String)>,
    process: TiedProcess,
}

impl Service {
    /// Starts `shop-<name>`; does not wait until it is ready.
    pub async fn start(name: &'static str, variables: Vec<(&'static str, String)>) -> Result<Self> {
        let binary = program(&format!("shop-{name}")).await?;
        let process = TiedProcess::new(name)?;
        let mut service = Self { binary, port: ports::free()?, variables, process };
        service.start_again()?;
        Ok(service)
    }

    /// After `kill9` or `terminate`: with the same settings, on the same port.
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = Command::new(&self.binary);
        for (variable, _) in env::vars_os() {
            let variable_text = variable.to_string_lossy();
            if ["SHOP_", "AWS_"].iter().any(|prefix| variable_text.starts_with(prefix)) {
                command.env_remove(variable);
            }
        }
        self.process.start(command.envs(self.variables()))
    }

    pub fn binary(&self) -> &Path {
        &self.binary
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// All that it is told.
    pub fn variables(&self) -> BTreeMap<&'static str, String> {
        let listen = ("SHOP_LISTEN", format!("127.0.0.1:{}", self.port));
        self.variables.iter().cloned().chain([listen]).collect()
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.into()));
    }

    /// Leaves a setting out at the next start.
    pub fn unset(&mut self, variable: &str) {
        self.variables.retain(|(name, _)| *name != variable);
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

/// What can be done to every process: killed, stopped, looked at.
impl Deref for Service {
    type Target = TiedProcess;

    fn deref(&self) -> &TiedProcess {
        &self.process
    }
}

impl DerefMut for Service {
    fn deref_mut(&mut self) -> &mut TiedProcess {
        &mut self.process
    }
}
