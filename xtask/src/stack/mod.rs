//! `cargo xtask stack up | down | status`.

mod docker;
mod native;
mod state;

use std::{
    fs::{self, File},
    path::PathBuf,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use rowpost_servers::{
    cache::{Cache, remove_folder},
    mysql::{Flags, Options, Version},
};

use self::state::State;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts what does not run yet and prints MYSQL_URL= and KAFKA_BOOTSTRAP= lines.
    Up(Up),
    /// Stops the servers and throws their data away.
    Down(Down),
    /// Says what runs: pid, port, version.
    Status,
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// MySQL version: 5.7, 8.0 or 9.
    #[arg(long, default_value = "9")]
    mysql: Version,
    /// The reference compose file's binlog flags and no others: no GTIDs, a new file every 4 KiB.
    #[arg(long)]
    reference_flags: bool,
    /// Several stacks can stand side by side.
    #[arg(long, default_value = "default")]
    name: String,
    /// Only MySQL.
    #[arg(long)]
    no_kafka: bool,
    /// Processes on this machine, even where Docker could be used.
    #[arg(long)]
    native: bool,
    /// The containers of docker-compose.yml, or an error.
    #[arg(long, conflicts_with_all = ["native", "reference_flags"])]
    docker: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    #[arg(long, default_value = "default")]
    name: String,
    /// Every stack.
    #[arg(long, conflicts_with = "name")]
    all: bool,
    /// Keeps the data: the next `up` of this name goes on with it.
    #[arg(long)]
    keep_data: bool,
}

pub(crate) fn run(command: &Command) -> Result<()> {
    let cache = Cache::open()?;
    match command {
        Command::Up(up) => Stack::named(&cache, &up.name)?.up(up),
        Command::Down(down) if down.all => {
            Stack::all(&cache)?.iter().try_for_each(|stack| stack.down(down.keep_data))
        }
        Command::Down(down) => Stack::named(&cache, &down.name)?.down(down.keep_data),
        Command::Status => {
            let stacks = Stack::all(&cache)?;
            if stacks.is_empty() {
                println!("no stack is up");
            }
            stacks.iter().try_for_each(Stack::status)
        }
    }
}

/// One named set of servers.
struct Stack {
    cache: Cache,
    name: String,
    directory: PathBuf,
}

impl Stack {
    fn named(cache: &Cache, name: &str) -> Result<Self> {
        let allowed = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        if name.is_empty() || !name.chars().all(allowed) {
            bail!("`{name}` is no name for a stack: letters, digits, - and _ only");
        }
        let directory = cache.root().join("stacks").join(name);
        Ok(Self { cache: cache.clone(), name: name.to_owned(), directory })
    }

    /// Every stack that has a directory, in order of name.
    fn all(cache: &Cache) -> Result<Vec<Self>> {
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

    fn up(&self, up: &Up) -> Result<()> {
        let _lock = self.lock()?;
        let started = Instant::now();
        fs::create_dir_all(&self.directory)?;
        if self.takes_docker(up)? {
            docker::up(&self.name, &self.directory, !up.no_kafka)?;
        } else {
            let flags = if up.reference_flags { Flags::Reference } else { Flags::Gtid };
            let options = Options { version: up.mysql, flags, extra: Vec::new() };
            native::up(&self.cache, &self.directory, &options, !up.no_kafka)?;
        }
        eprintln!("stack `{}` is up after {:.1} s", self.name, started.elapsed().as_secs_f64());
        print!("{}", State::load(&self.directory)?.addresses());
        Ok(())
    }

    /// Docker where it can be used and gives what was asked for. Says which it is, and why.
    fn takes_docker(&self, up: &Up) -> Result<bool> {
        let state = State::load(&self.directory)?;
        if state.docker.is_some() || state.mysql.is_some() {
            let is_docker = state.docker.is_some();
            if (up.docker && !is_docker) || (up.native && is_docker) {
                bail!("this stack is up the other way: take it down first");
            }
            return Ok(is_docker);
        }
        if up.docker && up.mysql != Version::V9 {
            bail!("docker-compose.yml has MySQL 9 only; leave --docker out for MySQL {}", up.mysql);
        }
        let reason = if up.native {
            "asked for".to_owned()
        } else if up.reference_flags || up.mysql != Version::V9 {
            "docker-compose.yml has another MySQL".to_owned()
        } else {
            match docker::availability(&self.directory) {
                Ok(()) => {
                    eprintln!("using Docker: an engine answers and the images are there");
                    return Ok(true);
                }
                Err(error) if up.docker => return Err(error),
                Err(error) => format!("{error:#}"),
            }
        };
        eprintln!("using native servers: {reason}");
        Ok(false)
    }

    fn down(&self, keep_data: bool) -> Result<()> {
        let _lock = self.lock()?;
        let state = State::load(&self.directory)?;
        let mut said = native::down(&state)?;
        if let Some(ports) = &state.docker {
            said.push(docker::down(&self.name, ports, keep_data)?);
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

    fn status(&self) -> Result<()> {
        let state = State::load(&self.directory)
            .with_context(|| format!("cannot read the state of stack `{}`", self.name))?;
        let mut lines = native::status(&state);
        if let Some(ports) = &state.docker {
            lines.extend(docker::status(&self.name, ports)?);
        }
        self.say(&lines);
        print!("{}", state.addresses());
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
