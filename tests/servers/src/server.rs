//! A process with a directory, a log, a port and a way to see that it answers.

use std::{
    path::PathBuf,
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use crate::{
    command,
    process::{self, Lifetime, ProcessId, Stopped},
};

const PROBE_INTERVAL: Duration = Duration::from_millis(20);

/// What to run, and how to see that it runs.
#[derive(Debug)]
pub struct Plan {
    /// `MySQL 9`, for messages.
    pub name: String,
    pub command: Command,
    pub log: PathBuf,
    pub port: u16,
    /// Connects, and returns the server's version once it answers.
    pub probe: fn(u16) -> Option<String>,
    pub start_limit: Duration,
    pub stop_grace: Duration,
}

/// A server that was started here. Dropping it kills a tied process and leaves a detached one.
#[derive(Debug)]
pub struct Server {
    plan: Plan,
    lifetime: Lifetime,
    /// `None` while it is stopped.
    running: Option<(Child, ProcessId)>,
}

impl Server {
    /// Starts the server and waits until it answers.
    pub fn start(plan: Plan, lifetime: Lifetime) -> Result<Self> {
        let mut server = Self { plan, lifetime, running: None };
        server.start_again()?;
        Ok(server)
    }

    /// Starts it again after `kill9` or `stop`: same directory, same port.
    pub fn start_again(&mut self) -> Result<()> {
        let name = self.plan.name.clone();
        if let Some(id) = self.id() {
            bail!("{name} runs already (pid {})", id.pid);
        }
        let running = process::spawn(&self.plan.command, &self.plan.log, self.lifetime)?;
        self.running = Some(running);
        self.wait_ready()
    }

    fn wait_ready(&mut self) -> Result<()> {
        let Plan { name, log, port, probe, start_limit, .. } = &self.plan;
        let started = Instant::now();
        while probe(*port).is_none() {
            if let Some((child, _)) = &mut self.running
                && let Some(status) = child.try_wait()?
            {
                self.running = None;
                bail!("{name} ended while starting ({status}); {}", command::tail(log));
            }
            if started.elapsed() >= *start_limit {
                let limit = start_limit.as_secs();
                bail!("{name} does not answer after {limit} s; {}", command::tail(log));
            }
            thread::sleep(PROBE_INTERVAL);
        }
        Ok(())
    }

    /// `None` while it is stopped.
    pub fn id(&self) -> Option<ProcessId> {
        self.running.as_ref().map(|(_, id)| *id).filter(ProcessId::is_running)
    }

    /// Connections stand, nothing answers, until `resume`.
    pub fn pause(&self) -> Result<()> {
        self.id().map_or(Ok(()), |id| id.pause())
    }

    pub fn resume(&self) -> Result<()> {
        self.id().map_or(Ok(()), |id| id.resume())
    }

    pub fn port(&self) -> u16 {
        self.plan.port
    }

    pub fn log(&self) -> &std::path::Path {
        &self.plan.log
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill9(&mut self) -> Result<()> {
        if let Some((mut child, id)) = self.running.take() {
            id.kill9()?;
            child.wait()?;
        }
        Ok(())
    }

    /// A clean shutdown; killed when it takes too long.
    pub fn stop(&mut self) -> Result<Stopped> {
        let Some((mut child, id)) = self.running.take() else {
            return Ok(Stopped::WasNotRunning);
        };
        let stopped = id.stop(self.plan.stop_grace)?;
        child.wait()?;
        Ok(stopped)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.lifetime == Lifetime::Tied
            && let Err(error) = self.kill9()
        {
            eprintln!("{}: {error:#}", self.plan.name);
        }
    }
}
