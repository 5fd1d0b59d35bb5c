//! One named stack of native servers.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rowpost_servers::{
    cache::{Cache, remove_folder},
    kafka,
    mysql::{self, Flags, Options, Version},
    ports,
    process::{Lifetime, ProcessId, Stopped},
    server::Server,
};

use super::state::{self, State};

/// How long a server may take to stop by itself.
const STOP_GRACE: Duration = Duration::from_secs(30);

pub(super) struct Stack {
    cache: Cache,
    name: String,
    directory: PathBuf,
}

impl Stack {
    pub(super) fn named(cache: &Cache, name: &str) -> Result<Self> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || !name.chars().all(allowed) {
            bail!("`{name}` is no name for a stack: letters, digits, - and _ only");
        }
        let directory = cache.root().join("stacks").join(name);
        Ok(Self { cache: cache.clone(), name: name.to_owned(), directory })
    }

    /// Every stack that has a directory, in order of name.
    pub(super) fn all(cache: &Cache) -> Result<Vec<Self>> {
        let Ok(entries) = fs::read_dir(cache.root().join("stacks")) else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in entries {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        names.iter().map(|name| Self::named(cache, name)).collect()
    }

    pub(super) fn up(&self, version: Version, flags: Flags, with_kafka: bool) -> Result<String> {
        let _lock = self.lock()?;
        let started = Instant::now();
        let mut state = State::load(&self.directory)?;
        self.start_mysql(&mut state, &Options { version, flags, extra: Vec::new() })?;
        if with_kafka {
            self.start_kafka(&mut state)?;
        }
        eprintln!("stack `{}` is up after {:.1} s", self.name, started.elapsed().as_secs_f64());
        Ok(addresses(&state))
    }

    fn start_mysql(&self, state: &mut State, options: &Options) -> Result<()> {
        let name = &self.name;
        let port = match &state.mysql {
            Some(mysql) if &mysql.options != options => bail!(
                "stack `{name}` has MySQL {} with {:?} flags: `cargo xtask stack down --name {name}` \
                 first, or take another --name",
                mysql.options.version,
                mysql.options.flags
            ),
            Some(mysql) if mysql.process.is_some_and(|process| process.is_running()) => {
                eprintln!("MySQL {} runs already", mysql.options.version);
                return Ok(());
            }
            Some(mysql) => mysql.port,
            None => ports::free()?,
        };
        let directory = self.directory.join("mysql");
        let mut mysql = state::Mysql { options: options.clone(), port, process: None };
        state.mysql = Some(mysql.clone());
        state.store(&self.directory)?;
        let plan = mysql::plan(&self.cache, options, &directory, port)?;
        mysql.process = Server::start(plan, Lifetime::Detached)?.id();
        state.mysql = Some(mysql);
        state.store(&self.directory)
    }

    fn start_kafka(&self, state: &mut State) -> Result<()> {
        let ports = match &state.kafka {
            Some(kafka) if kafka.process.is_some_and(|process| process.is_running()) => {
                eprintln!("Kafka {} runs already", kafka::VERSION);
                return Ok(());
            }
            Some(kafka) => {
                kafka::Ports { plaintext: kafka.port, controller: kafka.controller_port }
            }
            None => kafka::Ports { plaintext: ports::free()?, controller: ports::free()? },
        };
        let mut kafka = state::Kafka {
            port: ports.plaintext,
            controller_port: ports.controller,
            process: None,
        };
        state.kafka = Some(kafka.clone());
        state.store(&self.directory)?;
        let directory = self.directory.join("kafka");
        let options = kafka::BrokerOptions::default();
        let plan = kafka::plan(&self.cache, kafka::Role::Combined, &options, &directory, &ports)?;
        kafka.process = Server::start(plan, Lifetime::Detached)?.id();
        state.kafka = Some(kafka);
        state.store(&self.directory)
    }

    pub(super) fn down(&self, keep_data: bool) -> Result<String> {
        let _lock = self.lock()?;
        let state = State::load(&self.directory)?;
        let kafka = state.kafka.as_ref().map(|kafka| ("Kafka", kafka.process));
        let mysql = state.mysql.as_ref().map(|mysql| ("MySQL", mysql.process));
        let mut said = String::new();
        for (server, process) in kafka.into_iter().chain(mysql) {
            let how = match process.map(|process| process.stop(STOP_GRACE)).transpose()? {
                Some(Stopped::Terminated) => "stopped",
                Some(Stopped::KilledAfterGrace) => "killed, it did not stop by itself",
                Some(Stopped::WasNotRunning) | None => "did not run",
            };
            said.push_str(&format!("{}: {server} {how}\n", self.name));
        }
        if !keep_data {
            remove_folder(&self.directory)?;
        }
        if said.is_empty() {
            said = format!("{}: nothing was up", self.name);
        }
        Ok(said)
    }

    pub(super) fn status(&self) -> Result<String> {
        let state = State::load(&self.directory)?;
        let mut said = String::new();
        if let Some(mysql) = &state.mysql {
            let flags = format!("{:?} flags", mysql.options.flags).to_lowercase();
            let line = line(mysql.process, mysql.port, mysql::version_at);
            said.push_str(&format!("{}: MySQL {line}, {flags}\n", self.name));
        }
        if let Some(kafka) = &state.kafka {
            let line = line(kafka.process, kafka.port, kafka::version_at);
            said.push_str(&format!("{}: Kafka {line}\n", self.name));
        }
        Ok(said + &addresses(&state))
    }

    /// Two commands on the same stack wait for each other.
    fn lock(&self) -> Result<fs::File> {
        let name = format!("stack-{}", self.name);
        self.cache.lock(&name, &format!("stack `{}`", self.name))
    }
}

fn line(process: Option<ProcessId>, port: u16, version_at: fn(u16) -> Option<String>) -> String {
    match process.filter(ProcessId::is_running) {
        None => "does not run".to_owned(),
        Some(process) => {
            let pid = process.pid;
            match version_at(port) {
                Some(version) => format!("{version} runs, pid {pid}, port {port}"),
                None => format!("runs but does not answer, pid {pid}, port {port}"),
            }
        }
    }
}

fn addresses(state: &State) -> String {
    let mut text = String::new();
    if let Some(mysql) = &state.mysql {
        text.push_str(&format!("MYSQL_URL=mysql://root@127.0.0.1:{}/\n", mysql.port));
    }
    if let Some(kafka) = &state.kafka {
        text.push_str(&format!("KAFKA_BOOTSTRAP=127.0.0.1:{}\n", kafka.port));
    }
    text
}
