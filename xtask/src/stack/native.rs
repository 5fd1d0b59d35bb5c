//! Servers of a stack as processes on this machine.

use std::{path::Path, thread, time::Duration};

use anyhow::{Result, anyhow, bail};
use rowpost_servers::{
    cache::Cache,
    dynamodb, kafka,
    mysql::{self, Options, Version},
    ports,
    process::{Lifetime, ProcessId, Stopped},
    progress,
    server::{Plan, Server},
};

use super::{
    named::Request,
    state::{Dynamodb, Kafka, Mysql, Program, State},
};

/// How long a server may take to stop by itself.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// Starts what does not run yet, and returns what was started.
pub(super) fn up(
    cache: &Cache,
    directory: &Path,
    request: &Request,
    lifetime: Lifetime,
) -> Result<Vec<Server>> {
    let mut state = State::load(directory)?;
    let version = fetch(cache, request)?;
    let options = Options { version, flags: request.flags, extra: Vec::new() };
    let mysql = mysql_to_start(&mut state, &options)?;
    let kafka = if request.with_kafka { kafka_to_start(&mut state)? } else { None };
    let dynamodb = if request.with_dynamodb { dynamodb_to_start(&mut state)? } else { None };
    // ORDER: the ports are known before anything uses them, so that a run that is cut short is
    // taken up with the same ones.
    state.store(directory)?;
    let mysql = mysql
        .map(|port| mysql::plan(cache, &options, &directory.join("mysql"), port))
        .transpose()?;
    let kafka = kafka
        .map(|ports| {
            let options = kafka::BrokerOptions::default();
            let role = kafka::Role::Combined;
            kafka::plan(cache, role, &options, &directory.join("kafka"), &ports)
        })
        .transpose()?;
    let dynamodb = dynamodb
        .map(|port| dynamodb::plan(cache, &directory.join("dynamodb"), port))
        .transpose()?;
    let what = format!("starting MySQL {version} and Kafka");
    let (mysql, kafka, dynamodb) = progress::step(&what, None, |_| {
        Ok(thread::scope(|scope| {
            let [kafka, dynamodb] =
                [kafka, dynamodb].map(|plan| scope.spawn(move || start(plan, lifetime)));
            let mysql = start(mysql, lifetime);
            let [kafka, dynamodb] = [kafka, dynamodb].map(|starting| {
                starting.join().unwrap_or_else(|_| Err(anyhow!("the start panicked")))
            });
            (mysql, kafka, dynamodb)
        }))
    })?;
    // What did start is remembered, whatever became of the others.
    if let (Ok(Some(server)), Some(mysql)) = (&mysql, &mut state.mysql) {
        mysql.process = server.id();
    }
    if let (Ok(Some(server)), Some(kafka)) = (&kafka, &mut state.kafka) {
        kafka.process = server.id();
    }
    if let (Ok(Some(server)), Some(dynamodb)) = (&dynamodb, &mut state.dynamodb) {
        dynamodb.process = server.id();
    }
    state.store(directory)?;
    Ok([mysql?, kafka?, dynamodb?].into_iter().flatten().collect())
}

fn start(plan: Option<Plan>, lifetime: Lifetime) -> Result<Option<Server>> {
    plan.map(|plan| Server::start(plan, lifetime)).transpose()
}

/// Says what a first run downloads, and brings it: one after the other, as each takes all it can get.
fn fetch(cache: &Cache, request: &Request) -> Result<Version> {
    let version = request.version.unwrap_or_else(|| mysql::newest(cache));
    announce(cache, version, request.with_kafka);
    if request.with_kafka {
        kafka::prepare(cache)?;
    }
    if request.with_dynamodb {
        dynamodb::prepare(cache)?;
    }
    match mysql::prepare(cache, version) {
        Err(error) if request.version.is_none() && version != Version::V80 => {
            eprintln!("MySQL {version} cannot be had here, going on with 8.0: {error:#}");
            announce(cache, Version::V80, false);
            mysql::prepare(cache, Version::V80)?;
            Ok(Version::V80)
        }
        outcome => outcome.map(|()| version),
    }
}

fn announce(cache: &Cache, version: Version, with_kafka: bool) {
    let mysql = mysql::download_mb(cache, version);
    let kafka = if with_kafka { kafka::download_mb(cache) } else { 0 };
    let mut downloads = Vec::new();
    if mysql > 0 {
        downloads.push(format!("MySQL {version} ({mysql} MB)"));
    }
    if kafka > 0 {
        downloads.push(format!("Kafka {} ({kafka} MB)", kafka::VERSION));
    }
    if !downloads.is_empty() {
        let (what, place) = (downloads.join(" and "), cache.root().display());
        eprintln!("first run: downloads {what} into {place}, once for all later runs");
    }
}

/// The port, unless it runs.
fn mysql_to_start(state: &mut State, options: &Options) -> Result<Option<u16>> {
    match &mut state.mysql {
        Some(mysql) if &mysql.options != options => bail!(
            "this stack has MySQL {} with {:?} flags: take it down first, or take another --name",
            mysql.options.version,
            mysql.options.flags
        ),
        Some(mysql) if mysql.process.is_some_and(|process| process.is_running()) => {
            eprintln!("MySQL {} runs already", mysql.options.version);
            Ok(None)
        }
        Some(mysql) => Ok(Some(mysql.port)),
        place @ None => {
            let port = ports::free()?;
            *place = Some(Mysql { options: options.clone(), port, process: None });
            Ok(Some(port))
        }
    }
}

fn kafka_to_start(state: &mut State) -> Result<Option<kafka::Ports>> {
    match &mut state.kafka {
        Some(kafka) if kafka.process.is_some_and(|process| process.is_running()) => {
            eprintln!("Kafka {} runs already", kafka::VERSION);
            Ok(None)
        }
        Some(Kafka { port, controller_port, .. }) => {
            Ok(Some(kafka::Ports { plaintext: *port, controller: *controller_port }))
        }
        place @ None => {
            let ports = kafka::Ports { plaintext: ports::free()?, controller: ports::free()? };
            *place = Some(Kafka {
                port: ports.plaintext,
                controller_port: ports.controller,
                process: None,
            });
            Ok(Some(ports))
        }
    }
}

fn dynamodb_to_start(state: &mut State) -> Result<Option<u16>> {
    match &mut state.dynamodb {
        Some(dynamodb) if dynamodb.process.is_some_and(|process| process.is_running()) => {
            eprintln!("DynamoDB Local {} runs already", dynamodb::VERSION);
            Ok(None)
        }
        Some(dynamodb) => Ok(Some(dynamodb.port)),
        place @ None => {
            let port = ports::free()?;
            *place = Some(Dynamodb { port, process: None });
            Ok(Some(port))
        }
    }
}

/// Stops what runs, and says of each server how that went.
pub(super) fn down(state: &State) -> Result<Vec<String>> {
    processes(state)
        .into_iter()
        .map(|(server, process)| {
            let how = match process.map(|process| process.stop(STOP_GRACE)).transpose()? {
                Some(Stopped::Terminated) => "stopped",
                Some(Stopped::KilledAfterGrace) => "killed, it did not stop by itself",
                Some(Stopped::WasNotRunning) | None => "did not run",
            };
            Ok(format!("{server} {how}"))
        })
        .collect()
}

/// SIGKILL to what runs.
pub(super) fn kill(state: &State) -> Result<()> {
    processes(state).into_iter().filter_map(|(_, process)| process).try_for_each(|id| id.kill9())
}

/// By name, in the order in which they stop: what was started last is first.
fn processes(state: &State) -> Vec<(&str, Option<ProcessId>)> {
    let programs = state.programs.iter().rev();
    let programs = programs.map(|program| (&*program.name, Some(program.process)));
    let kafka = state.kafka.as_ref().map(|kafka| ("Kafka", kafka.process));
    let dynamodb = state.dynamodb.as_ref().map(|dynamodb| ("DynamoDB", dynamodb.process));
    let mysql = state.mysql.as_ref().map(|mysql| ("MySQL", mysql.process));
    programs.chain(dynamodb).chain(kafka).chain(mysql).collect()
}

/// A line for each server.
pub(super) fn status(state: &State) -> Vec<String> {
    let mysql = state.mysql.as_ref().map(|mysql| {
        let flags = format!("{:?} flags", mysql.options.flags).to_lowercase();
        format!("MySQL {}, {flags}", line(mysql.process, mysql.port, mysql::version_at))
    });
    let kafka = state
        .kafka
        .as_ref()
        .map(|kafka| format!("Kafka {}", line(kafka.process, kafka.port, kafka::version_at)));
    let programs = state.programs.iter().map(|Program { name, process, http_port }| match process
        .is_running()
    {
        true => format!("{name} runs, pid {}, http://127.0.0.1:{http_port}/", process.pid),
        false => format!("{name} does not run"),
    });
    let dynamodb = state.dynamodb.as_ref().map(|dynamodb| {
        format!("DynamoDB Local {}", line(dynamodb.process, dynamodb.port, dynamodb::version_at))
    });
    mysql.into_iter().chain(kafka).chain(dynamodb).chain(programs).collect()
}

fn line(process: Option<ProcessId>, port: u16, version_at: fn(u16) -> Option<String>) -> String {
    let Some(ProcessId { pid, .. }) = process.filter(ProcessId::is_running) else {
        return "does not run".to_owned();
    };
    match version_at(port) {
        Some(version) => format!("{version} runs, pid {pid}, port {port}"),
        None => format!("runs but does not answer, pid {pid}, port {port}"),
    }
}
