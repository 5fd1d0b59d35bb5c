//! `/metrics`, `/healthz`, `/readyz`, `/api/status` and the status page.
//!
//! Promises: answers while the pipeline is stuck; shows no payload and no secret. Not promised:
//! authentication, which is why it listens on loopback unless told otherwise.

pub mod client;
mod handlers;

use std::{
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use axum::{Router, routing::get};
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::handlers::Readiness;
use crate::status::Status;

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("http.listen = {address} cannot be listened on; choose a free address, or `off`")]
pub struct BindError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Takes the address before anything else has started. `None`: HTTP is off.
pub fn bind(listen: Option<SocketAddr>) -> Result<Option<TcpListener>, BindError> {
    let Some(address) = listen else { return Ok(None) };
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map(Some).map_err(|source| BindError { address, source })
}

/// What the handlers read.
#[derive(Debug, Clone)]
pub struct Shown {
    pub status: Status,
    pub registry: Arc<Registry>,
}

/// The server's task, from the first moment of the runtime to the last.
pub struct Server {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// Inside the runtime. `None`: HTTP is off.
    pub fn start(listener: Option<TcpListener>, shown: Shown) -> Self {
        let stop = CancellationToken::new();
        let task = listener.map(|listener| {
            let stop = stop.clone();
            tokio::spawn(async move {
                // The relay goes on without it; who watches it sees that nobody answers.
                if let Err(error) = serve(listener, shown, stop).await {
                    tracing::error!(%error, "HTTP has ended");
                }
            })
        });
        Self { stop, task }
    }

    /// Answers what was asked before, but does not wait for a peer that reads slowly.
    pub async fn stop(self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        self.stop.cancel();
        if let Some(task) = self.task {
            let abort = task.abort_handle();
            if tokio::time::timeout(PATIENCE, task).await.is_err() {
                abort.abort();
            }
        }
    }
}

async fn serve(
    listener: TcpListener,
    shown: Shown,
    stop: CancellationToken,
) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    axum::serve(listener, router(shown)).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn router(shown: Shown) -> Router {
    Router::new()
        .route("/", get(handlers::page))
        .route("/metrics", get(handlers::metrics))
        .route("/healthz", get(handlers::healthz))
        .route("/readyz", get(handlers::readyz))
        .route("/api/status", get(handlers::status))
        .with_state(shown)
}

#[cfg(test)]
mod tests;
