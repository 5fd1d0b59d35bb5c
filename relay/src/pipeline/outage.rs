//! How long the source has been away.
//!
//! The source waits an outage out by itself, for as long as it takes. Where `limits.retry_time_max`
//! is set, somebody has to look at the clock.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep};

use crate::metrics::Metrics;

/// Against a limit of seconds at least.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Returns when the source has not been connected for `limit`; never without a limit.
pub(super) async fn longer_than(limit: Option<Duration>, metrics: &Metrics) -> Duration {
    let Some(limit) = limit else { return pending().await };
    let mut connected_at = Instant::now();
    loop {
        if metrics.source_connected.get() == 1 {
            connected_at = Instant::now();
        }
        if connected_at.elapsed() >= limit {
            return connected_at.elapsed();
        }
        sleep(LOOK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);

    fn metrics() -> Metrics {
        Metrics::register(&mut Registry::default())
    }

    #[tokio::test(start_paused = true)]
    async fn outage_of_the_limit_is_noticed() {
        let away = longer_than(Some(LIMIT), &metrics()).await;

        assert!((LIMIT..LIMIT + 2 * LOOK_EVERY).contains(&away), "{away:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn connection_begins_the_time_anew() {
        let metrics = metrics();
        let outage = longer_than(Some(LIMIT), &metrics);
        let source = async {
            sleep(LIMIT / 2).await;
            metrics.source_connected.set(1);
            sleep(DAY).await;
            metrics.source_connected.set(0);
            pending::<()>().await;
        };
        let start = Instant::now();

        tokio::select! {
            _ = outage => {}
            () = source => {}
        }

        let expected = LIMIT / 2 + DAY + LIMIT;
        assert!(start.elapsed() >= expected - LOOK_EVERY, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_nothing_is_too_long() {
        assert!(timeout(DAY, longer_than(None, &metrics())).await.is_err());
    }
}
