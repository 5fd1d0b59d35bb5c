//! DynamoDB Local, Amazon's own stand-in for DynamoDB → a store on loopback that keeps its tables on disk.
//!
//! Promises: it listens on 127.0.0.1 and tells nobody of its use; tables outlive a kill; whatever region
//! and credentials a client names, it sees the same tables. Its jars are under Amazon's licence, which
//! is why they are fetched and never part of this repository.
//!
//! Not promised: DynamoDB's throughput limits, which it does not have; signatures, which it does not
//! check.

mod configuration;
mod jars;
mod probe;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};

pub use self::{jars::VERSION, probe::version_at};
use crate::{cache::Cache, server::Plan};

/// Fetches the store, so that a later start is quick.
pub fn prepare(cache: &Cache) -> Result<()> {
    jars::fetch(cache).map(drop)
}

/// How to start a store whose tables lie below `directory`.
pub fn plan(cache: &Cache, directory: &Path, port: u16) -> Result<Plan> {
    let jars = jars::fetch(cache)?;
    let data = directory.join("data");
    std::fs::create_dir_all(&data).with_context(|| format!("cannot create {}", data.display()))?;
    let file = directory.join("server.xml");
    std::fs::write(&file, configuration::text(&data, port))?;
    let mut command = jars.java();
    command
        // Started often: without the second compiler a start takes half the CPU time.
        .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .arg("org.eclipse.jetty.xml.XmlConfiguration")
        .arg(&file);
    Ok(Plan {
        name: format!("DynamoDB Local {VERSION}"),
        command,
        log: directory.join("dynamodb.log"),
        port,
        probe: version_at,
        start_limit: Duration::from_secs(120),
        stop_grace: Duration::from_secs(30),
    })
}
