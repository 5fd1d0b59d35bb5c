//! Kafka, one node without ZooKeeper → a broker on loopback with transactions.
//!
//! Promises: a plaintext listener is always there, whatever other listeners were asked for.

mod jars;
mod probe;
mod properties;
mod storage;

use std::{path::Path, time::Duration};

use anyhow::Result;

pub use self::{
    jars::VERSION,
    probe::version_at,
    properties::{BrokerOptions, Listener, Protocol, ScramUser},
};
use crate::{cache::Cache, server::Plan};

/// Ports of one broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    pub plaintext: u16,
    pub controller: u16,
}

/// Fetches the broker and formats its empty log directory, so that a later start is quick.
pub fn prepare(cache: &Cache) -> Result<()> {
    let jars = jars::fetch(cache)?;
    storage::template(cache, &jars).map(drop)
}

/// How to start a broker whose data lies below `directory`; formatted there if it is not.
pub fn plan(
    cache: &Cache,
    options: &BrokerOptions,
    directory: &Path,
    ports: &Ports,
) -> Result<Plan> {
    let jars = jars::fetch(cache)?;
    let template = storage::template(cache, &jars)?;
    std::fs::create_dir_all(directory)?;
    let data = directory.join("data");
    let file = directory.join("server.properties");
    std::fs::write(&file, properties::text(options, &data, ports))?;
    if !data.exists() {
        storage::create(&jars, &template, options, directory, &data, &file)?;
    }
    let mut command = jars.java();
    command
        .args(["-Xms256m", "-Xmx512m", "-XX:+UseG1GC"])
        .arg(storage::shared_classes(&template))
        .args(["kafka.Kafka"])
        .arg(&file);
    Ok(Plan {
        name: format!("Kafka {VERSION}"),
        command,
        log: directory.join("broker.log"),
        port: ports.plaintext,
        probe: version_at,
        start_limit: Duration::from_secs(120),
        stop_grace: Duration::from_secs(60),
    })
}
