//! Waiting for a condition, without sleeping for a fixed time.

use std::time::{Duration, Instant};

use anyhow::Result;

/// The first checks come quickly, later ones spare the machine; but none so late that it misses a
/// state that lasts for a second, like a large transaction of which a part is published.
const FIRST_INTERVAL: Duration = Duration::from_millis(10);
const LAST_INTERVAL: Duration = Duration::from_millis(100);

/// What a check answers: `bool`, or `Result<bool>` where an error counts as "not yet".
pub trait Answer {
    /// `Err` holds the reason why it is not so, where there is one.
    fn answer(self) -> Result<bool>;
}

impl Answer for bool {
    fn answer(self) -> Result<bool> {
        Ok(self)
    }
}

impl Answer for Result<bool> {
    fn answer(self) -> Result<bool> {
        self
    }
}

/// Returns once `check` says yes.
///
/// # Panics
/// When it has not after `limit`: with `what`, and the last error if the check ended in one.
#[track_caller]
pub fn eventually<A: Answer>(
    what: &str,
    limit: Duration,
    mut check: impl AsyncFnMut() -> A,
) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        let mut interval = FIRST_INTERVAL;
        loop {
            let last = match check().await.answer() {
                Ok(true) => return,
                Ok(false) => String::new(),
                Err(error) => format!("; last error: {error:#}"),
            };
            let seconds = limit.as_secs_f64();
            assert!(started.elapsed() < limit, "{caller}: not within {seconds} s: {what}{last}");
            tokio::time::sleep(interval).await;
            interval = (interval * 2).min(LAST_INTERVAL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_as_soon_as_the_check_says_yes() {
        let mut calls = 0;

        eventually("three calls", Duration::from_secs(5), async || {
            calls += 1;
            calls == 3
        })
        .await;

        assert_eq!(calls, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "not within 0.05 s: it is ready; last error: refused")]
    async fn deadline_names_what_was_waited_for_and_the_last_error() {
        eventually("it is ready", Duration::from_millis(50), async || {
            Err::<bool, _>(anyhow::anyhow!("refused"))
        })
        .await;
    }
}
