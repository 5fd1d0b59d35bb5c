//! A long step → a spinner on a terminal, plain lines elsewhere; always on stderr.

use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// On a terminal the spinner moves this often.
const TICK: Duration = Duration::from_millis(200);
/// Elsewhere a step says this often that it is still at it.
const LINE_INTERVAL: Duration = Duration::from_secs(15);
/// A step shorter than this is not worth a closing line.
const WORTH_A_LINE: Duration = Duration::from_millis(300);

/// The step under way.
#[derive(Debug)]
pub struct Step {
    bar: Option<ProgressBar>,
    what: String,
    /// How far it is, for the next line where there is no terminal.
    reached: Arc<Mutex<String>>,
}

impl Step {
    /// Says which part of the step is under way.
    pub fn now(&self, detail: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: {detail}", self.what)),
            None => eprintln!("  {detail}"),
        }
    }

    /// Says how far the step is; may be called often.
    pub fn at(&self, reached: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: {reached}", self.what)),
            None => {
                let mut last = self.reached.lock().unwrap_or_else(PoisonError::into_inner);
                reached.clone_into(&mut last);
            }
        }
    }
}

/// Runs `work` and shows that it runs: its time, and how much has arrived below `growing`.
pub fn step<T>(
    what: &str,
    growing: Option<&Path>,
    work: impl FnOnce(&Step) -> Result<T>,
) -> Result<T> {
    let started = Instant::now();
    let bar = std::io::stderr().is_terminal().then(spinner);
    let step = Step { bar, what: what.to_owned(), reached: Arc::default() };
    match &step.bar {
        Some(bar) => bar.set_message(what.to_owned()),
        None => eprintln!("{what} …"),
    }
    let (finished, watched) = mpsc::channel::<()>();
    let watcher = {
        let (bar, what) = (step.bar.clone(), what.to_owned());
        let (growing, reached) = (growing.map(Path::to_owned), Arc::clone(&step.reached));
        thread::spawn(move || watch(bar, &what, growing, &reached, started, &watched))
    };
    let outcome = work(&step);
    drop(finished);
    if watcher.join().is_err() {
        eprintln!("the progress display failed; the step goes on");
    }
    if let Some(bar) = &step.bar {
        bar.finish_and_clear();
    }
    let took = started.elapsed();
    match &outcome {
        Ok(_) if took >= WORTH_A_LINE => eprintln!("{what}: done in {:.1} s", took.as_secs_f64()),
        Ok(_) => {}
        Err(_) => eprintln!("{what}: failed after {:.1} s", took.as_secs_f64()),
    }
    outcome
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {prefix:.dim} {elapsed:.dim}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn watch(
    bar: Option<ProgressBar>,
    what: &str,
    growing: Option<PathBuf>,
    reached: &Mutex<String>,
    started: Instant,
    finished: &mpsc::Receiver<()>,
) {
    let interval = if bar.is_some() { TICK } else { LINE_INTERVAL };
    while finished.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        let arrived = growing.as_deref().map(|folder| HumanBytes(bytes_below(folder)).to_string());
        match &bar {
            Some(bar) => {
                bar.set_prefix(arrived.unwrap_or_default());
                bar.tick();
            }
            None => {
                let mut line = format!("{what}: {} s", started.elapsed().as_secs());
                let reached = reached.lock().unwrap_or_else(PoisonError::into_inner).clone();
                for part in [Some(reached), arrived].into_iter().flatten() {
                    if !part.is_empty() {
                        line.push_str(&format!(", {part}"));
                    }
                }
                eprintln!("{line}");
            }
        }
    }
}

/// Bytes of the files below a folder that may change meanwhile: what cannot be read counts nothing.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
