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
mod branches;
mod error;
mod feed;
mod halves;
mod lag;
mod outage;
mod patience;
mod retry;
mod supervisor;
mod suspect;

use std::future::pending;

use tokio_util::sync::CancellationToken;

use self::{attempt::Relay, lag::Looker, retry::Retry, supervisor::supervise};
pub use self::{
    error::PipelineError,
    feed::{Feed, Tail},
};
use crate::{
    config::Config,
    metrics::Metrics,
    publish,
    status::{State, Status},
};

/// Ready to run; nothing is connected yet.
pub struct Pipeline<F = Tail> {
    relay: Relay<F>,
    retry: Retry,
    /// Of a feed that never ends: how far behind it is.
    looker: Option<Looker>,
    status: Status,
}

impl Pipeline {
    /// Of the daemon.
    pub fn new(
        config: &Config,
        settings: publish::Settings,
        metrics: Metrics,
        status: Status,
    ) -> Self {
        let looker = Looker::new(config, metrics.clone(), status.clone());
        let pipeline = Self::of(Tail::new(config), config, settings, metrics, status);
        Self { looker: Some(looker), ..pipeline }
    }
}

impl<F: Feed> Pipeline<F> {
    pub fn of(
        feed: F,
        config: &Config,
        settings: publish::Settings,
        metrics: Metrics,
        status: Status,
    ) -> Self {
        let limits = &config.limits;
        Self {
            relay: Relay::new(feed, config, settings, metrics, status.clone()),
            retry: Retry::new(limits.retry_backoff_max, limits.retry_time_max),
            looker: None,
            status,
        }
    }

    /// Publishes until `stop`, until the feed ends, or until something fails for good.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), PipelineError> {
        let looking = async {
            match &self.looker {
                Some(looker) => looker.run().await,
                None => pending().await,
            }
        };
        let ended = tokio::select! {
            ended = supervise(&mut self.relay, self.retry, &self.status, &stop) => ended,
            never = looking => match never {},
        };
        self.status.enter(State::Stopped);
        ended
    }
}
