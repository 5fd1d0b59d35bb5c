//! Source and publisher, started, watched, and started again from the checkpoint.
//!
//! ```text
//! fence ──▶ checkpoint ──▶ start ──▶ ┌ source task ──chunks──▶ publisher thread ┐
//!   ▲                                └──────── first that ends stops both ──────┘
//!   └──────────── pause ◀── may pass ◀──┴──▶ for good: exit code
//! ```
//!
//! Promises:
//! - after any failure both sides begin again from what is committed, so that nothing is lost or
//!   repeated;
//! - everything before a record that cannot be published is out before it ends the relay;
//! - what may pass is tried again, with growing pauses, for ever or until `limits.retry_time_max`;
//! - what cannot pass ends the relay with its whole chain of causes.

mod attempt;
mod error;
mod halves;
mod lag;
mod outage;
mod retry;
mod supervisor;
mod suspect;

use tokio_util::sync::CancellationToken;

pub use self::error::PipelineError;
use self::{attempt::Relay, lag::Looker, retry::Retry, supervisor::supervise};
use crate::{
    config::Config,
    metrics::Metrics,
    publish,
    status::{State, Status},
};

/// Ready to run; nothing is connected yet.
pub struct Pipeline {
    relay: Relay,
    retry: Retry,
    looker: Looker,
    status: Status,
}

impl Pipeline {
    pub fn new(
        config: &Config,
        settings: publish::Settings,
        metrics: Metrics,
        status: Status,
    ) -> Self {
        let limits = &config.limits;
        Self {
            looker: Looker::new(config, metrics.clone(), status.clone()),
            relay: Relay::new(config, settings, metrics, status.clone()),
            retry: Retry::new(limits.retry_backoff_max, limits.retry_time_max),
            status,
        }
    }

    /// Publishes until `stop`, or until something fails for good.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), PipelineError> {
        let ended = tokio::select! {
            ended = supervise(&mut self.relay, self.retry, &self.status, &stop) => ended,
            never = self.looker.run() => match never {},
        };
        self.status.enter(State::Stopped);
        ended
    }
}
