//! Servers of a stack as processes on this machine.

use std::{path::Path, thread, time::Duration};

use anyhow::{Result, anyhow, bail};
use rowpost_servers::{
    cache::Cache,
    kafka,
    mysql::{self, Options},
    ports,
    process::{Lifetime, ProcessId, Stopped},
    server::{Plan, Server},
};

use super::state::{Kafka, Mysql, State};

/// How long a server may take to stop by itself.
const STOP_GRACE: Duration = Duration::from_secs(30);

/// Starts what does not run yet.
pub(super) fn up(
    cache: &Cache,
    directory: &Path,
    options: &Options,
    with_kafka: bool,
) -> Result<()> {
    let mut state = State::load(directory)?;
    let mysql = mysql_to_start(&mut state, options)?;
    let kafka = if with_kafka { kafka_to_start(&mut state)? } else { None };
    // ORDER: the ports are known before anything uses them, so that a run that is cut short is
    // taken up with the same ones.
    state.store(directory)?;
    // One after the other, as both fetch; the starts then take place side by side.
    let mysql = mysql
        .map(|port| mysql::plan(cache, options, &directory.join("mysql"), port))
        .transpose()?;
    let kafka = kafka
        .map(|ports| {
            let options = kafka::BrokerOptions::default();
            let role = kafka::Role::Combined;
            kafka::plan(cache, role, &options, &directory.join("kafka"), &ports)
        })
        .transpose()?;
    let (mysql, kafka) = thread::scope(|scope| {
        let kafka = scope.spawn(|| start(kafka));
        (start(mysql), kafka.join().unwrap_or_else(|_| Err(anyhow!("the start panicked"))))
    });
    // What did start is remembered, whatever became of the other.
    if let (Ok(Some(process)), Some(mysql)) = (&mysql, &mut state.mysql) {
        mysql.process = Some(*process);
    }
    if let (Ok(Some(process)), Some(kafka)) = (&kafka, &mut state.kafka) {
        kafka.process = Some(*process);
    }
    state.store(directory)?;
    mysql.and(kafka).map(drop)
}

fn start(plan: Option<Plan>) -> Result<Option<ProcessId>> {
    plan.map_or(Ok(None), |plan| Ok(Server::start(plan, Lifetime::Detached)?.id()))
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

/// Stops what runs, and says of each server how that went.
pub(super) fn down(state: &State) -> Result<Vec<String>> {
    let kafka = state.kafka.as_ref().map(|kafka| ("Kafka", kafka.process));
    let mysql = state.mysql.as_ref().map(|mysql| ("MySQL", mysql.process));
    kafka
        .into_iter()
        .chain(mysql)
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
    mysql.into_iter().chain(kafka).collect()
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
