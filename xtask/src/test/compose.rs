//! docker-compose.yml, used as a newcomer uses it: up, order something, insert a row, see the record,
//! restart, down.

use std::{
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rowpost_servers::command;
use serde_json::{Value, json};

use crate::cargo;

/// Its own project and ports, so that a stack that someone uses is left alone.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("COMPOSE_PROJECT_NAME", "rowpost-test"),
    ("ROWPOST_MYSQL_PORT", "23306"),
    ("ROWPOST_KAFKA_PORT", "29092"),
    ("ROWPOST_DYNAMODB_PORT", "28000"),
    ("ROWPOST_HTTP_PORT", "29187"),
    ("ROWPOST_ORDER_PORT", "28080"),
    ("ROWPOST_INVENTORY_PORT", "28090"),
    ("ROWPOST_GATEWAY_PORT", "28070"),
    // The image takes the binaries that were just tested; the Dockerfile's full build takes minutes.
    ("ROWPOST_BUILD_TARGET", "staged"),
];

const ORDER: &str = "http://127.0.0.1:28080";
const INVENTORY: &str = "http://127.0.0.1:28090";

const EVENTUALLY: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(500);

pub(super) fn check() -> Result<()> {
    ensure!(
        Command::new("docker").args(["info"]).output().is_ok_and(|info| info.status.success()),
        "no Docker engine answers; leave this out with --without compose"
    );
    stage_binaries()?;
    let outcome = use_it();
    if outcome.is_err() {
        let logs = docker(&["compose", "logs", "--no-color", "--tail", "40"]);
        println!("{}", logs.unwrap_or_default());
    }
    let down = docker(&["compose", "down", "--volumes", "--timeout", "15"]);
    outcome.and(down.map(drop))
}

/// What the Dockerfile's `staged` copies; without their debug information, which is most of them.
fn stage_binaries() -> Result<()> {
    cargo::run(&cargo::build_arguments(&cargo::PROGRAMS))?;
    let staged = cargo::workspace().join("target/staged");
    std::fs::create_dir_all(&staged)?;
    for binary in cargo::PROGRAMS {
        let mut strip = Command::new("strip");
        strip.arg("-o").arg(staged.join(binary)).arg(cargo::target().join("debug").join(binary));
        command::output(&mut strip)?;
    }
    Ok(())
}

fn use_it() -> Result<()> {
    println!("docker compose up …");
    docker(&["compose", "up", "--detach", "--wait", "--build"])?;
    order_something()?;
    insert("first")?;
    eventually_published(&["first"])?;
    // Stopped as an operator stops it, started again, nothing twice.
    docker(&["compose", "restart", "relay"])?;
    insert("second")?;
    eventually_published(&["first", "second"])
}

/// The examples at the head of docker-compose.yml.
fn order_something() -> Result<()> {
    let body = json!({
        "order": {
            "user_id": "user", "name": "Hong Gil Dong", "addr": "29, Hansil-ro",
            "tel": "01012341234", "email": "hong@gil.com",
        },
        "inventory": { "id": 2, "quantity": 5 },
    });
    let mut taken = ureq::post(format!("{ORDER}/v1/order")).send_json(&body)?;
    let taken: Value = taken.body_mut().read_json()?;
    ensure!(text(&taken, "/status") == Some("ORDER_CREATED"), "the order is answered by {taken}");
    let id = text(&taken, "/transaction_id").context("the order has no id")?;
    let order = format!("{ORDER}/v1/order?transaction_id={id}&user_id=user");
    let deadline = Instant::now() + EVENTUALLY;
    loop {
        let shown = get(&order)?;
        if text(&shown, "/status") == Some("ORDER_COMPLETE") {
            break;
        }
        ensure!(Instant::now() < deadline, "the order is not complete, it is {shown}");
        thread::sleep(POLL_INTERVAL);
    }
    let items = get(&format!("{INVENTORY}/v1/inventory"))?;
    ensure!(
        items.pointer("/1/quantity") == Some(&json!(95)),
        "5 of 100 were ordered, and there are {items}"
    );
    Ok(())
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str()
}

fn get(url: &str) -> Result<Value> {
    Ok(ureq::get(url).call()?.body_mut().read_json()?)
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
        thread::sleep(POLL_INTERVAL);
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
