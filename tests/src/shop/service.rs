//! One service of the shop as a process; it dies with the test.

use std::{
    env,
    path::PathBuf,
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rowpost_servers::{
    cache::Cache,
    command, ports,
    process::{self, Lifetime, ProcessId},
    run_directory,
};
use rustix::process::Signal;

use crate::programs::program;

const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub struct Service {
    name: &'static str,
    binary: PathBuf,
    port: u16,
    variables: Vec<(&'static str, String)>,
    log: PathBuf,
    /// `None` while it is stopped.
    running: Option<(Child, ProcessId)>,
}

impl Service {
    /// Starts `shop-<name>`; does not wait until it is ready.
    pub async fn start(name: &'static str, variables: Vec<(&'static str, String)>) -> Result<Self> {
        let binary = program(&format!("shop-{name}")).await?;
        let directory = run_directory::subfolder(&Cache::open()?, name)?;
        let (port, log) = (ports::free()?, directory.join(format!("{name}.log")));
        let mut service = Self { name, binary, port, variables, log, running: None };
        service.start_again()?;
        Ok(service)
    }

    /// After `kill9` or `terminate`: with the same settings, on the same port.
    pub fn start_again(&mut self) -> Result<()> {
        let mut command = Command::new(&self.binary);
        for (variable, _) in env::vars_os() {
            if variable.to_string_lossy().starts_with("SHOP_") {
                command.env_remove(variable);
            }
        }
        command.env("SHOP_LISTEN", format!("127.0.0.1:{}", self.port));
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        self.running = Some(process::spawn(&command, &self.log, Lifetime::Tied)?);
        Ok(())
    }

    /// Changes a setting for the next start.
    pub fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.retain(|(name, _)| *name != variable);
        self.variables.push((variable, value.into()));
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// # Panics
    /// With the end of its log, if it has ended.
    pub fn assert_running(&self) {
        let is_running = self.running.as_ref().is_some_and(|(_, id)| id.is_running());
        assert!(is_running, "{} has ended; {}", self.name, command::tail(&self.log));
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill9(&mut self) -> Result<()> {
        let (mut child, id) = self.running.take().context("the service does not run")?;
        id.kill9()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, then waits for the end.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        let (mut child, id) = self.running.take().context("the service does not run")?;
        id.signal(Signal::TERM)?;
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            if started.elapsed() > limit {
                id.kill9()?;
                bail!("{} has not ended within {limit:?}; {}", self.name, command::tail(&self.log));
            }
            tokio::time::sleep(EXIT_POLL_INTERVAL).await;
        }
    }

    pub fn log_text(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).context("cannot read the service's log")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", command::tail(&self.log));
        }
        if self.running.is_some()
            && let Err(error) = self.kill9()
        {
            eprintln!("cannot stop {}: {error:#}", self.name);
        }
    }
}
