//! How far behind: the lag between the commits that the publisher reports.
//!
//! While commits flow, the publisher measures the lag of each. This fills the two gaps: after the
//! last commit the lag is 0, not what the last record had; and while nothing can be committed it
//! grows, which no commit would report. Both follow from looking at the end of the source's binlog
//! now and then: what was its end when we looked, and is that committed by now?

use std::time::{Duration, Instant};

use crate::position::BinlogCoordinates;

/// The pure part: clock, end of the binlog and committed position are arguments.
#[derive(Debug)]
pub struct LagWatch {
    /// Everything that the source committed before this moment is out.
    caught_up_at: Instant,
    /// An end of the binlog that is not reached yet, and when it was the end.
    ahead: Option<(Instant, BinlogCoordinates)>,
}

/// What is known after a look at the end of the binlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lag {
    /// Everything up to the end is out.
    CaughtUp,
    /// Nothing that is older than this waits.
    AtMost(Duration),
}

impl LagWatch {
    pub fn start(now: Instant) -> Self {
        Self { caught_up_at: now, ahead: None }
    }

    /// `end` was the end of the binlog at `now`; `committed` is committed.
    pub fn look(
        &mut self,
        now: Instant,
        end: &BinlogCoordinates,
        committed: &BinlogCoordinates,
    ) -> Lag {
        if let Some((then, _)) = self.ahead.take_if(|(_, ahead)| reaches(committed, ahead)) {
            self.caught_up_at = then;
        }
        if reaches(committed, end) {
            self.caught_up_at = now;
            self.ahead = None;
            return Lag::CaughtUp;
        }
        self.ahead.get_or_insert_with(|| (now, end.clone()));
        Lag::AtMost(now.saturating_duration_since(self.caught_up_at))
    }
}

/// Coordinates that cannot be compared (another series of files) are not reached.
fn reaches(committed: &BinlogCoordinates, end: &BinlogCoordinates) -> bool {
    committed >= end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> BinlogCoordinates {
        text.parse().unwrap()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn lag_is_zero_once_the_end_is_committed() {
        let start = Instant::now();
        let mut watch = LagWatch::start(start);

        assert_eq!(
            watch.look(start, &at("b.000001:900"), &at("b.000001:4")),
            Lag::AtMost(Duration::ZERO)
        );
        let later = start + 5 * SECOND;
        assert_eq!(watch.look(later, &at("b.000001:900"), &at("b.000001:900")), Lag::CaughtUp);
    }

    #[test]
    fn lag_grows_while_nothing_is_committed() {
        let start = Instant::now();
        let mut watch = LagWatch::start(start);
        watch.look(start, &at("b.000001:100"), &at("b.000001:100"));

        for seconds in 1..20 {
            let end = at(&format!("b.000002:{}", 100 + seconds));
            let lag = watch.look(start + seconds * SECOND, &end, &at("b.000001:100"));
            assert_eq!(lag, Lag::AtMost(seconds * SECOND));
        }
    }

    #[test]
    fn busy_source_that_is_followed_has_the_lag_of_what_is_out_not_of_the_outage() {
        let start = Instant::now();
        let mut watch = LagWatch::start(start);
        watch.look(start, &at("b.000001:200"), &at("b.000001:100"));

        // What was the end 2 s ago is out, though the binlog has grown since.
        let lag = watch.look(start + 2 * SECOND, &at("b.000001:300"), &at("b.000001:250"));

        assert_eq!(lag, Lag::AtMost(2 * SECOND));
        let lag = watch.look(start + 4 * SECOND, &at("b.000001:400"), &at("b.000001:350"));
        assert_eq!(lag, Lag::AtMost(2 * SECOND));
    }

    #[test]
    fn position_in_another_series_of_files_is_not_caught_up() {
        let start = Instant::now();
        let mut watch = LagWatch::start(start);

        let lag = watch.look(start + SECOND, &at("new.000001:4"), &at("old.000009:900"));

        assert_eq!(lag, Lag::AtMost(SECOND));
    }
}
