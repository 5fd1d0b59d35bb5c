//! One named set of servers.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use rowpost_servers::{
    cache::{Cache, remove_folder},
    mysql::{Flags, Version},
    process::{self, Lifetime, ProcessId},
    server::Server,
};

use super::{
    docker, native,
    state::{self, State},
};

/// Where servers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    Docker,
    Native,
}

/// What is to be up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    /// `None`: Docker where it can be used and gives what is asked for.
    pub(crate) engine: Option<Engine>,
    /// `None`: 9, or the newest that can be had here.
    pub(crate) version: Option<Version>,
    pub(crate) flags: Flags,
    pub(crate) with_kafka: bool,
    /// For the shop.
    pub(crate) with_dynamodb: bool,
}

pub(crate) struct Stack {
    cache: Cache,
    name: String,
    directory: PathBuf,
    lifetime: Lifetime,
    /// Held so that tied servers live.
    servers: Vec<Server>,
}

impl Stack {
    /// A stack whose servers stay until `down`.
    pub(crate) fn named(cache: &Cache, name: &str) -> Result<Self> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || !name.chars().all(allowed) {
            bail!("`{name}` is no name for a stack: letters, digits, - and _ only");
        }
        Ok(Self {
            cache: cache.clone(),
            name: name.to_owned(),
            directory: cache.root().join("stacks").join(name),
            lifetime: Lifetime::Detached,
            servers: Vec::new(),
        })
    }

    /// The same, but its servers die with this process, and what else a killed one leaves is swept.
    pub(crate) fn tied(self) -> Self {
        Self { lifetime: Lifetime::Tied, ..self }
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

    /// Removes what processes left behind that were killed before they could.
    pub(crate) fn sweep(cache: &Cache) -> Result<()> {
        for stack in Self::all(cache)? {
            let owner = stack.state()?.owner;
            if owner.is_some_and(|owner| !owner.is_running()) {
                stack.discard()?;
            }
        }
        Ok(())
    }

    /// Starts what does not run yet.
    pub(crate) fn up(&mut self, request: &Request) -> Result<Engine> {
        let _lock = self.lock()?;
        fs::create_dir_all(&self.directory)?;
        self.note_owner()?;
        let engine = self.engine_for(request)?;
        match engine {
            Engine::Docker => docker::up(&self.name, &self.directory, request)?,
            Engine::Native => {
                let servers = native::up(&self.cache, &self.directory, request, self.lifetime)?;
                self.servers.extend(servers);
            }
        }
        Ok(engine)
    }

    fn note_owner(&self) -> Result<()> {
        let mut state = self.state()?;
        state.owner = match self.lifetime {
            Lifetime::Tied => ProcessId::of(std::process::id()),
            Lifetime::Detached => None,
        };
        state.store(&self.directory)
    }

    /// Docker where it can be used and gives what was asked for. Says which it is, and why.
    fn engine_for(&self, request: &Request) -> Result<Engine> {
        let state = self.state()?;
        if state.is_up() {
            let engine = if state.docker.is_some() { Engine::Docker } else { Engine::Native };
            if request.engine.is_some_and(|asked| asked != engine) {
                bail!("this stack is up the other way: take it down first");
            }
            return Ok(engine);
        }
        let reason = match (request.engine, docker::lacks(request)) {
            (Some(Engine::Native), _) => "asked for".to_owned(),
            (Some(Engine::Docker), Some(lack)) => bail!("{lack}; leave --docker out for it"),
            (None, Some(lack)) => lack.to_owned(),
            (engine, None) => match docker::availability(&self.directory, request) {
                Ok(()) => {
                    eprintln!("using Docker: an engine answers and the images are there");
                    return Ok(Engine::Docker);
                }
                Err(error) if engine.is_some() => return Err(error),
                Err(error) => brief(&error),
            },
        };
        eprintln!("using native servers: {reason}");
        Ok(Engine::Native)
    }

    /// Starts a program that stays until `down`.
    pub(crate) fn start_program(
        &self,
        name: &str,
        command: &Command,
        http_port: u16,
    ) -> Result<()> {
        let _lock = self.lock()?;
        let (_, process) = process::spawn(command, &self.log(name), Lifetime::Detached)?;
        let mut state = self.state()?;
        state.programs.push(state::Program { name: name.to_owned(), process, http_port });
        state.store(&self.directory)
    }

    /// What a program has said.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.log"))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn state(&self) -> Result<State> {
        State::load(&self.directory)
            .with_context(|| format!("cannot read the state of stack `{}`", self.name))
    }

    /// Stops whatever runs, the servers last.
    pub(super) fn down(&self, keep_data: bool) -> Result<()> {
        let _lock = self.lock()?;
        let state = self.state()?;
        let mut said = native::down(&state)?;
        if let Some(docker) = &state.docker {
            said.push(docker::down(&self.name, docker, keep_data)?);
        }
        if !keep_data {
            remove_folder(&self.directory)?;
        }
        if said.is_empty() {
            said.push("nothing was up".to_owned());
        }
        self.say(&said);
        Ok(())
    }

    /// Ends whatever runs, without a word, and throws the data away.
    pub(crate) fn discard(&self) -> Result<()> {
        let _lock = self.lock()?;
        let state = self.state()?;
        native::kill(&state)?;
        if let Some(docker) = &state.docker {
            docker::down(&self.name, docker, false)?;
        }
        remove_folder(&self.directory)
    }

    pub(super) fn status(&self) -> Result<()> {
        let state = self.state()?;
        let mut lines = native::status(&state);
        if let Some(docker) = &state.docker {
            lines.extend(docker::status(&self.name, docker)?);
        }
        self.say(&lines);
        print!("{}", state.address_lines());
        Ok(())
    }

    fn say(&self, lines: &[String]) {
        for line in lines {
            println!("{}: {line}", self.name);
        }
    }

    /// Two commands on the same stack wait for each other.
    fn lock(&self) -> Result<File> {
        let name = format!("stack-{}", self.name);
        self.cache.lock(&name, &format!("stack `{}`", self.name))
    }
}

/// What failed, and the last line of why: a tool's whole log is too much for a reason.
fn brief(error: &anyhow::Error) -> String {
    let cause = error.root_cause().to_string();
    let last = cause.lines().last().unwrap_or_default();
    if error.to_string() == cause { last.to_owned() } else { format!("{error} ({last})") }
}
