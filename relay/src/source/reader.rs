//! The source's loop: connect, read, send chunks; after a failure, again from the last boundary.
//!
//! Promises:
//! - what was sent is not sent again, and nothing is left out, however often the connection is lost;
//! - an outage is waited out; what repeats at the same position halts.
//!
//! Before this: `start`, which says where to begin. After this: `publish`.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{
    Bounds, Chunk, PresentColumns, SourceError,
    hosts::{Hosts, choose},
    mysql::Replica,
    outlet::Outlet,
    retries::{Progress, Retries},
    session::{self, Cut, Origin, Session},
};
use crate::{
    config::Config,
    error::Chain,
    metrics::{Metrics, StageLabel},
    position::Position,
};

/// What is read, and where it goes.
pub struct Reading {
    pub origin: Origin,
    /// What lies behind it is read,
    pub start: Position,
    /// up to here, or for ever.
    pub bounds: Bounds,
    pub cut: Cut,
    pub present_columns: PresentColumns,
    pub chunks: mpsc::Sender<Chunk>,
    /// Bounds the memory of chunks that were sent and not yet dropped.
    pub in_flight: Arc<Semaphore>,
    pub metrics: Metrics,
    pub stop: CancellationToken,
}

impl Reading {
    /// Everything that the server has behind `start`, and will have.
    pub fn follow(
        start: Position,
        chunks: mpsc::Sender<Chunk>,
        in_flight: Arc<Semaphore>,
        metrics: Metrics,
        stop: CancellationToken,
    ) -> Self {
        Self {
            origin: Origin::Server,
            start,
            bounds: Bounds::default(),
            cut: Cut::AtLimits,
            present_columns: PresentColumns::Trusted,
            chunks,
            in_flight,
            metrics,
            stop,
        }
    }
}

/// Reads the binlog and sends its outbox rows as chunks, until the end of the bounds, until `stop`, or
/// until nobody takes them.
///
/// An error is final: what can pass is tried again in here.
pub async fn run(config: Config, reading: Reading) -> Result<(), SourceError> {
    let hosts = Hosts::new(&config.mysql);
    run_over(config, hosts, reading).await
}

/// The same, beginning with the host that is the current one.
pub async fn run_over(config: Config, hosts: Hosts, reading: Reading) -> Result<(), SourceError> {
    let Reading { origin, start, bounds, cut, present_columns, chunks, in_flight, metrics, stop } =
        reading;
    let session = Session {
        origin,
        connect: hosts.current().clone(),
        replica: Replica { server_id: config.server_id(), uuid: Uuid::new_v4() },
        heartbeat: config.mysql.heartbeat_interval,
        entries: config.outbox.clone().into(),
        chunk_cost_max: usize::try_from(config.limits.chunk_bytes_max.as_u64())
            .unwrap_or(usize::MAX),
        bounds,
        cut,
        present_columns,
        checkpoint_interval: config.checkpoint.interval,
        metrics: metrics.clone(),
    };
    let outlet = Outlet::new(chunks, in_flight, metrics.clone(), start);
    let retries = Retries::new(config.limits.retry_backoff_max);
    let reading = read(session, hosts, outlet, retries, metrics.clone());
    let ended = tokio::select! {
        biased;
        () = stop.cancelled() => Ok(()),
        ended = reading => ended,
    };
    metrics.source_connected.set(0);
    ended
}

async fn read(
    mut session: Session,
    hosts: Hosts,
    mut outlet: Outlet,
    mut retries: Retries,
    metrics: Metrics,
) -> Result<(), SourceError> {
    // Whoever found the start has asked the current host.
    let mut was_asked = true;
    loop {
        let mut progress = Progress::default();
        let sent = outlet.sent();
        let is_server = matches!(session.origin, Origin::Server);
        // A panic in here is a fault of ours on some input. It may not come again, and if it does it
        // halts with its message, as every other fault.
        let reading = AssertUnwindSafe(async {
            if is_server && !was_asked {
                choose(&mut session, &hosts, outlet.position()).await?;
            }
            if is_server {
                metrics.reads_from(&session.connect.address());
            }
            session.run(&mut outlet, &mut progress).await
        });
        let error = match reading.catch_unwind().await {
            Ok(Ok(session::Ended::NobodyListens | session::Ended::Complete)) => return Ok(()),
            Ok(Err(error)) => error,
            Err(panic) => SourceError::Panicked { message: panic_message(panic.as_ref()) },
        };
        metrics.source_connected.set(0);
        if outlet.sent() > sent {
            progress = Progress { has_lived: true, has_moved: true };
        }
        was_asked = false;
        // An outage is seen when the host is asked again; whatever else it is may be better elsewhere.
        if error.attempts_max().is_some() && !progress.has_moved {
            hosts.pass_over_current();
        }
        let retry = retries.after(error, progress)?;
        metrics.retries.get_or_create(&StageLabel { stage: "source" }).inc();
        let error = Chain(&retry.error).to_string();
        metrics.source_view.failed(error.clone());
        let pause_ms = retry.pause.as_millis();
        if retry.is_news() {
            warn!(%error, failures = retry.failures, pause_ms, "binlog stream lost, trying again");
        } else {
            debug!(%error, failures = retry.failures, pause_ms, "binlog stream still lost");
        }
        tokio::time::sleep(retry.pause).await;
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
