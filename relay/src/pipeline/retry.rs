//! After a failure: how long to wait, and when to give up.
//!
//! Pure but for the jitter: the clock is an argument.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// With full jitter the first pause is 50 to 100 ms: a connection that was cut is back before
/// anybody notices, and relays that lost the same broker do not come back in step.
const FIRST: Duration = Duration::from_millis(50);

/// Pauses between attempts, from the first failure to the next progress.
#[derive(Debug)]
pub(super) struct Retry {
    backoff_max: Duration,
    time_max: Option<Duration>,
    pauses: ExponentialBackoff,
    failing_since: Option<Instant>,
}

/// The attempts have failed for so long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GiveUp(pub(super) Duration);

impl Retry {
    pub(super) fn new(backoff_max: Duration, time_max: Option<Duration>) -> Self {
        Self { backoff_max, time_max, pauses: pauses(backoff_max), failing_since: None }
    }

    /// Something was committed: the next failure is a first one again.
    pub(super) fn progress(&mut self) {
        *self = Self::new(self.backoff_max, self.time_max);
    }

    /// An attempt failed at `now`.
    pub(super) fn pause(&mut self, now: Instant) -> Result<Duration, GiveUp> {
        let since = *self.failing_since.get_or_insert(now);
        let failing_for = now.saturating_duration_since(since);
        if self.time_max.is_some_and(|time_max| failing_for >= time_max) {
            return Err(GiveUp(failing_for));
        }
        // Jitter comes on top of backon's bound; ours is kept.
        Ok(self.pauses.next().map_or(self.backoff_max, |pause| pause.min(self.backoff_max)))
    }
}

fn pauses(max: Duration) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(FIRST)
        .with_max_delay(max)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_secs(5);

    #[test]
    fn first_pause_is_at_most_a_tenth_of_a_second() {
        for _ in 0..1_000 {
            let pause = Retry::new(MAX, None).pause(Instant::now()).unwrap();
            assert!((FIRST..=2 * FIRST).contains(&pause), "{pause:?}");
        }
    }

    #[test]
    fn pauses_grow_to_the_bound_and_stay_there_for_ever() {
        let mut retry = Retry::new(MAX, None);

        let pauses: Vec<Duration> =
            (0..2_000).map(|_| retry.pause(Instant::now()).unwrap()).collect();

        assert!(pauses[4] >= Duration::from_millis(800), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= MAX));
        assert!(pauses[8..].iter().all(|pause| *pause == MAX), "{:?}", &pauses[..12]);
    }

    #[test]
    fn progress_makes_the_next_failure_a_first_one() {
        let start = Instant::now();
        let mut retry = Retry::new(MAX, Some(Duration::from_secs(60)));
        for _ in 0..20 {
            retry.pause(start).unwrap();
        }

        retry.progress();

        let pause = retry.pause(start + Duration::from_secs(61)).unwrap();
        assert!(pause <= 2 * FIRST, "{pause:?}");
    }

    #[test]
    fn gives_up_when_nothing_went_for_the_whole_time() {
        let start = Instant::now();
        let mut retry = Retry::new(MAX, Some(Duration::from_secs(60)));
        retry.pause(start).unwrap();

        assert!(retry.pause(start + Duration::from_secs(59)).is_ok());
        let late = start + Duration::from_secs(61);
        assert_eq!(retry.pause(late), Err(GiveUp(Duration::from_secs(61))));
    }
}
