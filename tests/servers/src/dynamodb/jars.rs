//! DynamoDB Local's jars in the cache, and the JVM that runs them.

use std::{ffi::OsString, fs, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{cache::Cache, command, maven};

pub const VERSION: &str = "2.6.1";

/// The store, and what puts a Jetty of its version together as a file says.
const COORDINATES: [&str; 2] =
    ["com.amazonaws:DynamoDBLocal:2.6.1", "org.eclipse.jetty:jetty-xml:12.0.14"];

#[derive(Debug)]
pub(super) struct Jars {
    folder: PathBuf,
    class_path: OsString,
}

pub(super) fn fetch(cache: &Cache) -> Result<Jars> {
    if command::find("java").is_none() {
        bail!("`java` is missing: install a Java runtime, 17 or newer (default-jre-headless)");
    }
    let what = format!("fetching DynamoDB Local {VERSION}");
    let folder = cache.folder(&format!("dynamodb-{VERSION}"), &what, |folder, step| {
        let log = folder.join("mvn.log");
        maven::copy_with_dependencies(cache, step, &COORDINATES, &folder.join("jars"), &log)
    })?;
    let folder = folder.join("jars");
    let mut jars: Vec<PathBuf> =
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    jars.retain(|path| path.extension().is_some_and(|extension| extension == "jar"));
    jars.sort();
    Ok(Jars { class_path: std::env::join_paths(jars)?, folder })
}

impl Jars {
    pub(super) fn java(&self) -> Command {
        let mut command = Command::new("java");
        command.arg("-Djava.awt.headless=true").arg("-cp").arg(&self.class_path);
        // SQLite, which keeps the tables, comes as a shared library among the jars.
        let mut libraries = OsString::from("-Djava.library.path=");
        libraries.push(&self.folder);
        command.arg(libraries);
        command
    }
}
