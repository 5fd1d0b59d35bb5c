//! How far a command is that reads binlog: a bar at a terminal, a line now and then elsewhere.

use std::{
    convert::Infallible,
    fmt::{self, Display},
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::time::{MissedTickBehavior, interval};

use crate::{position::BinlogCoordinates, range::Extent};

const REDRAW: Duration = Duration::from_millis(200);

/// Where nobody watches.
const LINE: Duration = Duration::from_secs(5);

/// Shared with the log, whose lines go above the bar.
#[derive(Debug, Clone)]
pub(crate) struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
}

/// Where a command is.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    pub(crate) at: BinlogCoordinates,
    /// Of what it counts.
    pub(crate) counted: u64,
    pub(crate) per_second: f64,
}

/// How far that is.
struct Shown<'a> {
    name: &'a str,
    unit: &'a str,
    percent: u64,
    moment: &'a Moment,
    left: Option<Duration>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let target = match is_terminal {
            true => ProgressDrawTarget::stderr(),
            false => ProgressDrawTarget::hidden(),
        };
        Self { bar: ProgressBar::with_draw_target(None, target), is_terminal }
    }

    /// A writer for log lines.
    pub(crate) fn above(&self) -> Above {
        Above(self.clone())
    }

    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Shows until it is dropped what `moment` says, once it says something; `unit` is what it counts.
    pub(crate) async fn show(
        &self,
        name: &str,
        unit: &str,
        extent: &Extent,
        moment: impl Fn() -> Option<Moment>,
    ) -> Infallible {
        self.bar.set_length(extent.total);
        if let Ok(style) = ProgressStyle::with_template("[{bar:30}] {msg}") {
            self.bar.set_style(style.progress_chars("=> "));
        }
        let mut ticks = interval(if self.is_terminal { REDRAW } else { LINE });
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut began = None;
        loop {
            ticks.tick().await;
            let Some(moment) = moment() else { continue };
            let done = extent.done(&moment.at);
            let (begin, since) = *began.get_or_insert_with(|| (done, Instant::now()));
            let shown = Shown {
                name,
                unit,
                percent: percent(done, extent.total),
                moment: &moment,
                left: left(done - begin, extent.total - done, since.elapsed()),
            };
            self.bar.set_position(done);
            if self.is_terminal {
                self.bar.set_message(shown.to_string());
            } else {
                self.line(&shown.to_string());
            }
        }
    }

    /// Says it on standard error, above the bar.
    pub(crate) fn line(&self, text: &str) {
        // There is nowhere else to say that standard error is closed.
        let _closed = self.bar.suspend(|| writeln!(io::stderr(), "{text}"));
    }
}

impl Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, unit, percent, moment, left } = self;
        let Moment { at, counted, per_second } = moment;
        let counted = HumanCount(*counted);
        write!(f, "{name}: {percent} %, {counted} {unit}, {per_second:.0}/s, at {at}")?;
        match left {
            Some(left) => write!(f, ", {} left", HumanDuration(*left)),
            None => Ok(()),
        }
    }
}

fn percent(done: u64, total: u64) -> u64 {
    done.saturating_mul(100).checked_div(total).unwrap_or(100)
}

/// At the pace so far.
fn left(done: u64, left: u64, elapsed: Duration) -> Option<Duration> {
    let elapsed_ms = u64::try_from(elapsed.as_millis()).ok()?;
    elapsed_ms.saturating_mul(left).checked_div(done).map(Duration::from_millis)
}

/// Writes to standard error, above the bar.
pub(crate) struct Above(Progress);

impl Write for Above {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.bar.suspend(|| io::stderr().write_all(text)).map(|()| text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moment_says_rate_position_and_time_left() {
        let moment = Moment {
            at: "bin-log.000003:700".parse().unwrap(),
            counted: 12_345,
            per_second: 999.6,
        };
        let shown = Shown {
            name: "replay r1",
            unit: "records",
            percent: percent(250, 1000),
            moment: &moment,
            left: left(200, 750, Duration::from_secs(8)),
        };

        assert_eq!(
            shown.to_string(),
            "replay r1: 25 %, 12,345 records, 1000/s, at bin-log.000003:700, 30 seconds left"
        );
    }

    #[test]
    fn nothing_done_yet_says_nothing_of_the_time_left() {
        assert_eq!(left(0, 750, Duration::from_secs(8)), None);
        assert_eq!(percent(0, 0), 100);
    }
}
