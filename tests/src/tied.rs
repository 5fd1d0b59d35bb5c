//! A program of ours as a process that dies with the test, and can be killed before.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rowpost_servers::{
    cache::Cache,
    command,
    process::{self, Lifetime, ProcessId},
    run_directory,
};
use rustix::process::Signal;

const EXIT_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Starts, ends, and what was said meanwhile.
#[derive(Debug)]
pub struct TiedProcess {
    name: &'static str,
    directory: PathBuf,
    /// `None` while it is stopped.
    running: Option<(Child, ProcessId)>,
}

impl TiedProcess {
    /// Does not start it yet. With a folder of its own.
    pub(crate) fn new(name: &'static str) -> Result<Self> {
        let directory = run_directory::subfolder(&Cache::open()?, name)?;
        Ok(Self { name, directory, running: None })
    }

    pub(crate) fn start(&mut self, command: &Command) -> Result<()> {
        if let Some(id) = self.id() {
            bail!("{} runs already (pid {})", self.name, id.pid);
        }
        self.running = Some(process::spawn(command, &self.log(), Lifetime::Tied)?);
        Ok(())
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn id(&self) -> Option<ProcessId> {
        self.running.as_ref().map(|(_, id)| *id).filter(ProcessId::is_running)
    }

    pub(crate) fn running_id(&self) -> Result<ProcessId> {
        self.id().with_context(|| format!("{} does not run; {}", self.name, self.log_tail()))
    }

    /// # Panics
    /// With the end of its log, if it has ended.
    pub fn assert_running(&self) {
        assert!(self.id().is_some(), "{} has ended; {}", self.name, self.log_tail());
    }

    /// SIGKILL, in the middle of whatever it does.
    pub fn kill9(&mut self) -> Result<()> {
        let (mut child, id) = self.running.take().context("the process does not run")?;
        id.kill9()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM; does not wait for the end.
    pub fn ask_to_stop(&self) -> Result<()> {
        self.running_id()?.signal(Signal::TERM)
    }

    /// SIGTERM, then waits for the end.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.ask_to_stop()?;
        self.wait_exit(limit).await
    }

    /// SIGSTOP and SIGCONT: a process that stands still, as on a stopped virtual machine.
    pub fn pause(&self) -> Result<()> {
        self.running_id()?.pause()
    }

    pub fn resume(&self) -> Result<()> {
        self.running_id()?.resume()
    }

    /// Waits until it ends by itself.
    pub async fn wait_exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let started = Instant::now();
        let (child, _) = self.running.as_mut().context("the process does not run")?;
        loop {
            if let Some(status) = child.try_wait()? {
                self.running = None;
                return Ok(status);
            }
            if started.elapsed() > limit {
                bail!("{} has not ended within {limit:?}; {}", self.name, self.log_tail());
            }
            tokio::time::sleep(EXIT_POLL_INTERVAL).await;
        }
    }

    /// What every start of it has said.
    pub fn log(&self) -> PathBuf {
        self.directory.join(format!("{}.log", self.name))
    }

    pub fn log_text(&self) -> Result<String> {
        fs::read_to_string(self.log()).with_context(|| format!("cannot read {}'s log", self.name))
    }

    fn log_tail(&self) -> String {
        command::tail(&self.log())
    }
}

impl Drop for TiedProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log_tail());
        }
        if self.id().is_some()
            && let Err(error) = self.kill9()
        {
            eprintln!("cannot stop {}: {error:#}", self.name);
        }
    }
}
