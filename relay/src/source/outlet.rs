//! Where chunks leave the source, under the limit on memory in flight.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::{Chunk, assembler::cost};
use crate::{metrics::Metrics, position::Position};

pub(super) struct Outlet {
    chunks: mpsc::Sender<Chunk>,
    in_flight: Arc<Semaphore>,
    /// All permits of `in_flight`.
    capacity: usize,
    metrics: Metrics,
    /// Behind the last chunk that left.
    position: Position,
    /// Chunks that left.
    sent: u64,
}

/// Nobody takes chunks any more.
pub(super) struct Closed;

impl Outlet {
    /// `in_flight` is not in use yet.
    pub(super) fn new(
        chunks: mpsc::Sender<Chunk>,
        in_flight: Arc<Semaphore>,
        metrics: Metrics,
        start: Position,
    ) -> Self {
        let capacity = in_flight.available_permits();
        Self { chunks, in_flight, capacity, metrics, position: start, sent: 0 }
    }

    /// Where reading goes on after a connection was lost.
    pub(super) fn position(&self) -> &Position {
        &self.position
    }

    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Hands a chunk on, once it fits under the limit. One that is larger than the limit takes all of
    /// it, so that it leaves alone.
    pub(super) async fn send(&mut self, mut chunk: Chunk) -> Result<(), Closed> {
        let cost: usize = chunk.records.iter().map(cost).sum();
        let permits = u32::try_from(cost.min(self.capacity)).unwrap_or(u32::MAX);
        if permits > 0 {
            let permit = Arc::clone(&self.in_flight).acquire_many_owned(permits).await;
            chunk.permit = Some(permit.map_err(|_| Closed)?);
        }
        // ORDER: before it is sent, which needs no copy of the advance. Nothing comes in between: this
        // future is dropped only when the source ends.
        self.position.apply(&chunk.advance);
        self.chunks.send(chunk).await.map_err(|_| Closed)?;
        self.sent += 1;
        self.show_in_flight();
        Ok(())
    }

    pub(super) fn show_in_flight(&self) {
        let in_flight = self.capacity.saturating_sub(self.in_flight.available_permits());
        self.metrics.in_flight_bytes.set(i64::try_from(in_flight).unwrap_or(i64::MAX));
    }
}
