//! The channel of chunks → batches that are due.
//!
//! Promises:
//! - takes what is there without waiting, then waits only as long as the pacing says;
//! - nothing that was received is lost: a chunk that does not fit begins the next batch.
//!
//! Before this: the source's channel, whose limit is the back-pressure. After this: `engine`,
//! `at_least_once`.

use std::{io, mem, time::Instant};

use tokio::{
    runtime::Runtime,
    sync::mpsc::{self, error::TryRecvError},
    time,
};
use tokio_util::sync::CancellationToken;

use super::{
    batch::{Batch, BatchLimits},
    pacing::Pacing,
};
use crate::source::Chunk;

pub(super) struct Intake {
    gathering: Gathering,
    stop: CancellationToken,
    /// The publishing thread sleeps in here; librdkafka's calls block it outside.
    runtime: Runtime,
}

struct Gathering {
    chunks: mpsc::Receiver<Chunk>,
    /// Survives a wait that ended for another reason.
    batch: Batch,
    /// Received, but too large for the batch: begins the next one.
    carried: Option<Chunk>,
    limits: BatchLimits,
    pacing: Pacing,
}

/// Why a wait ended.
#[derive(Debug)]
pub(super) enum Arrival {
    Batch(Batch),
    /// The channel is closed and everything from it is out.
    Closed,
    /// What the caller watches for has happened; what was gathered so far stays.
    Interrupted,
    Stopped,
}

impl Intake {
    pub(super) fn new(
        chunks: mpsc::Receiver<Chunk>,
        limits: BatchLimits,
        pacing: Pacing,
        stop: CancellationToken,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let gathering =
            Gathering { chunks, batch: Batch::default(), carried: None, limits, pacing };
        Ok(Self { gathering, stop, runtime })
    }

    /// The next batch, without chunks when the time has come to store the checkpoint anyway. `last` is
    /// when the one before left here.
    pub(super) fn next(&mut self, last: Instant, interrupt: impl Future<Output = ()>) -> Arrival {
        let Self { gathering, stop, runtime } = self;
        runtime.block_on(async {
            tokio::select! {
                biased;
                () = stop.cancelled() => Arrival::Stopped,
                () = interrupt => Arrival::Interrupted,
                arrival = gathering.next(last) => arrival,
            }
        })
    }

    /// Waits for something else than chunks; `None` when stopped meanwhile.
    pub(super) fn wait<T>(&self, event: impl Future<Output = T>) -> Option<T> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => None,
                event = event => Some(event),
            }
        })
    }
}

impl Gathering {
    /// May be dropped at any await: what was received stays in `self`.
    async fn next(&mut self, last: Instant) -> Arrival {
        loop {
            let open = self.drain();
            if self.carried.is_some() || self.batch.is_full(self.limits) {
                return self.leave();
            }
            if !open {
                return if self.batch.is_empty() { Arrival::Closed } else { self.leave() };
            }
            let due_at = self.pacing.due(&self.batch, last);
            if due_at.is_some_and(|at| at <= Instant::now()) {
                return self.leave();
            }
            tokio::select! {
                biased;
                chunk = self.chunks.recv() => {
                    if let Some(chunk) = chunk {
                        self.admit(chunk);
                    }
                }
                () = sleep_until(due_at) => return self.leave(),
            }
        }
    }

    /// Takes what is there; `false` once the channel is closed and empty.
    fn drain(&mut self) -> bool {
        if let Some(chunk) = self.carried.take() {
            self.admit(chunk);
        }
        while self.carried.is_none() && !self.batch.is_full(self.limits) {
            match self.chunks.try_recv() {
                Ok(chunk) => self.admit(chunk),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
        true
    }

    fn admit(&mut self, chunk: Chunk) {
        if self.batch.admits(&chunk, self.limits) {
            self.batch.push(chunk);
        } else {
            self.carried = Some(chunk);
        }
    }

    fn leave(&mut self) -> Arrival {
        Arrival::Batch(mem::take(&mut self.batch))
    }
}

/// `None`: for ever.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::{future::pending, time::Duration};

    use super::{super::batch::tests::chunk, *};

    const LIMITS: BatchLimits = BatchLimits { records_max: 10, bytes_max: 1_000 };

    fn intake(pacing: Pacing) -> (mpsc::Sender<Chunk>, CancellationToken, Intake) {
        let (chunks, received) = mpsc::channel(100);
        let stop = CancellationToken::new();
        (chunks, stop.clone(), Intake::new(received, LIMITS, pacing, stop).unwrap())
    }

    fn paced(spacing: Duration) -> Pacing {
        Pacing { commit_spacing: spacing, checkpoint_interval: spacing }
    }

    fn records(arrival: &Arrival) -> usize {
        let Arrival::Batch(batch) = arrival else { panic!("expected a batch, got {arrival:?}") };
        batch.records()
    }

    #[test]
    fn takes_what_is_there_and_leaves_at_once() {
        let (chunks, _stop, mut intake) = intake(paced(Duration::ZERO));
        for end in 0..3 {
            chunks.try_send(chunk(2, 10, end)).unwrap();
        }

        let arrival = intake.next(Instant::now(), pending());

        assert_eq!(records(&arrival), 6);
    }

    #[test]
    fn chunk_that_does_not_fit_begins_the_next_batch() {
        let (chunks, _stop, mut intake) = intake(paced(Duration::ZERO));
        for (size, end) in [(6, 1), (7, 2), (3, 3)] {
            chunks.try_send(chunk(size, 10, end)).unwrap();
        }

        assert_eq!(records(&intake.next(Instant::now(), pending())), 6);
        assert_eq!(records(&intake.next(Instant::now(), pending())), 10);
    }

    #[test]
    fn closed_channel_is_drained_to_the_last_chunk_before_it_counts_as_closed() {
        let (chunks, _stop, mut intake) = intake(paced(Duration::from_secs(3600)));
        for (size, end) in [(6, 1), (7, 2), (0, 3)] {
            chunks.try_send(chunk(size, 10, end)).unwrap();
        }
        drop(chunks);
        let last = Instant::now();

        assert_eq!(records(&intake.next(last, pending())), 6);
        assert_eq!(records(&intake.next(last, pending())), 7);
        assert!(matches!(intake.next(last, pending()), Arrival::Closed));
    }

    #[test]
    fn full_batch_does_not_wait_for_the_spacing() {
        let (chunks, _stop, mut intake) = intake(paced(Duration::from_secs(3600)));
        chunks.try_send(chunk(10, 10, 1)).unwrap();

        assert_eq!(records(&intake.next(Instant::now(), pending())), 10);
    }

    #[test]
    fn batch_that_waits_for_its_time_survives_an_interruption() {
        let (chunks, _stop, mut intake) = intake(paced(Duration::from_secs(3600)));
        chunks.try_send(chunk(1, 10, 1)).unwrap();
        let last = Instant::now();
        for _ in 0..2 {
            let soon = sleep_until(Some(Instant::now() + Duration::from_millis(5)));
            assert!(matches!(intake.next(last, soon), Arrival::Interrupted));
        }

        drop(chunks);

        assert_eq!(records(&intake.next(last, pending())), 1);
    }

    #[test]
    fn stop_ends_every_wait() {
        let (_chunks, stop, mut intake) = intake(paced(Duration::ZERO));

        stop.cancel();

        assert!(matches!(intake.next(Instant::now(), pending()), Arrival::Stopped));
        assert!(intake.wait(pending::<()>()).is_none());
    }
}
