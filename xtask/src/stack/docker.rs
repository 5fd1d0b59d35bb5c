//! Servers of a stack as the containers of docker-compose.yml.

use std::{
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rowpost_servers::{
    command,
    mysql::{Flags, Version},
    ports, progress,
};

use super::{
    named::Request,
    state::{Docker, State},
};
use crate::cargo;

const SETTLE: Duration = Duration::from_millis(300);

/// Those of docker-compose.yml that a request needs.
fn services(request: &Request) -> impl Iterator<Item = &'static str> {
    let kafka = request.with_kafka.then_some("kafka");
    let dynamodb = request.with_dynamodb.then_some("dynamodb");
    ["mysql"].into_iter().chain(kafka).chain(dynamodb)
}

/// What docker-compose.yml cannot give of a request. It has GTIDs, so it will do for both kinds of them.
pub(super) fn lacks(request: &Request) -> Option<&'static str> {
    match (request.version, request.flags) {
        (None | Some(Version::V9), Flags::Gtid | Flags::Compose) => None,
        (None | Some(Version::V9), Flags::Reference) => Some("docker-compose.yml has GTIDs"),
        (Some(Version::V57 | Version::V80), _) => Some("docker-compose.yml has MySQL 9 only"),
    }
}

/// Why Docker cannot be used here; `Ok` if it can. Pulls images that are not there yet.
pub(super) fn availability(directory: &Path, request: &Request) -> Result<()> {
    if !cargo::workspace().join("docker-compose.yml").exists() {
        bail!("there is no docker-compose.yml");
    }
    succeeds(Command::new("docker").arg("info")).context("no Docker engine answers")?;
    succeeds(Command::new("docker").args(["compose", "version"]))
        .context("Docker has no compose plug-in")?;
    let ports = Docker { mysql_port: 0, kafka_port: 0, dynamodb_port: None };
    let mut config = compose("availability", &ports);
    let images = command::output(config.args(["config", "--images"]).args(services(request)))?;
    for image in images.lines() {
        let is_there = succeeds(Command::new("docker").args(["image", "inspect", image])).is_ok();
        if !is_there {
            progress::step(&format!("pulling {image}"), None, |_| {
                let log = directory.join("pull.log");
                command::run(Command::new("docker").args(["pull", image]), &log)
            })
            .with_context(|| format!("the image {image} cannot be pulled"))?;
        }
    }
    Ok(())
}

fn succeeds(command: &mut Command) -> Result<()> {
    command::output(command).map(drop)
}

/// Starts what does not run yet, and waits until it is healthy.
pub(super) fn up(name: &str, directory: &Path, request: &Request) -> Result<()> {
    let mut state = State::load(directory)?;
    let ports = match &state.docker {
        Some(ports) => ports.clone(),
        None => Docker {
            mysql_port: ports::free()?,
            kafka_port: ports::free()?,
            dynamodb_port: request.with_dynamodb.then(ports::free).transpose()?,
        },
    };
    state.docker = Some(ports.clone());
    // ORDER: the ports are known before anything uses them.
    state.store(directory)?;
    let mut up = compose(name, &ports);
    up.args(["up", "--detach", "--wait"]).args(services(request));
    progress::step("docker compose up", None, |_| {
        command::run(&mut up, &directory.join("compose.log"))
    })
}

/// Stops the containers; without `keep_data` their volumes go too.
pub(super) fn down(name: &str, ports: &Docker, keep_data: bool) -> Result<String> {
    let mut down = compose(name, ports);
    down.arg("down");
    if !keep_data {
        down.arg("--volumes");
    }
    loop {
        succeeds(&mut down)?;
        if keep_data {
            break;
        }
        // SERVER: the engine finishes what a killed `up` had asked for.
        thread::sleep(SETTLE);
        let left = command::output(compose(name, ports).args(["ps", "--all", "--quiet"]))?;
        if left.trim().is_empty() {
            break;
        }
    }
    Ok("containers are down".to_owned())
}

/// A line for each container.
pub(super) fn status(name: &str, ports: &Docker) -> Result<Vec<String>> {
    const FORMAT: &str = "{{.Service}}: {{.Image}} {{.Status}}, container {{.Name}}";
    let lines = command::output(compose(name, ports).args(["ps", "--all", "--format", FORMAT]))?;
    Ok(lines.lines().map(str::to_owned).collect())
}

/// A project of its own per stack, on ports of its own. In a process group of its own too: Ctrl-C at a
/// terminal must not cut a `down` short.
fn compose(name: &str, ports: &Docker) -> Command {
    let mut command = Command::new("docker");
    command
        .args(["compose", "--file", "docker-compose.yml", "--project-name"])
        .arg(format!("rowpost-stack-{}", name.to_lowercase()))
        .current_dir(cargo::workspace())
        .env("ROWPOST_MYSQL_PORT", ports.mysql_port.to_string())
        .env("ROWPOST_KAFKA_PORT", ports.kafka_port.to_string())
        .env("ROWPOST_DYNAMODB_PORT", ports.dynamodb_port.unwrap_or_default().to_string())
        .stdin(Stdio::null())
        .process_group(0);
    command
}
