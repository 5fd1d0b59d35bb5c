//! What the streams have in common: how many there may be, that they end with the service, and the
//! headers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    http::{
        StatusCode,
        header::{CACHE_CONTROL, HeaderName},
    },
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt as _};
use rowpost_outbox::CancellationToken;
use shop::ApiError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Each holds a socket and a few kilobytes; far more than people look at one order service.
const STREAMS_MAX: usize = 256;

/// Proxies and browsers give up a connection on which nothing comes; and a client that has left is
/// noticed by it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When the browser tries again after a cut.
pub(super) const RETRY: Duration = Duration::from_secs(1);

#[derive(Debug, Clone)]
pub(super) struct Streams {
    free: Arc<Semaphore>,
    pub(super) stop: CancellationToken,
}

impl Streams {
    pub(super) fn until(stop: CancellationToken) -> Self {
        Self { free: Arc::new(Semaphore::new(STREAMS_MAX)), stop }
    }

    /// Held as long as the stream.
    pub(super) fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.free).try_acquire_owned().map_err(|_| {
            let error = format!("{STREAMS_MAX} streams are open already; try again later");
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error)
        })
    }

    pub(super) fn answer(&self, events: impl Stream<Item = Event> + Send + 'static) -> Response {
        // Graceful shutdown waits for answers in hand, and this one has no end of its own.
        let events = events.take_until(self.stop.clone().cancelled_owned());
        let events = Sse::new(events.map(Ok::<_, Infallible>))
            .keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
        // nginx would collect the events.
        let headers =
            [(CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
        (headers, events).into_response()
    }
}
