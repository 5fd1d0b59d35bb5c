//! Fenced once or fenced again and again.
//!
//! A transaction that was open for too long (a stopped machine) is reported exactly like another
//! relay's take-over. The first time the relay comes back; when it is fenced again soon after, another
//! relay runs, and coming back would only fence that one, for ever.
//!
//! Pure: the clock is an argument.

use std::time::{Duration, Instant};

use super::PublishError;

/// Two fences within this time are the work of another relay.
const SOON: Duration = Duration::from_secs(60);

/// Kept by whoever starts publishers again after errors.
#[derive(Debug, Default)]
pub struct FenceHistory {
    last: Option<Instant>,
}

impl FenceHistory {
    /// Passes `error` through, but turns a second [`PublishError::Fenced`] within a minute into
    /// [`PublishError::AnotherRelay`], which halts.
    pub fn judge(&mut self, error: PublishError, now: Instant) -> PublishError {
        let PublishError::Fenced { source_name } = error else { return error };
        let again = self.last.is_some_and(|last| now.saturating_duration_since(last) < SOON);
        self.last = Some(now);
        if again {
            PublishError::AnotherRelay { source_name }
        } else {
            PublishError::Fenced { source_name }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fenced() -> PublishError {
        PublishError::Fenced { source_name: "shop".to_owned() }
    }

    #[test]
    fn second_fence_within_a_minute_means_another_relay() {
        let mut history = FenceHistory::default();
        let start = Instant::now();

        let first = history.judge(fenced(), start);
        let second = history.judge(fenced(), start + Duration::from_secs(59));

        assert!(matches!(first, PublishError::Fenced { .. }));
        assert!(matches!(second, PublishError::AnotherRelay { .. }));
    }

    #[test]
    fn fences_far_apart_are_forgiven() {
        let mut history = FenceHistory::default();
        let start = Instant::now();

        for minutes in 0..5 {
            let error = history.judge(fenced(), start + SOON * minutes);
            assert!(matches!(error, PublishError::Fenced { .. }), "{minutes}");
        }
    }

    #[test]
    fn other_errors_pass_and_do_not_count() {
        let mut history = FenceHistory::default();

        let error = history.judge(PublishError::Stopped, Instant::now());

        assert!(matches!(error, PublishError::Stopped));
        assert!(matches!(history.judge(fenced(), Instant::now()), PublishError::Fenced { .. }));
    }
}
