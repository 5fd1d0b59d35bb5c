//! Source and publisher side by side: the first that ends stops the other.
//!
//! Whatever the reason, it is the same order: reading stops, what was read is committed if the
//! publisher still can, and nobody waits for longer than the grace period. Nothing here knows what
//! the halves do.

use std::{any::Any, time::Duration};

use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;

/// How long a half that was told to leave at once may take to do so.
const LEAVE: Duration = Duration::from_secs(1);

/// A task that reads, and a thread that publishes, connected by a channel that closes when the task
/// ends.
pub(super) struct Halves<S, P> {
    pub(super) source: JoinHandle<Result<(), S>>,
    /// Sent when the publisher's thread ends; dropped without a word if it panics.
    pub(super) publisher: oneshot::Receiver<Result<(), P>>,
    pub(super) stop_source: CancellationToken,
    pub(super) stop_publisher: CancellationToken,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended<S, P> {
    /// As asked, everything that was read is committed.
    Drained,
    /// As asked, but the grace period was too short.
    GraceExceeded,
    Source(S),
    /// The source stopped though nobody asked and nothing failed.
    SourceFinished,
    SourcePanicked(String),
    Publisher(P),
    PublisherPanicked,
}

enum First<S, P> {
    Asked,
    Source(Result<Result<(), S>, JoinError>),
    Publisher(Result<Result<(), P>, oneshot::error::RecvError>),
}

impl<S, P> Halves<S, P> {
    /// Runs until `stop`, or until one of the halves ends. `draining` is called when reading has
    /// been told to stop and the publisher may still commit.
    pub(super) async fn run(
        mut self,
        stop: &CancellationToken,
        grace: Duration,
        draining: impl FnOnce(),
    ) -> Ended<S, P> {
        let first = tokio::select! {
            biased;
            ended = &mut self.publisher => First::Publisher(ended),
            ended = &mut self.source => First::Source(ended),
            () = stop.cancelled() => First::Asked,
        };
        self.stop_source.cancel();
        let deadline = Instant::now() + grace;
        match first {
            First::Asked => {
                draining();
                let source = self.await_source(deadline).await;
                match (self.await_publisher(deadline).await, source) {
                    (Some(Err(failed)), _) => failed,
                    // What the source says after it was told to stop is of no interest any more.
                    (Some(Ok(())), Some(_)) => Ended::Drained,
                    (Some(Ok(())), None) | (None, _) => Ended::GraceExceeded,
                }
            }
            // All of it was read, which took as long as it took; so may its commit.
            First::Source(Ok(Ok(()))) => tokio::select! {
                biased;
                ended = &mut self.publisher => {
                    publisher_ended(ended).map_or_else(|failed| failed, |()| Ended::SourceFinished)
                }
                () = stop.cancelled() => {
                    draining();
                    match self.await_publisher(Instant::now() + grace).await {
                        Some(Err(failed)) => failed,
                        Some(Ok(())) => Ended::SourceFinished,
                        None => Ended::GraceExceeded,
                    }
                }
            },
            First::Source(ended) => {
                let reason = source_ended(ended);
                // ORDER: what was read before the source failed is committed before it is read
                // again; only the publisher's own failure is worth more than the first one.
                match self.await_publisher(deadline).await {
                    Some(Err(failed)) => failed,
                    Some(Ok(())) | None => reason,
                }
            }
            First::Publisher(ended) => match publisher_ended(ended) {
                Err(failed) => {
                    self.await_source(Instant::now() + LEAVE).await;
                    failed
                }
                // It finishes only when the channel is closed: the source has ended already.
                Ok(()) => self.await_source(deadline).await.unwrap_or(Ended::SourceFinished),
            },
        }
    }

    /// How the source ended; `None` if it had to be thrown away.
    async fn await_source(&mut self, deadline: Instant) -> Option<Ended<S, P>> {
        match timeout_at(deadline, &mut self.source).await {
            Ok(ended) => Some(source_ended(ended)),
            Err(_) => {
                // Its end of the channel goes with it, so that the publisher can finish.
                self.source.abort();
                None
            }
        }
    }

    /// `None` if it had to be told to leave at once.
    async fn await_publisher(&mut self, deadline: Instant) -> Option<Result<(), Ended<S, P>>> {
        if let Ok(ended) = timeout_at(deadline, &mut self.publisher).await {
            return Some(publisher_ended(ended));
        }
        self.stop_publisher.cancel();
        // Its answer is that it was stopped, which is known. A thread inside of librdkafka that
        // does not come back is left behind; the fence of the next attempt deals with it.
        let _stopped = timeout_at(Instant::now() + LEAVE, &mut self.publisher).await;
        None
    }
}

fn source_ended<S, P>(ended: Result<Result<(), S>, JoinError>) -> Ended<S, P> {
    match ended {
        Ok(Ok(())) => Ended::SourceFinished,
        Ok(Err(error)) => Ended::Source(error),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => Ended::SourcePanicked(panic_message(&*panic)),
            Err(_cancelled) => Ended::SourceFinished,
        },
    }
}

fn publisher_ended<S, P>(
    ended: Result<Result<(), P>, oneshot::error::RecvError>,
) -> Result<(), Ended<S, P>> {
    match ended {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Ended::Publisher(error)),
        Err(_dropped) => Err(Ended::PublisherPanicked),
    }
}

/// What the panic said.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::{Future, pending},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    use tokio::time::sleep;

    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    type Error = &'static str;

    /// Tokens for the two halves, and a flag that says whether the drain was announced.
    struct Setting {
        stop: CancellationToken,
        stop_source: CancellationToken,
        stop_publisher: CancellationToken,
        draining: Arc<AtomicBool>,
    }

    impl Setting {
        fn new() -> Self {
            Self {
                stop: CancellationToken::new(),
                stop_source: CancellationToken::new(),
                stop_publisher: CancellationToken::new(),
                draining: Arc::default(),
            }
        }

        async fn run(
            &self,
            source: impl Future<Output = Result<(), Error>> + Send + 'static,
            publisher: impl Future<Output = Result<(), Error>> + Send + 'static,
        ) -> Ended<Error, Error> {
            let (ended, receiver) = oneshot::channel();
            tokio::spawn(async move {
                let result = publisher.await;
                ended.send(result).ok();
            });
            let halves = Halves {
                source: tokio::spawn(source),
                publisher: receiver,
                stop_source: self.stop_source.clone(),
                stop_publisher: self.stop_publisher.clone(),
            };
            halves.run(&self.stop, GRACE, || self.draining.store(true, Ordering::SeqCst)).await
        }

        fn source_until_stopped(&self) -> impl Future<Output = Result<(), Error>> + use<> {
            let stop = self.stop_source.clone();
            async move {
                stop.cancelled().await;
                Ok(())
            }
        }

        /// Takes a while to commit what it has once the source has stopped.
        fn publisher_that_drains(
            &self,
            time: Duration,
        ) -> impl Future<Output = Result<(), Error>> + use<> {
            let (source, stop) = (self.stop_source.clone(), self.stop_publisher.clone());
            async move {
                source.cancelled().await;
                tokio::select! {
                    () = sleep(time) => Ok(()),
                    () = stop.cancelled() => Err("stopped"),
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stop_ends_the_source_first_and_lets_the_publisher_drain() {
        let setting = Setting::new();
        setting.stop.cancel();

        let ended = setting
            .run(setting.source_until_stopped(), setting.publisher_that_drains(GRACE / 2))
            .await;

        assert_eq!(ended, Ended::Drained);
        assert!(setting.draining.load(Ordering::SeqCst));
        assert!(!setting.stop_publisher.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn drain_longer_than_the_grace_period_is_cut() {
        let setting = Setting::new();
        setting.stop.cancel();
        let start = Instant::now();

        let ended = setting
            .run(setting.source_until_stopped(), setting.publisher_that_drains(GRACE * 2))
            .await;

        assert_eq!(ended, Ended::GraceExceeded);
        assert!(setting.stop_publisher.is_cancelled());
        assert!(start.elapsed() <= GRACE + LEAVE, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn publisher_that_does_not_come_back_is_left_behind() {
        let setting = Setting::new();
        setting.stop.cancel();
        let start = Instant::now();

        let ended = setting.run(setting.source_until_stopped(), pending()).await;

        assert_eq!(ended, Ended::GraceExceeded);
        assert!(start.elapsed() <= GRACE + LEAVE, "{:?}", start.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn source_that_does_not_stop_is_thrown_away() {
        let setting = Setting::new();
        setting.stop.cancel();

        let ended = setting.run(pending(), setting.publisher_that_drains(GRACE / 2)).await;

        assert_eq!(ended, Ended::GraceExceeded);
    }

    #[tokio::test(start_paused = true)]
    async fn failing_source_lets_the_publisher_commit_what_was_read() {
        let setting = Setting::new();
        let start = Instant::now();

        let ended = setting
            .run(async { Err("connection lost") }, setting.publisher_that_drains(GRACE / 2))
            .await;

        assert_eq!(ended, Ended::Source("connection lost"));
        assert!(!setting.stop_publisher.is_cancelled());
        assert_eq!(start.elapsed(), GRACE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn source_that_has_read_everything_waits_for_its_commit() {
        let setting = Setting::new();

        let ended = setting.run(async { Ok(()) }, setting.publisher_that_drains(GRACE * 100)).await;

        assert_eq!(ended, Ended::SourceFinished);
        assert!(!setting.stop_publisher.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn commit_behind_the_end_of_the_source_is_cut_when_asked_to_stop() {
        let setting = Setting::new();
        let stop = setting.stop.clone();
        tokio::spawn(async move {
            sleep(GRACE * 2).await;
            stop.cancel();
        });

        let ended = setting.run(async { Ok(()) }, setting.publisher_that_drains(GRACE * 100)).await;

        assert_eq!(ended, Ended::GraceExceeded);
        assert!(setting.stop_publisher.is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn panicking_source_is_an_error_like_others() {
        let setting = Setting::new();

        let ended = setting
            .run(async { panic!("slice out of range") }, setting.publisher_that_drains(GRACE / 2))
            .await;

        assert_eq!(ended, Ended::SourcePanicked("slice out of range".to_owned()));
    }

    #[tokio::test(start_paused = true)]
    async fn failing_publisher_stops_the_source_at_once() {
        let setting = Setting::new();
        let start = Instant::now();

        let ended = setting.run(setting.source_until_stopped(), async { Err("fenced") }).await;

        assert_eq!(ended, Ended::Publisher("fenced"));
        assert!(setting.stop_source.is_cancelled());
        assert!(start.elapsed() < LEAVE);
    }

    #[tokio::test(start_paused = true)]
    async fn publisher_that_fails_in_the_drain_after_a_source_failure_is_the_reason() {
        let setting = Setting::new();

        let ended = setting
            .run(async { Err("connection lost") }, async {
                sleep(GRACE / 2).await;
                Err("record too large")
            })
            .await;

        assert_eq!(ended, Ended::Publisher("record too large"));
    }

    #[tokio::test(start_paused = true)]
    async fn panicking_publisher_is_noticed() {
        let setting = Setting::new();

        let ended = setting.run(setting.source_until_stopped(), async { panic!("broken") }).await;

        assert_eq!(ended, Ended::PublisherPanicked);
    }
}
