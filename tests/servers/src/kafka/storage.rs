//! Formatted storage, made once and copied for each broker, and the JVM's archive of shared classes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    BrokerOptions, Ports, Role, VERSION,
    jars::Jars,
    probe,
    properties::{self, CONTROLLER_NODE},
};
use crate::{
    cache::{Cache, remove_folder},
    command, ports,
    process::Lifetime,
    server::{Plan, Server},
};

const CLUSTER_ID: &str = "4L6g3nShT-eMCtK--X86sw";

/// Holds `data` (formatted, never used) and `classes.jsa`.
pub(super) fn template(cache: &Cache, jars: &Jars) -> Result<PathBuf> {
    let what = format!("preparing Kafka {VERSION}");
    cache.folder(&format!("kafka-{VERSION}-data"), &what, |folder, step| {
        step.now("formatting");
        let options = BrokerOptions::default();
        let ports = Ports { plaintext: ports::free()?, controller: ports::free()? };
        let (data, file) = (folder.join("data"), folder.join("server.properties"));
        fs::write(&file, properties::text(Role::Combined, &options, &data, &ports))?;
        format(jars, &options, &file, &folder.join("format.log"))?;
        let unused = folder.join("unused");
        copy(&data, &unused, folder)?;
        step.now("archiving classes");
        archive_classes(jars, folder, &file, ports.plaintext)?;
        remove_folder(&data)?;
        fs::rename(unused, data).context("cannot move the formatted storage into place")
    })
}

/// A broker's start is mostly loading classes. One run that writes them down at its end takes a
/// third off every later start.
fn archive_classes(jars: &Jars, folder: &Path, file: &Path, port: u16) -> Result<()> {
    let mut command = jars.java();
    command
        .arg(format!("-XX:ArchiveClassesAtExit={}", folder.join("classes.jsa").display()))
        .arg("kafka.Kafka")
        .arg(file);
    let plan = Plan {
        name: format!("Kafka {VERSION}"),
        command,
        log: folder.join("archive.log"),
        port,
        probe: probe::version_at,
        start_limit: Duration::from_secs(180),
        stop_grace: Duration::from_secs(120),
    };
    Server::start(plan, Lifetime::Tied)?.stop().map(drop)
}

/// SERVER: a JVM that cannot use the archive, because it is another JVM, runs without it.
pub(super) fn shared_classes(template: &Path) -> String {
    format!("-XX:SharedArchiveFile={}", template.join("classes.jsa").display())
}

/// Makes `directory/data`: a copy of the template, or formatted anew where users belong into it.
pub(super) fn create(
    jars: &Jars,
    template: &Path,
    role: Role,
    options: &BrokerOptions,
    directory: &Path,
    file: &Path,
) -> Result<()> {
    if !options.scram_users.is_empty() {
        return format(jars, options, file, &directory.join("format.log"));
    }
    let partial = directory.join("data.partial");
    remove_folder(&partial)?;
    copy(&template.join("data"), &partial, directory)?;
    if role == Role::Controller {
        let node = partial.join("meta.properties");
        let text = fs::read_to_string(&node)?;
        fs::write(&node, text.replace("node.id=1", &format!("node.id={CONTROLLER_NODE}")))?;
    }
    fs::rename(&partial, directory.join("data"))
        .context("cannot move the formatted storage into place")
}

fn format(jars: &Jars, options: &BrokerOptions, file: &Path, log: &Path) -> Result<()> {
    let mut command = jars.java();
    command.args(["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"]).arg(file);
    for user in &options.scram_users {
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let (name, password) = (&user.name, &user.password);
            command.arg("--add-scram");
            command.arg(format!("{mechanism}=[name={name},password={password}]"));
        }
    }
    command::run(&mut command, log)
}

fn copy(from: &Path, to: &Path, directory: &Path) -> Result<()> {
    let mut copy = Command::new("cp");
    copy.args(["-a", "--sparse=always"]).arg(from).arg(to);
    command::run(&mut copy, &directory.join("copy.log"))
}
