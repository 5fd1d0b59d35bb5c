//! After a failure: try again, when, or give up.
//!
//! Pure: the loop around it waits and connects.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::SourceError;
use crate::error::Disposition;

/// The first attempt comes within 100 ms: with jitter, twice this at most.
const DELAY_MIN: Duration = Duration::from_millis(40);

pub(super) struct Retries {
    delay_max: Duration,
    delays: ExponentialBackoff,
    /// Since a connection lived.
    failures: u32,
    /// Of those that may stay for good, since the position moved.
    suspicious: u32,
}

/// How far a connection came before it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// A heartbeat came, or something that was not read before.
    pub(super) has_lived: bool,
    /// The position moved: what failed now is not what failed before.
    pub(super) has_moved: bool,
}

/// Try again, after a pause.
#[derive(Debug)]
pub(super) struct Retry {
    pub(super) pause: Duration,
    /// Failures in a row, this one included.
    pub(super) failures: u32,
    pub(super) error: SourceError,
}

impl Retries {
    pub(super) fn new(delay_max: Duration) -> Self {
        Self { delay_max, delays: delays(delay_max), failures: 0, suspicious: 0 }
    }

    /// What follows on `error`; the error itself, if trying again is of no use.
    pub(super) fn after(
        &mut self,
        error: SourceError,
        progress: Progress,
    ) -> Result<Retry, SourceError> {
        if progress.has_lived {
            self.delays = delays(self.delay_max);
            self.failures = 0;
        }
        if progress.has_moved {
            self.suspicious = 0;
        }
        if error.disposition() == Disposition::Halt {
            return Err(error);
        }
        // Whoever begins anew decides what becomes of a position that the server does not have.
        if let SourceError::Start(_) = error {
            return Err(error);
        }
        if let SourceError::NoHost(none) = &error
            && none.lost().is_some()
        {
            return Err(error);
        }
        if let Some(attempts_max) = error.attempts_max() {
            self.suspicious += 1;
            if self.suspicious > attempts_max {
                return Err(SourceError::Repeated {
                    times: self.suspicious,
                    error: Box::new(error),
                });
            }
        }
        self.failures = self.failures.saturating_add(1);
        let pause = self.delays.next().unwrap_or(self.delay_max).min(self.delay_max);
        Ok(Retry { pause, failures: self.failures, error })
    }
}

impl Retry {
    /// Whether a person should read of it. A server may stay away for hours: the first failure, the
    /// second, the fourth, the eighth…
    pub(super) fn is_news(&self) -> bool {
        self.failures.is_power_of_two()
    }
}

fn delays(delay_max: Duration) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(DELAY_MIN.min(delay_max))
        .with_max_delay(delay_max)
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Place, TransactionFault, event::EventType, mysql::ConnectionError};

    const DELAY_MAX: Duration = Duration::from_secs(5);
    const NONE: Progress = Progress { has_lived: false, has_moved: false };
    const LIVED: Progress = Progress { has_lived: true, has_moved: false };
    const MOVED: Progress = Progress { has_lived: true, has_moved: true };

    fn lost() -> SourceError {
        ConnectionError::Ended.into()
    }

    fn cut_short() -> SourceError {
        SourceError::Transaction {
            place: Box::new(Place { coordinates: "bin-log.000001:4".parse().unwrap(), gtid: None }),
            fault: TransactionFault::CutShort { found: EventType::GTID },
        }
    }

    #[test]
    fn first_attempt_comes_within_100_ms_and_later_ones_are_bounded() {
        for _ in 0..100 {
            let mut retries = Retries::new(DELAY_MAX);

            let first = retries.after(lost(), NONE).unwrap();
            assert!(first.pause <= Duration::from_millis(100), "{first:?}");

            for _ in 0..1000 {
                let later = retries.after(lost(), NONE).unwrap();
                assert!(later.pause <= DELAY_MAX, "{later:?}");
            }
            let last = retries.after(lost(), NONE).unwrap();
            assert!(last.pause >= DELAY_MAX / 2, "{last:?}");
        }
    }

    #[test]
    fn connection_that_lived_starts_the_back_off_anew() {
        let mut retries = Retries::new(DELAY_MAX);
        for _ in 0..20 {
            retries.after(lost(), NONE).unwrap();
        }

        let retry = retries.after(lost(), LIVED).unwrap();

        assert!(retry.pause <= Duration::from_millis(100));
        assert_eq!(retry.failures, 1);
    }

    #[test]
    fn outage_is_waited_out_however_long_it_lasts() {
        let mut retries = Retries::new(DELAY_MAX);

        let warned =
            (0..100_000).filter(|_| retries.after(lost(), NONE).unwrap().is_news()).count();

        assert!(warned < 20, "{warned} warnings");
    }

    #[test]
    fn transaction_that_is_cut_short_again_halts() {
        let mut retries = Retries::new(DELAY_MAX);

        assert!(retries.after(cut_short(), MOVED).is_ok());
        retries.after(lost(), LIVED).unwrap();
        let error = retries.after(cut_short(), LIVED).unwrap_err();

        assert!(matches!(error, SourceError::Repeated { times: 2, .. }), "{error}");
        assert_eq!(error.disposition(), Disposition::Halt);
    }

    #[test]
    fn position_that_moved_in_between_makes_it_a_first_time_again() {
        let mut retries = Retries::new(DELAY_MAX);

        for _ in 0..10 {
            assert!(retries.after(cut_short(), MOVED).is_ok());
        }
    }

    #[test]
    fn what_cannot_pass_halts_at_once() {
        let mut retries = Retries::new(DELAY_MAX);

        let error = retries.after(ConnectionError::TlsNotOffered.into(), MOVED).unwrap_err();

        assert!(matches!(error, SourceError::Connection(ConnectionError::TlsNotOffered)));
    }
}
