//! One service of the shop as a process; it dies with the test.

use std::{
    env,
    ops::{Deref, DerefMut},
    path::PathBuf,
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
            if variable.to_string_lossy().starts_with("SHOP_") {
                command.env_remove(variable);
            }
        }
        command.env("SHOP_LISTEN", format!("127.0.0.1:{}", self.port));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        self.process.start(&command)
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.into()));
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
