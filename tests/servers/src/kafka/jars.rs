//! Kafka's jars in the cache, and the JVM that runs them.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{cache::Cache, command, maven};

pub const VERSION: &str = "4.3.1";

/// Broker, its command-line tools, and the smallest logger.
const COORDINATES: [&str; 3] = [
    "org.apache.kafka:kafka_2.13:4.3.1",
    "org.apache.kafka:kafka-tools:4.3.1",
    "org.slf4j:slf4j-simple:1.7.36",
];

#[derive(Debug)]
pub(super) struct Jars {
    class_path: OsString,
}

pub(super) fn is_fetched(cache: &Cache) -> bool {
    cache.has(&folder_name())
}

fn folder_name() -> String {
    format!("kafka-{VERSION}")
}

pub(super) fn fetch(cache: &Cache) -> Result<Jars> {
    if command::find("java").is_none() {
        bail!("`java` is missing: install a Java runtime, 17 or newer (default-jre-headless)");
    }
    let folder =
        cache.folder(&folder_name(), &format!("fetching Kafka {VERSION}"), |folder, step| {
            let log = folder.join("mvn.log");
            maven::copy_with_dependencies(cache, step, &COORDINATES, &folder.join("jars"), &log)
        })?;
    Ok(Jars { class_path: class_path(&folder.join("jars"))? })
}

/// Every jar by name and in order: shared classes are valid only for the very same class path.
fn class_path(folder: &Path) -> Result<OsString> {
    let mut jars: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    jars.retain(|path| path.extension().is_some_and(|extension| extension == "jar"));
    jars.sort();
    Ok(std::env::join_paths(jars)?)
}

impl Jars {
    pub(super) fn java(&self) -> Command {
        let mut command = Command::new("java");
        command
            .args(["-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"])
            .args(["-Dorg.slf4j.simpleLogger.showDateTime=true"])
            .args(["-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS"])
            .arg("-cp")
            .arg(&self.class_path);
        command
    }
}
