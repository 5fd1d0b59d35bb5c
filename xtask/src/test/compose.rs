//! docker-compose.yml, used as a newcomer uses it: up, insert a row, see the record, restart, down.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;

/// Its own project and ports, so that a stack that someone uses is left alone.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("COMPOSE_PROJECT_NAME", "rowpost-test"),
    ("ROWPOST_MYSQL_PORT", "23306"),
    ("ROWPOST_KAFKA_PORT", "29092"),
    ("ROWPOST_HTTP_PORT", "29187"),
    // The image takes the binary that was just built here; the Dockerfile's full build takes minutes.
    ("ROWPOST_BUILD_TARGET", "prebuilt"),
];

const EVENTUALLY: Duration = Duration::from_secs(60);

pub(super) fn check() -> Result<()> {
    ensure!(
        Command::new("docker").args(["info"]).output().is_ok_and(|info| info.status.success()),
        "no Docker engine answers; leave this out with --without compose"
    );
    cargo::run(&["build", "--release", "--package", "rowpost", "--bin", "rowpost"])?;
    stage_binary()?;
    let outcome = publish_through_it();
    if outcome.is_err() {
        let logs = docker(&["compose", "logs", "--no-color", "--tail", "40"]);
        println!("{}", logs.unwrap_or_default());
    }
    let down = docker(&["compose", "down", "--volumes", "--timeout", "15"]);
    outcome.and(down.map(drop))
}

/// The Dockerfile copies target/release/rowpost, wherever cargo put it.
fn stage_binary() -> Result<()> {
    let built = cargo::target().join("release/rowpost");
    let staged = cargo::workspace().join("target/release/rowpost");
    if built == staged {
        return Ok(());
    }
    let folder = staged.parent().context("the path has a parent")?;
    std::fs::create_dir_all(folder)?;
    std::fs::copy(&built, &staged).with_context(|| format!("copying {}", built.display()))?;
    Ok(())
}

fn publish_through_it() -> Result<()> {
    println!("docker compose up …");
    docker(&["compose", "up", "--detach", "--wait", "--build"])?;
    insert("first")?;
    eventually_published(&["first"])?;
    // Stopped as an operator stops it, started again, nothing twice.
    docker(&["compose", "restart", "relay"])?;
    insert("second")?;
    eventually_published(&["first", "second"])
}

/// As the service's own account.
fn insert(event: &str) -> Result<()> {
    let statement = format!(
        "insert into outbox (id, aggregatetype, aggregateid, type, payload) \
         values (uuid(), 'order', '42', 'OrderPlaced', '{{\"event\": \"{event}\"}}')"
    );
    docker(&[
        "compose",
        "exec",
        "--no-TTY",
        "mysql",
        "mysql",
        "-h127.0.0.1",
        "-uapp",
        "-papp",
        "shop",
        "-e",
        &statement,
    ])
    .map(drop)
}

fn eventually_published(events: &[&str]) -> Result<()> {
    let expected: Vec<String> =
        events.iter().map(|event| format!("{{\"event\":\"{event}\"}}")).collect();
    let deadline = Instant::now() + EVENTUALLY;
    loop {
        let published = consume()?;
        if published == expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("published are {published:?} instead of {expected:?}");
        }
        thread::sleep(Duration::from_millis(500));
    }
}

/// Everything in the topic, as a `read_committed` consumer sees it.
fn consume() -> Result<Vec<String>> {
    const CONSUMER: &str = "/opt/kafka/bin/kafka-console-consumer.sh --bootstrap-server \
         localhost:19092 --topic outbox.event.order --from-beginning --isolation-level \
         read_committed --timeout-ms 5000 2>/dev/null; true";
    let output = docker(&["compose", "exec", "--no-TTY", "kafka", "bash", "-c", CONSUMER])?;
    Ok(output.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn docker(arguments: &[&str]) -> Result<String> {
    let Output { status, stdout, stderr } = Command::new("docker")
        .args(arguments)
        .envs(ENVIRONMENT)
        .current_dir(cargo::workspace())
        .output()
        .context("docker cannot be started")?;
    if !status.success() {
        bail!(
            "`docker {}` failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}
