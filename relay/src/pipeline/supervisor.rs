//! Attempts, one after the other, until one is told to stop or fails for good.

use std::{future::Future, time::Instant};

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    PipelineError,
    retry::{GiveUp, Retry},
};
use crate::{
    error::{Chain, Disposition},
    status::{State, Status},
};

/// A source that panics this often in a row without anything being committed will not stop to.
const PANICS_MAX: u32 = 5;

/// From the fence to the first failure. Tests put a script here.
pub(super) trait Attempt {
    /// Runs until `stop` or until something fails.
    fn run(&mut self, stop: &CancellationToken) -> impl Future<Output = Outcome>;
}

pub(super) struct Outcome {
    /// Something was committed.
    pub(super) progressed: bool,
    pub(super) result: Result<(), PipelineError>,
}

/// Runs attempts until `stop`. An error is for good.
pub(super) async fn supervise(
    attempt: &mut impl Attempt,
    mut retry: Retry,
    status: &Status,
    stop: &CancellationToken,
) -> Result<(), PipelineError> {
    let mut panics = 0;
    loop {
        let Outcome { progressed, result } = attempt.run(stop).await;
        let Err(error) = result else { return Ok(()) };
        if progressed {
            retry.progress();
            panics = 0;
        }
        let panicked = matches!(error, PipelineError::SourcePanicked { .. });
        panics = if panicked { panics + 1 } else { 0 };
        if error.disposition() == Disposition::Halt || panics >= PANICS_MAX {
            return Err(error);
        }
        let pause = match retry.pause(Instant::now()) {
            Ok(pause) => pause,
            Err(GiveUp(failing_for)) => {
                return Err(PipelineError::GaveUp { failing_for, last: Box::new(error) });
            }
        };
        let stage = error.stage();
        let chain = Chain(&error).to_string();
        warn!(%stage, error = %chain, pause_ms = pause.as_millis(), "trying again");
        status.retrying(stage, &chain);
        tokio::select! {
            () = stop.cancelled() => {
                info!("stopped while nothing was in flight");
                return Ok(());
            }
            () = tokio::time::sleep(pause) => status.enter(State::Starting),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, time::Duration};

    use prometheus_client::registry::Registry;

    use super::*;
    use crate::{
        checkpoint::Writer,
        config::{Config, Flag},
        metrics::Metrics,
        publish::PublishError,
        status::Stage,
    };

    /// Fails as written, then runs until stopped.
    struct Script {
        outcomes: VecDeque<Outcome>,
        runs: usize,
    }

    impl Attempt for Script {
        async fn run(&mut self, stop: &CancellationToken) -> Outcome {
            self.runs += 1;
            match self.outcomes.pop_front() {
                Some(outcome) => outcome,
                None => {
                    stop.cancelled().await;
                    Outcome { progressed: true, result: Ok(()) }
                }
            }
        }
    }

    fn script(errors: impl IntoIterator<Item = (bool, PipelineError)>) -> Script {
        let outcomes = errors
            .into_iter()
            .map(|(progressed, error)| Outcome { progressed, result: Err(error) })
            .collect();
        Script { outcomes, runs: 0 }
    }

    fn weather() -> PipelineError {
        PublishError::Fenced { source_name: "shop".to_owned() }.into()
    }

    fn for_good() -> PipelineError {
        PublishError::AnotherRelay {
            source_name: "shop".to_owned(),
            writer: Box::new(Writer::here()),
            committed_at: jiff::Timestamp::UNIX_EPOCH,
        }
        .into()
    }

    fn panicked() -> PipelineError {
        PipelineError::SourcePanicked { message: "slice".to_owned() }
    }

    fn status() -> Status {
        let flags = [("--mysql", "mysql://u@h"), ("--kafka", "k:1")]
            .map(|(flag, value)| Flag { flag, values: vec![value.to_owned()] });
        let config = Config::load(None, [], &flags).unwrap();
        Status::new(&config, Metrics::register(&mut Registry::default()))
    }

    async fn run(script: &mut Script, status: &Status) -> Result<(), PipelineError> {
        let stop = CancellationToken::new();
        let retry = Retry::new(Duration::from_secs(5), None);
        let supervised = supervise(script, retry, status, &stop);
        let stopped = async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            stop.cancel();
        };
        tokio::join!(supervised, stopped).0
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_again_and_counted_by_stage() {
        let status = status();
        let mut script = script([(false, weather()), (false, panicked()), (false, weather())]);

        run(&mut script, &status).await.unwrap();

        assert_eq!(script.runs, 4);
        let report = status.report();
        assert_eq!((report.retries.source, report.retries.publish), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_repeats_for_ever_ends_it_at_once() {
        let status = status();
        let mut script = script([(false, weather()), (false, for_good())]);

        let error = run(&mut script, &status).await.unwrap_err();

        assert!(matches!(error, PipelineError::Publish(PublishError::AnotherRelay { .. })));
        assert_eq!(script.runs, 2);
        assert_eq!(status.report().retries.publish, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn source_that_panics_again_and_again_is_a_broken_invariant() {
        let mut script = script((0..PANICS_MAX + 1).map(|_| (false, panicked())));

        let error = run(&mut script, &status()).await.unwrap_err();

        assert!(matches!(error, PipelineError::SourcePanicked { .. }));
        assert_eq!(script.runs, PANICS_MAX as usize);
    }

    #[tokio::test(start_paused = true)]
    async fn panics_with_progress_between_them_are_survived() {
        let mut script = script((0..20).map(|_| (true, panicked())));

        run(&mut script, &status()).await.unwrap();

        assert_eq!(script.runs, 21);
    }

    #[tokio::test(start_paused = true)]
    async fn error_of_the_last_attempt_is_the_cause_of_giving_up() {
        let stop = CancellationToken::new();
        let retry = Retry::new(Duration::from_secs(5), Some(Duration::ZERO));
        let mut script = script([(false, weather())]);

        let error = supervise(&mut script, retry, &status(), &stop).await.unwrap_err();

        let PipelineError::GaveUp { last, .. } = &error else { panic!("{error}") };
        assert!(matches!(**last, PipelineError::Publish(PublishError::Fenced { .. })));
        assert!(Chain(&error).to_string().contains("another relay of the source started"));
    }

    #[tokio::test(start_paused = true)]
    async fn stop_during_a_pause_ends_it_without_another_attempt() {
        let stop = CancellationToken::new();
        stop.cancel();
        let status = status();
        let mut script = script([(false, weather()), (false, for_good())]);

        supervise(&mut script, Retry::new(Duration::from_secs(5), None), &status, &stop)
            .await
            .unwrap();

        assert_eq!(script.runs, 1);
        assert_eq!(status.report().last_error.unwrap().stage, Stage::Publish.to_string());
    }
}
