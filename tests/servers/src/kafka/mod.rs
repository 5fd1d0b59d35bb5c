//! Kafka, one node without ZooKeeper → a broker on loopback with transactions.
//!
//! Promises: a plaintext listener is always there, whatever other listeners were asked for.

mod jars;
mod membership;
mod probe;
mod properties;
pub mod security;
mod storage;

use std::{path::Path, time::Duration};

use anyhow::Result;

pub use self::{
    jars::VERSION,
    membership::forget_killed_broker,
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

/// What [`prepare`] would bring over the network, in megabytes; 0 when it is here already.
pub fn download_mb(cache: &Cache) -> u32 {
    if jars::is_fetched(cache) { 0 } else { 54 }
}

/// Fetches the broker and formats its empty log directory, so that a later start is quick.
pub fn prepare(cache: &Cache) -> Result<()> {
    let jars = jars::fetch(cache)?;
    storage::template(cache, &jars).map(drop)
}

/// Which of the two jobs a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One process for everything: quick, and safe as long as it is stopped, not killed. SERVER: a
    /// combined node that comes back after `kill -9` leads its partitions until its own controller
    /// gives up the dead session; at that moment they have no leader, and the transaction coordinator
    /// takes them for deleted and drops the markers of committed transactions (Kafka 4.3.1). Readers
    /// then never get those records, nor any behind them.
    Combined,
    /// A broker whose controller outlives it: after a kill, [`forget_killed_broker`] before its next
    /// start keeps it from the state above.
    Broker,
    Controller,
}

/// How to start a process whose data lies below `directory`; formatted there if it is not.
pub fn plan(
    cache: &Cache,
    role: Role,
    options: &BrokerOptions,
    directory: &Path,
    ports: &Ports,
) -> Result<Plan> {
    let jars = jars::fetch(cache)?;
    let template = storage::template(cache, &jars)?;
    std::fs::create_dir_all(directory)?;
    let data = directory.join("data");
    let file = directory.join("server.properties");
    std::fs::write(&file, properties::text(role, options, &data, ports))?;
    if !data.exists() {
        storage::create(&jars, &template, role, options, directory, &file)?;
    }
    let mut command = jars.java();
    let (name, port) = match role {
        Role::Combined | Role::Broker => ("Kafka", ports.plaintext),
        Role::Controller => ("Kafka controller", ports.controller),
    };
    command
        .args(jvm_options(role))
        .arg(storage::shared_classes(&template))
        .arg("kafka.Kafka")
        .arg(&file);
    Ok(Plan {
        name: format!("{name} {VERSION}"),
        command,
        log: directory.join("broker.log"),
        port,
        probe: version_at,
        start_limit: Duration::from_secs(120),
        stop_grace: Duration::from_secs(60),
    })
}

/// What is started once should run fast, what is started often should start fast: without the second
/// compiler a start takes half the CPU time.
fn jvm_options(role: Role) -> &'static [&'static str] {
    match role {
        Role::Combined => &["-Xms256m", "-Xmx512m", "-XX:+UseG1GC"],
        Role::Broker => &["-Xms256m", "-Xmx512m", "-XX:+UseG1GC", "-XX:TieredStopAtLevel=1"],
        Role::Controller => &["-Xms64m", "-Xmx256m", "-XX:+UseG1GC", "-XX:TieredStopAtLevel=1"],
    }
}
