//! One attempt: fence, read the checkpoint, find the start, then both halves side by side.

use std::{pin::pin, sync::Arc, thread, time::Instant};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    Feed, PipelineError,
    halves::{Ended, Halves},
    outage,
    patience::Patience,
    supervisor::{Attempt, Outcome},
    suspect::Suspect,
};
use crate::{
    checkpoint::Writer,
    config::Config,
    error::Chain,
    metrics::Metrics,
    position::Position,
    publish::{self, Committed, PublishError, Publisher, Tenure},
    source::{Cut, Reading, SourceError},
    status::{State, Status},
};

/// What every attempt begins with.
pub(super) struct Relay<F> {
    feed: F,
    config: Config,
    settings: publish::Settings,
    metrics: Metrics,
    status: Status,
    tenure: Tenure,
    patience: Patience,
    /// Whose binlog was read last.
    server_uuid: Uuid,
    /// A record that could not be published: up to it, one transaction at a time.
    suspect: Option<Suspect>,
}

impl<F: Feed> Relay<F> {
    pub(super) fn new(
        feed: F,
        config: &Config,
        settings: publish::Settings,
        metrics: Metrics,
        status: Status,
    ) -> Self {
        Self {
            feed,
            config: config.clone(),
            settings,
            metrics,
            status,
            tenure: Tenure::new(Writer::here()),
            patience: Patience::default(),
            server_uuid: Uuid::nil(),
            suspect: None,
        }
    }
}

/// What the end of an attempt has to know of its publisher.
struct Publishing {
    committed: watch::Receiver<Committed>,
    start: Position,
}

impl<F: Feed> Attempt for Relay<F> {
    async fn run(&mut self, stop: &CancellationToken) -> Outcome {
        let mut progressed = false;
        loop {
            let outcome = self.run_once(stop).await;
            if let Err(PipelineError::Publish(PublishError::Fenced { .. })) = &outcome.result {
                self.tenure.fenced();
            }
            progressed |= outcome.progressed;
            if stop.is_cancelled() || !self.goes_on_after(&outcome.result) {
                return Outcome { progressed, ..outcome };
            }
        }
    }
}

impl<F: Feed> Relay<F> {
    /// Whether to begin again at once: more carefully before a record that cannot be published, less
    /// so behind it.
    fn goes_on_after(&mut self, result: &Result<(), PipelineError>) -> bool {
        match (result, &self.suspect) {
            (Err(error), None) => {
                self.suspect = Suspect::of(error, self.server_uuid);
                if self.suspect.is_some() {
                    let error = Chain(error).to_string();
                    warn!(%error, "publishing one transaction at a time up to that record");
                }
                self.suspect.is_some()
            }
            // Nobody asked it to stop, so it is behind that record.
            (Ok(()), Some(_)) => {
                info!("the record that failed is published");
                self.suspect = None;
                true
            }
            (Err(_), Some(_)) | (Ok(()), None) => false,
        }
    }

    async fn run_once(&mut self, stop: &CancellationToken) -> Outcome {
        let started = tokio::select! {
            biased;
            // Nothing is in flight yet: whatever the fence or the connect is at can be left.
            () = stop.cancelled() => return Outcome { progressed: false, result: Ok(()) },
            started = self.start() => started,
        };
        let (publishing, halves) = match started {
            Ok(started) => started,
            Err(error) => return Outcome { progressed: false, result: Err(error) },
        };
        self.server_uuid = publishing.start.server_uuid;
        let result = self.publish(halves, publishing.committed.clone(), stop).await;
        let progressed = publishing.committed.borrow().position != publishing.start;
        Outcome { progressed, result }
    }

    async fn start(
        &mut self,
    ) -> Result<(Publishing, Halves<SourceError, PublishError>), PipelineError> {
        self.status.enter(State::Fencing);
        let (publisher, checkpoint) = self.fence().await?;
        self.status.enter(State::Connecting);
        let found = self.feed.find_start(checkpoint).await;
        let start = self.patience.judge(found, Instant::now())?;
        self.spawn(publisher, start)
    }

    /// On a thread of its own: it waits for brokers.
    async fn fence(&mut self) -> Result<(Publisher, Option<Position>), PipelineError> {
        let (settings, metrics) = (self.settings.clone(), self.metrics.clone());
        let settings = if self.suspect.is_some() { settings.singly() } else { settings };
        let mut tenure = self.tenure.clone();
        let fenced = tokio::task::spawn_blocking(move || {
            (Publisher::fence(&settings, metrics, &mut tenure), tenure)
        });
        let (fenced, tenure) =
            fenced.await.map_err(|_panicked| PipelineError::PublisherPanicked)?;
        self.tenure = tenure;
        let (publisher, checkpoint) = fenced?;
        match &checkpoint {
            Some(position) => info!(coordinates = %position.coordinates, "fenced, checkpoint read"),
            None => info!("fenced, there is no checkpoint yet"),
        }
        Ok((publisher, checkpoint))
    }

    fn spawn(
        &self,
        publisher: Publisher,
        start: Position,
    ) -> Result<(Publishing, Halves<SourceError, PublishError>), PipelineError> {
        let limits = &self.config.limits;
        let in_flight = usize::try_from(limits.in_flight_bytes_max.as_u64()).unwrap_or(usize::MAX);
        let in_flight = Arc::new(Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)));
        // A batch of the smallest chunks fits: the bytes in flight are what bounds the memory.
        let (chunks, received) = mpsc::channel(self.config.publish.batch_records_max.get());
        let (stop_source, stop_publisher) = (CancellationToken::new(), CancellationToken::new());
        let (committed, watched) = watch::channel(Committed {
            position: start.clone(),
            records_total: 0,
            commit_timestamp_us: 0,
            committed_at: Timestamp::now(),
        });
        self.status.publishing(watched.clone());
        let publisher = {
            let (start, stop) = (start.clone(), stop_publisher.clone());
            let (ended, receiver) = oneshot::channel();
            thread::Builder::new()
                .name("publish".to_owned())
                .spawn(move || {
                    // Nobody listens any more when the process is about to end.
                    ended.send(publisher.run(start, received, committed, stop)).ok();
                })
                .map_err(PipelineError::Thread)?;
            receiver
        };
        let cut = match self.suspect {
            Some(_) => Cut::AfterEachTransaction,
            None => Cut::AtLimits,
        };
        let follow = Reading::follow(
            start.clone(),
            chunks,
            in_flight,
            self.metrics.clone(),
            stop_source.clone(),
        );
        let source = tokio::spawn(self.feed.read(Reading { cut, ..follow }));
        let halves = Halves { source, publisher, stop_source, stop_publisher };
        Ok((Publishing { committed: watched, start }, halves))
    }

    /// Both halves, with an eye on the clock.
    async fn publish(
        &self,
        halves: Halves<SourceError, PublishError>,
        committed: watch::Receiver<Committed>,
        stop: &CancellationToken,
    ) -> Result<(), PipelineError> {
        let limits = &self.config.limits;
        let stop = stop.child_token();
        let running =
            halves.run(&stop, limits.shutdown_grace, || self.status.enter(State::Draining));
        let mut running = pin!(running);
        self.status.enter(State::Publishing);
        let ended = tokio::select! {
            ended = &mut running => ended,
            away = outage::longer_than(limits.retry_time_max, &self.metrics) => {
                stop.cancel();
                running.await;
                return Err(PipelineError::SourceAway { away });
            }
            () = passed(self.suspect.as_ref(), committed) => {
                stop.cancel();
                running.await
            }
        };
        match ended {
            Ended::Drained => Ok(()),
            Ended::GraceExceeded => {
                Err(PipelineError::GraceExceeded { grace: limits.shutdown_grace })
            }
            Ended::Source(error) => Err(error.into()),
            Ended::SourceFinished if F::ENDS => Ok(()),
            Ended::SourceFinished => Err(PipelineError::SourceFinished),
            Ended::SourcePanicked(message) => Err(PipelineError::SourcePanicked { message }),
            Ended::Publisher(error) => Err(error.into()),
            Ended::PublisherPanicked => Err(PipelineError::PublisherPanicked),
        }
    }
}

/// Until what is committed is behind the suspect; without one, for ever.
async fn passed(suspect: Option<&Suspect>, mut committed: watch::Receiver<Committed>) {
    if let Some(suspect) = suspect
        && committed.wait_for(|committed| suspect.is_passed(&committed.position)).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}
