//! A program that keeps running: started detached or tied to us, ended by its own pid.
//!
//! Promises:
//! - a process is known by its pid *and* its start time: a pid that the kernel gave to another
//!   program is never signalled;
//! - a tied process dies with this one, even when this one is killed with -9.

use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde::{Deserialize, Serialize};

use crate::command;

const POLL_INTERVAL: Duration = Duration::from_millis(10);
const PAUSE_LIMIT: Duration = Duration::from_secs(10);

/// Whether a process goes with the one that started it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// In a session of its own: a terminal's interrupt and our end do not reach it.
    Detached,
    /// Killed by the kernel when this process ends.
    Tied,
}

/// How a process came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    WasNotRunning,
    Terminated,
    KilledAfterGrace,
}

/// One process, not one pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    pub pid: i32,
    /// Clock ticks after boot, from `/proc/<pid>/stat`.
    start_ticks: u64,
}

impl ProcessId {
    /// The process that has this pid now, even if it has ended and nobody has asked how.
    pub fn of(pid: u32) -> Option<Self> {
        let pid = i32::try_from(pid).ok()?;
        let Stat { start_ticks, .. } = stat(pid)?;
        Some(Self { pid, start_ticks })
    }

    pub fn is_running(&self) -> bool {
        stat(self.pid).is_some_and(|stat| stat.start_ticks == self.start_ticks && !stat.is_zombie)
    }

    /// SIGTERM, then SIGKILL after `grace`.
    pub fn stop(&self, grace: Duration) -> Result<Stopped> {
        if !self.is_running() {
            return Ok(Stopped::WasNotRunning);
        }
        self.signal(Signal::TERM)?;
        if self.wait_gone(grace) {
            return Ok(Stopped::Terminated);
        }
        self.kill9()?;
        Ok(Stopped::KilledAfterGrace)
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill9(&self) -> Result<()> {
        self.signal(Signal::KILL)?;
        if !self.wait_gone(Duration::from_secs(10)) {
            bail!("process {} is still there 10 s after SIGKILL", self.pid);
        }
        Ok(())
    }

    /// SIGSTOP, and waits until no thread runs any more. Connections stand, nothing answers: as a
    /// network that swallows packets looks.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::STOP)?;
        let started = Instant::now();
        // SERVER: signal(7): the signal stops each thread when that thread next notices, which on a
        // busy machine is after kill(2) has returned.
        while !has_stopped(self.pid) {
            if started.elapsed() >= PAUSE_LIMIT {
                bail!("process {} still runs {PAUSE_LIMIT:?} after SIGSTOP", self.pid);
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// SIGCONT: ends a pause.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Sends a signal; a process that is gone already is none to complain about.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        if !self.is_running() {
            return Ok(());
        }
        let pid = Pid::from_raw(self.pid).context("pid 0")?;
        match kill_process(pid, signal) {
            Err(error) if error != rustix::io::Errno::SRCH => {
                Err(error).with_context(|| format!("cannot signal process {}", self.pid))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// False when the process is still there after `limit`.
    pub fn wait_gone(&self, limit: Duration) -> bool {
        let started = Instant::now();
        while self.is_running() {
            if started.elapsed() >= limit {
                return false;
            }
            thread::sleep(POLL_INTERVAL);
        }
        true
    }
}

/// What the kernel says of a process.
struct Stat {
    parent: i32,
    start_ticks: u64,
    /// Only the entry is left.
    is_zombie: bool,
}

/// `None`: no such process.
fn stat(pid: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // SERVER: proc(5): the second field is the name in parentheses and may itself hold any of them.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Some(Stat {
        parent: fields.get(1)?.parse().ok()?,
        start_ticks: fields.get(19)?.parse().ok()?,
        is_zombie: matches!(fields.first(), Some(&"Z" | &"X")),
    })
}

/// The running processes that this one has started, and those that they have.
pub fn descendants() -> Result<Vec<ProcessId>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc").context("cannot read /proc")? {
        if let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>()
            && let Some(stat) = stat(pid)
        {
            all.push((pid, stat));
        }
    }
    let mut found = Vec::new();
    let mut parents = vec![i32::try_from(std::process::id()).context("a pid fits in 31 bits")?];
    while let Some(parent) = parents.pop() {
        for (pid, stat) in all.iter().filter(|(_, stat)| stat.parent == parent) {
            parents.push(*pid);
            if !stat.is_zombie {
                found.push(ProcessId { pid: *pid, start_ticks: stat.start_ticks });
            }
        }
    }
    Ok(found)
}

/// The command such that its process dies with the thread that starts it.
pub fn tied(command: &Command) -> Result<Command> {
    wrapped(command, "setpriv", &["--pdeathsig", "KILL", "--"])
}

/// Whether every thread is stopped, or the process is gone.
fn has_stopped(pid: i32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        let state = stat.rsplit_once(')').map_or("", |(_, fields)| fields.trim_start());
        state.is_empty() || state.starts_with(['T', 't', 'Z', 'X'])
    })
}

/// Starts `command` with its output appended to `log`. The child must be waited for at its end.
pub fn spawn(command: &Command, log: &Path, lifetime: Lifetime) -> Result<(Child, ProcessId)> {
    let mut command = match lifetime {
        Lifetime::Detached => wrapped(command, "setsid", &[])?,
        Lifetime::Tied => tied(command)?,
    };
    let output = File::options()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let child = match lifetime {
        Lifetime::Detached => spawn_here(&mut command),
        Lifetime::Tied => spawn_on_keeper(command),
    }?;
    // Its entry stays until we wait for it, however soon it ends.
    let id = ProcessId::of(child.id()).context("a child without an entry in /proc")?;
    Ok((child, id))
}

/// The command behind a wrapper that replaces itself by it, so that the pid is the command's own.
fn wrapped(command: &Command, wrapper: &str, arguments: &[&str]) -> Result<Command> {
    let path = command::find(wrapper)
        .with_context(|| format!("`{wrapper}` is missing: install the package util-linux"))?;
    let mut outer = Command::new(path);
    outer.args(arguments).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    Ok(outer)
}

fn spawn_here(command: &mut Command) -> Result<Child> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.spawn().with_context(|| format!("cannot start `{program}`"))
}

type Order = (Command, mpsc::SyncSender<Result<Child>>);

/// SERVER: prctl(2): the death signal comes when the *thread* that forked ends, and a test's thread
/// ends long before its process. So one thread that never ends does all the forking.
fn spawn_on_keeper(command: Command) -> Result<Child> {
    static KEEPER: OnceLock<mpsc::SyncSender<Order>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (orders, received) = mpsc::sync_channel::<Order>(8);
        thread::spawn(move || {
            for (mut command, answer) in received {
                // The one who asked may have gone; its child is tied to us all the same.
                answer.send(spawn_here(&mut command)).unwrap_or(());
            }
        });
        orders
    });
    let (answer, answered) = mpsc::sync_channel(1);
    keeper.send((command, answer)).map_err(|_| anyhow!("the keeper thread has ended"))?;
    answered.recv().context("the keeper thread has ended")?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_are_children_and_theirs_and_only_while_they_run() {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 60 & echo $!; wait"]);

        let (mut child, shell) = spawn(&command, log.path(), Lifetime::Tied).unwrap();
        let sleeper = loop {
            let said = fs::read_to_string(log.path()).unwrap();
            if let Some(pid) = said.strip_suffix('\n') {
                break ProcessId::of(pid.parse().unwrap()).unwrap();
            }
            thread::sleep(POLL_INTERVAL);
        };
        let running = descendants().unwrap();
        sleeper.kill9().unwrap();
        child.wait().unwrap();
        let left = descendants().unwrap();

        assert!(running.contains(&shell) && running.contains(&sleeper), "{running:?}");
        assert!(!left.contains(&shell) && !left.contains(&sleeper), "{left:?}");
    }
}
