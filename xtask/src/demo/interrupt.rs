//! Ctrl-C → everything that this command started ends, and its data goes.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rowpost_servers::{
    cache::Cache,
    process::{ProcessId, Signal, descendants},
};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    iterator::Signals,
};

use crate::stack::Stack;

/// How long processes may take to end by themselves. Nothing of theirs is kept.
const GRACE: Duration = Duration::from_secs(2);
/// How long the command may take to notice that its children have ended.
const NOTICE_LIMIT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Whether somebody asked for the end.
pub(super) struct Interrupt {
    requested: Arc<AtomicBool>,
    /// The command starts nothing any more.
    is_over: Arc<AtomicBool>,
    /// The command cleans up by itself.
    is_ignored: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on Ctrl-C, SIGTERM and a closed terminal end what this process started, by pid,
    /// remove the stack's data and end this process.
    pub(super) fn watch(cache: &Cache, stack: &str) -> Result<Self> {
        let [requested, is_over, is_ignored] = [(); 3].map(|()| Arc::<AtomicBool>::default());
        let signals = [SIGINT, SIGTERM, SIGHUP];
        for signal in signals {
            flag::register(signal, Arc::clone(&requested)).context("cannot watch for signals")?;
        }
        let mut arriving = Signals::new(signals).context("cannot watch for signals")?;
        let stack = Stack::named(cache, stack)?;
        let interrupt =
            Self { requested, is_over: Arc::clone(&is_over), is_ignored: Arc::clone(&is_ignored) };
        thread::spawn(move || {
            if let Some(signal) = arriving.forever().next()
                && !is_ignored.load(Ordering::SeqCst)
            {
                eprintln!("\nstopping what was started …");
                match end_all(&is_over).and_then(|()| stack.discard()) {
                    Ok(()) => eprintln!("stopped; nothing is left running"),
                    Err(error) => eprintln!("cannot stop everything: {error:#}"),
                }
                process::exit(128 + signal);
            }
        });
        Ok(interrupt)
    }

    /// Does not return once the end was asked for: the watcher ends the process. At a terminal the
    /// children get Ctrl-C too, so their failure may be seen here before the signal is.
    pub(super) fn wait_if_requested(&self, has_failed: bool) {
        if has_failed {
            thread::sleep(Duration::from_millis(100));
        }
        self.is_over.store(true, Ordering::SeqCst);
        while self.requested.load(Ordering::SeqCst) {
            thread::park();
        }
        self.is_ignored.store(true, Ordering::SeqCst);
    }
}

/// SIGTERM to every descendant, then SIGKILL to those that stay; also to those that the command starts
/// before it notices.
fn end_all(is_over: &AtomicBool) -> Result<()> {
    let started = Instant::now();
    let mut asked: Vec<ProcessId> = Vec::new();
    loop {
        let is_over = is_over.load(Ordering::SeqCst);
        let alive = descendants()?;
        if alive.is_empty() && (is_over || started.elapsed() > NOTICE_LIMIT) {
            return Ok(());
        }
        for process in alive {
            if started.elapsed() > GRACE {
                process.kill9()?;
            } else if !asked.contains(&process) {
                process.signal(Signal::TERM)?;
                asked.push(process);
            }
        }
        thread::sleep(POLL_INTERVAL);
    }
}
