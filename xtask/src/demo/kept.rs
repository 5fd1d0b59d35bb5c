//! What `--keep` leaves: a running stack with a relay, and how to use it.

use std::{
    env,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use rowpost_servers::{cache::Cache, command, ports};

use super::build::{self, Programs};
use crate::stack::{Addresses, Stack};

/// The stack's name.
pub(super) const STACK: &str = "demo";

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
    let Addresses { mysql_version, mysql_url, kafka_bootstrap } = addresses;
    [
        format!("--mysql={mysql_version}"),
        format!("--mysql-url={mysql_url}"),
        format!("--kafka={kafka_bootstrap}"),
    ]
}

/// Starts the relay once more, to stay, and says how to go on.
pub(super) fn leave(stack: &Stack, addresses: &Addresses, programs: &Programs) -> Result<()> {
    let Addresses { mysql_url, kafka_bootstrap, .. } = addresses;
    let address = mysql_url.rsplit('@').next().unwrap_or_default().trim_end_matches('/');
    let relay_url = format!("mysql://rowpost:rowpost@{address}");
    let http_port = ports::free()?;
    let mut relay = Command::new(&programs.relay);
    relay.args(["run", "--mysql", &relay_url, "--kafka", kafka_bootstrap]);
    // Our own variables would be taken for settings of the relay.
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("ROWPOST_") {
            relay.env_remove(name);
        }
    }
    relay.env("ROWPOST_HTTP__LISTEN", format!("127.0.0.1:{http_port}"));
    stack.start_relay(&relay, http_port)?;
    wait_ready(stack, http_port)?;
    let (mysql_host, mysql_port) = address.split_once(':').unwrap_or((address, "3306"));
    let password = if mysql_url.contains("root:root@") { " -proot" } else { "" };
    println!(
        "
Everything goes on running:
  MySQL   {mysql_url}   table demo.outbox
  Kafka   {kafka_bootstrap}   topic outbox.event.order
  relay   rowpost run --mysql {relay_url} --kafka {kafka_bootstrap}
          http://127.0.0.1:{http_port}/api/status   log {log}

Insert a row by hand and see it arrive:
  cargo xtask demo insert --key order-42 --type OrderPlaced --payload '{{\"total\": 7}}'
or with a client of your own:
  mysql -h {mysql_host} -P {mysql_port} -u root{password} demo -e \"insert into outbox (id, aggregatetype, \\
    aggregateid, type, payload) values (uuid(), 'order', 'order-42', 'OrderPlaced', '{{\\\"total\\\": 7}}')\"

Stop it all, and throw the data away:
  cargo xtask stack down --name {STACK}",
        log = stack.relay_log().display(),
    );
    Ok(())
}

fn wait_ready(stack: &Stack, port: u16) -> Result<()> {
    let started = Instant::now();
    while !is_ready(port) {
        if started.elapsed() > READY_LIMIT {
            bail!("the relay is not ready; {}", command::tail(&stack.relay_log()));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// `GET /readyz`.
fn is_ready(port: u16) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /readyz HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    ask().is_ok_and(|answer| answer.split_whitespace().nth(1) == Some("200"))
}
