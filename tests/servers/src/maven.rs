//! Artifacts of Maven repositories → folders, by `mvn`.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, bail};

use crate::{cache::Cache, command, progress::Step};

/// Its `unpack` and `copy-dependencies` work with every Maven since 3.2.5.
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";

/// Unpacks one jar.
pub(crate) fn unpack(
    cache: &Cache,
    step: &Step,
    coordinates: &str,
    folder: &Path,
    log: &Path,
) -> Result<()> {
    let mut mvn = mvn(&format!("{PLUGIN}:unpack"))?;
    mvn.arg(format!("-Dartifact={coordinates}"));
    mvn.arg(format!("-DoutputDirectory={}", folder.display()));
    // Without a project the plug-in keeps its notes below the working directory.
    fs::create_dir_all(folder)?;
    run(cache, step, mvn.current_dir(folder), log)
}

/// Copies jars with all that they need at run time.
pub(crate) fn copy_with_dependencies(
    cache: &Cache,
    step: &Step,
    coordinates: &[&str],
    folder: &Path,
    log: &Path,
) -> Result<()> {
    let dependencies: String = coordinates
        .iter()
        .map(|coordinates| {
            let mut parts = coordinates.split(':');
            let mut tag = |name| format!("<{name}>{}</{name}>", parts.next().unwrap_or_default());
            let (group, artifact, version) = (tag("groupId"), tag("artifactId"), tag("version"));
            format!("<dependency>{group}{artifact}{version}</dependency>")
        })
        .collect();
    let project = format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>rowpost</groupId>\
         <artifactId>servers</artifactId><version>1</version><packaging>pom</packaging>\
         <dependencies>{dependencies}</dependencies></project>"
    );
    fs::create_dir_all(folder)?;
    let file = folder.join("pom.xml");
    fs::write(&file, project)?;
    let mut mvn = mvn(&format!("{PLUGIN}:copy-dependencies"))?;
    mvn.arg("-f").arg(&file).arg("-DincludeScope=runtime");
    mvn.arg(format!("-DoutputDirectory={}", folder.display()));
    run(cache, step, &mut mvn, log)?;
    Ok(fs::remove_file(file)?)
}

fn mvn(goal: &str) -> Result<Command> {
    if command::find("mvn").is_none() {
        bail!("`mvn` is missing: install the package maven");
    }
    let mut command = Command::new("mvn");
    command.args(["--batch-mode", goal]);
    Ok(command)
}

/// Maven's local repository does not bear two writers.
fn run(cache: &Cache, step: &Step, mvn: &mut Command, log: &Path) -> Result<()> {
    let _lock = cache.lock("mvn", "Maven")?;
    step.now("mvn");
    command::run(mvn, log)
}
