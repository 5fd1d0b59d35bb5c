//! What `--keep` leaves: a running stack with a relay and the shop, and how to use it.

use std::{
    collections::BTreeMap,
    env, fs,
    path::PathBuf,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use rowpost_servers::{cache::Cache, command};
use serde::Deserialize;

use super::build;
use crate::stack::{Addresses, Stack};

/// The stack's name.
pub(super) const STACK: &str = "demo";

/// Where the run says what is to stay, in the stack's folder.
const PLAN: &str = "kept.json";

/// Of the run's plan.
#[derive(Debug, Deserialize)]
struct Program {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    variables: BTreeMap<String, String>,
    http_port: u16,
}

const READY_LIMIT: Duration = Duration::from_secs(30);

/// The row's own columns.
#[derive(Debug, Args)]
pub(super) struct Insert {
    /// Its `aggregateid`, which becomes the record's key.
    #[arg(long, default_value = "order-42")]
    key: String,
    #[arg(long = "type", default_value = "OrderPlaced")]
    event_type: String,
    /// JSON, which becomes the record's value.
    #[arg(long, default_value = r#"{"total": 7}"#)]
    payload: String,
}

/// `cargo xtask demo insert`.
pub(super) fn insert(cache: &Cache, insert: &Insert) -> Result<ExitCode> {
    let stack = Stack::named(cache, STACK)?;
    if !stack.state()?.is_up() {
        bail!("no demo is up: start one with `cargo xtask demo --keep`");
    }
    let programs = build::programs()?;
    let Insert { key, event_type, payload } = insert;
    let mut demo = Command::new(programs.demo);
    demo.arg("insert").args(arguments(&addresses(&stack)?));
    demo.args(["--key", key, "--type", event_type, "--payload", payload]);
    let status = demo.status().context("cannot run the demo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn addresses(stack: &Stack) -> Result<Addresses> {
    stack.state()?.addresses().context("the stack lacks a server")
}

/// The servers, as the demo's run wants to hear of them.
pub(super) fn arguments(addresses: &Addresses) -> [String; 3] {
    let Addresses { mysql_version, mysql_url, kafka_bootstrap, .. } = addresses;
    [
        format!("--mysql={mysql_version}"),
        format!("--mysql-url={mysql_url}"),
        format!("--kafka={kafka_bootstrap}"),
    ]
}

/// Starts relay and shop once more, to stay, and says how to go on.
pub(super) fn leave(stack: &Stack, addresses: &Addresses) -> Result<()> {
    let plan = stack.directory().join(PLAN);
    let plan = fs::read(&plan).with_context(|| format!("cannot read {}", plan.display()))?;
    let programs: Vec<Program> = serde_json::from_slice(&plan)?;
    let mut running = String::new();
    for Program { name, program, arguments, variables, http_port } in &programs {
        let mut command = Command::new(program);
        // Our own variables would be taken for settings.
        for (name, _) in env::vars_os() {
            if ["ROWPOST_", "SHOP_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
                command.env_remove(name);
            }
        }
        command.args(arguments).envs(variables);
        stack.start_program(name, &command, *http_port)?;
        wait_ready(stack, name, *http_port)?;
        let log = stack.log(name);
        running.push_str(&format!(
            "  {name:<9} http://127.0.0.1:{http_port}/   log {}\n",
            log.display()
        ));
    }
    let Addresses { mysql_url, kafka_bootstrap, .. } = addresses;
    let address = mysql_url.rsplit('@').next().unwrap_or_default().trim_end_matches('/');
    let (mysql_host, mysql_port) = address.split_once(':').unwrap_or((address, "3306"));
    let password = if mysql_url.contains("root:root@") { " -proot" } else { "" };
    let dynamodb = addresses.dynamodb_endpoint.as_ref();
    let dynamodb =
        dynamodb.map(|endpoint| format!("  DynamoDB  {endpoint}   the view of the orders\n"));
    let dynamodb = dynamodb.unwrap_or_default();
    println!(
        "
Everything goes on running:
  MySQL     {mysql_url}   table demo.outbox
  Kafka     {kafka_bootstrap}   topic outbox.event.order
{dynamodb}{running}
Insert a row by hand and see it arrive:
  cargo xtask demo insert --key order-42 --type OrderPlaced --payload '{{\"total\": 7}}'
or with a client of your own:
  mysql -h {mysql_host} -P {mysql_port} -u root{password} demo -e \"insert into outbox (id, aggregatetype, \\
    aggregateid, type, payload) values (uuid(), 'order', 'order-42', 'OrderPlaced', '{{\\\"total\\\": 7}}')\"

Stop it all, and throw the data away:
  cargo xtask stack down --name {STACK}"
    );
    if let Some(order) = programs.iter().find(|program| program.name == "order") {
        println!("\nOrder something, and watch it: http://127.0.0.1:{}/", order.http_port);
    }
    Ok(())
}

fn wait_ready(stack: &Stack, name: &str, port: u16) -> Result<()> {
    let started = Instant::now();
    let ready = format!("http://127.0.0.1:{port}/readyz");
    while ureq::get(&ready).call().is_err() {
        if started.elapsed() > READY_LIMIT {
            bail!("{name} is not ready; {}", command::tail(&stack.log(name)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
