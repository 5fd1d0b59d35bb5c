//! What stands, remembered between two commands.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use rowpost_servers::{mysql, process::ProcessId};
use serde::{Deserialize, Serialize};

const FILE: &str = "state.json";

/// Ports and processes of one stack; written before and after each start.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct State {
    pub(super) mysql: Option<Mysql>,
    pub(super) kafka: Option<Kafka>,
    /// For the shop's view of its orders.
    #[serde(default)]
    pub(super) dynamodb: Option<Dynamodb>,
    /// Where all of them are containers.
    #[serde(default)]
    pub(super) docker: Option<Docker>,
    /// On the servers: the relay, and what else a demo leaves, in the order of their starts.
    #[serde(default)]
    pub(super) programs: Vec<Program>,
    /// The process that this stack goes with; `None`: it stays until `down`.
    #[serde(default)]
    pub(super) owner: Option<ProcessId>,
}

/// A program of ours on the stack's servers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) process: ProcessId,
    pub(super) http_port: u16,
}

/// Where a stack's MySQL and Kafka are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) mysql_version: mysql::Version,
    /// As root.
    pub(crate) mysql_url: String,
    pub(crate) kafka_bootstrap: String,
    pub(crate) dynamodb_endpoint: Option<String>,
}

/// Ports that docker-compose.yml was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Docker {
    pub(super) mysql_port: u16,
    pub(super) kafka_port: u16,
    /// `None`: it is not up.
    #[serde(default)]
    pub(super) dynamodb_port: Option<u16>,
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

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Dynamodb {
    pub(super) port: u16,
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

    pub(crate) fn is_up(&self) -> bool {
        self.mysql.is_some() || self.kafka.is_some() || self.docker.is_some()
    }

    fn mysql_url(&self) -> Option<String> {
        let native = self.mysql.as_ref().map(|mysql| ("root", mysql.port));
        // The password that docker-compose.yml gives root.
        let docker = self.docker.as_ref().map(|docker| ("root:root", docker.mysql_port));
        let (account, port) = native.or(docker)?;
        Some(format!("mysql://{account}@127.0.0.1:{port}/"))
    }

    fn kafka_bootstrap(&self) -> Option<String> {
        let native = self.kafka.as_ref().map(|kafka| kafka.port);
        let port = native.or(self.docker.as_ref().map(|docker| docker.kafka_port))?;
        Some(format!("127.0.0.1:{port}"))
    }

    fn dynamodb_endpoint(&self) -> Option<String> {
        let native = self.dynamodb.as_ref().map(|dynamodb| dynamodb.port);
        let docker = self.docker.as_ref().and_then(|docker| docker.dynamodb_port);
        Some(format!("http://127.0.0.1:{}", native.or(docker)?))
    }

    /// `None` unless MySQL and Kafka are there.
    pub(crate) fn addresses(&self) -> Option<Addresses> {
        let native = self.mysql.as_ref().map(|mysql| mysql.options.version);
        Some(Addresses {
            mysql_version: native.unwrap_or(mysql::Version::V9),
            mysql_url: self.mysql_url()?,
            kafka_bootstrap: self.kafka_bootstrap()?,
            dynamodb_endpoint: self.dynamodb_endpoint(),
        })
    }

    /// Lines that a shell can `eval`.
    pub(super) fn address_lines(&self) -> String {
        let mut text = String::new();
        if let Some(url) = self.mysql_url() {
            text.push_str(&format!("MYSQL_URL={url}\n"));
        }
        if let Some(bootstrap) = self.kafka_bootstrap() {
            text.push_str(&format!("KAFKA_BOOTSTRAP={bootstrap}\n"));
        }
        if let Some(endpoint) = self.dynamodb_endpoint() {
            text.push_str(&format!("DYNAMODB_ENDPOINT={endpoint}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_lines_for_a_shell() {
        let docker = Some(Docker { mysql_port: 1, kafka_port: 2, dynamodb_port: Some(3) });
        let state = State { docker, ..State::default() };

        let addresses = state.address_lines();

        assert_eq!(
            addresses,
            "MYSQL_URL=mysql://root:root@127.0.0.1:1/\nKAFKA_BOOTSTRAP=127.0.0.1:2\n\
             DYNAMODB_ENDPOINT=http://127.0.0.1:3\n"
        );
        assert_eq!(State::default().address_lines(), "");
    }
}
