//! What goes to the terminal while a position is set: the wait, the question.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    time::{Duration, Instant},
};

use super::{INTERVAL_SLACK, PositionError};
use crate::checkpoint::{Checkpoint, Store};

/// Between two looks at the checkpoint.
const LOOK: Duration = Duration::from_millis(500);

/// Returns when no relay has stored a checkpoint for longer than a running one would take.
pub(super) fn ensure_no_relay(
    store: &Store,
    known: Option<&Checkpoint>,
    interval: Duration,
    mut progress: impl Write,
) -> Result<(), PositionError> {
    let started = Instant::now();
    let limit = interval.saturating_add(INTERVAL_SLACK);
    let sequence = known.map_or(0, |known| known.sequence);
    let is_terminal = io::stderr().is_terminal();
    let _closed = writeln!(
        progress,
        "looking for {} s whether a relay runs: it stores a checkpoint every {} s",
        limit.as_secs(),
        interval.as_secs_f32(),
    );
    while started.elapsed() < limit {
        std::thread::sleep(LOOK);
        if is_terminal {
            let left = limit.saturating_sub(started.elapsed()).as_secs();
            let _closed = write!(progress, "\r{left:>4} s left ").and_then(|()| progress.flush());
        }
        if let Some(newest) = store.newest()?
            && newest.sequence > sequence
        {
            return Err(PositionError::RelayRuns { writer: Box::new(newest.writer) });
        }
    }
    if is_terminal {
        let _closed = writeln!(progress, "\rno relay runs");
    }
    Ok(())
}

/// Whether a person at a terminal means it.
pub(super) fn ask() -> bool {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    let mut terminal = io::stderr();
    let _closed = write!(terminal, "Set the position? [yes/NO] ").and_then(|()| terminal.flush());
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("yes")
}
