//! Clients that look at the checkpoint topic, and the patience they are used with.

use std::{
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::CheckpointError;
use crate::publish::{self, BrokerError, Fault};

/// Limit of one request. What passes by itself is asked again until the deadline.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(50);

/// rdkafka's callbacks.
pub(super) struct Context;

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        publish::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "kafka client error");
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ConsumerContext for Context {}

/// Until when all questions about the checkpoint must be answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    pub(super) fn has_passed(self) -> bool {
        Instant::now() >= self.at
    }

    /// Asks again while the answer is one that passes by itself.
    pub(super) fn retry<T>(
        self,
        mut ask: impl FnMut() -> Result<T, RDKafkaErrorCode>,
    ) -> Result<T, RDKafkaErrorCode> {
        loop {
            match ask() {
                Err(code) if passes(code) && !self.has_passed() => thread::sleep(PAUSE),
                answer => return answer,
            }
        }
    }

    /// The error for an answer that did not pass.
    pub(super) fn error(
        self,
        doing: &'static str,
        topic: &str,
        code: RDKafkaErrorCode,
    ) -> CheckpointError {
        match Fault::of(code) {
            Fault::TopicDenied => CheckpointError::NotReadable { topic: topic.to_owned() },
            fault => BrokerError::of(doing, fault, self.limit, code.to_string()).into(),
        }
    }
}

/// A topic that was just created is unknown to some brokers for a moment.
pub(super) fn passes(code: RDKafkaErrorCode) -> bool {
    matches!(
        Fault::of(code),
        Fault::Busy
            | Fault::TimedOut
            | Fault::Unreachable
            | Fault::UnknownTopic
            | Fault::UnknownPartition
    )
}
