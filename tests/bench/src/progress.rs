//! A long step → a bar on a terminal, a line now and then elsewhere; always on stderr.

use std::{
    cell::Cell,
    io::IsTerminal,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a terminal a step says this often how far it is.
const LINE_INTERVAL: Duration = Duration::from_secs(15);
/// A terminal's bar moves this often by itself.
const TICK: Duration = Duration::from_millis(200);

const TEMPLATE: &str = "{spinner} {msg} {wide_bar} {human_pos}/{human_len} {unit} {elapsed}";

/// The step under way; dropping it ends it.
pub(crate) struct Step {
    bar: ProgressBar,
    what: String,
    unit: &'static str,
    started: Instant,
    last_line: Cell<Instant>,
}

impl Step {
    /// `unit` is what `total` counts.
    pub(crate) fn new(what: impl Into<String>, total: u64, unit: &'static str) -> Self {
        let what = what.into();
        let is_terminal = std::io::stderr().is_terminal();
        let target =
            if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template(&TEMPLATE.replace("{unit}", unit));
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what.clone());
        if is_terminal {
            bar.enable_steady_tick(TICK);
        } else {
            eprintln!("{what} …");
        }
        let now = Instant::now();
        Self { bar, what, unit, started: now, last_line: Cell::new(now) }
    }

    /// How far it is by now.
    pub(crate) fn reach(&self, position: u64) {
        self.bar.set_position(position);
        if self.bar.is_hidden() && self.last_line.get().elapsed() >= LINE_INTERVAL {
            self.last_line.set(Instant::now());
            let (what, unit) = (&self.what, self.unit);
            eprintln!("{what}: {position} of {} {unit}", self.bar.length().unwrap_or(0));
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        eprintln!("{}: {:.1} s", self.what, self.started.elapsed().as_secs_f64());
    }
}
