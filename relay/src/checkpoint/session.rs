//! A client that looks at the checkpoint topic, and the patience it is used with.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::CheckpointError;
use crate::publish::{self, BrokerError, Connection, Fault, LOGIN_GRACE, Settings};

/// Limit of one request. What passes by itself is asked again until the session's limit.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

const PAUSE: Duration = Duration::from_millis(50);

/// rdkafka's callbacks.
#[derive(Default)]
pub(super) struct Context {
    connection: Connection,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        publish::log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.note(&error, reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ConsumerContext for Context {}

/// A reader, and until when its questions must be answered.
pub(super) struct Session<'a> {
    pub(super) settings: &'a Settings,
    pub(super) reader: BaseConsumer<Context>,
    opened: Instant,
}

impl<'a> Session<'a> {
    pub(super) fn open(settings: &'a Settings) -> Result<Self, CheckpointError> {
        let reader = publish::create(&settings.checkpoint_reader(), Context::default())?;
        Ok(Self { settings, reader, opened: Instant::now() })
    }

    pub(super) fn topic(&self) -> &'a str {
        &self.settings.checkpoint_topic
    }

    pub(super) fn is_over(&self) -> bool {
        self.opened.elapsed() > self.settings.delivery_timeout
    }

    /// Asks again while the answer is one that passes by itself.
    pub(super) fn retry<T>(
        &self,
        mut ask: impl FnMut(&BaseConsumer<Context>) -> Result<T, RDKafkaErrorCode>,
    ) -> Result<T, RDKafkaErrorCode> {
        loop {
            match ask(&self.reader) {
                Err(code) if passes(code) && !self.is_over() => {
                    // Has the client call its callbacks; there is nothing assigned to read.
                    drop(self.reader.poll(PAUSE));
                    if self.refused_login().is_some() {
                        return Err(RDKafkaErrorCode::Authentication);
                    }
                }
                answer => return answer,
            }
        }
    }

    /// The error for an answer that did not pass.
    pub(super) fn error(&self, doing: &'static str, code: RDKafkaErrorCode) -> CheckpointError {
        let limit = self.settings.delivery_timeout;
        let trouble = self.reader.client().context().connection.trouble();
        match (Fault::of(code), trouble) {
            (Fault::TopicDenied, _) => {
                CheckpointError::NotReadable { topic: self.topic().to_owned() }
            }
            (Fault::TimedOut | Fault::Unreachable, Some(reason)) => {
                BrokerError::Unreachable { doing, reason }.into()
            }
            (fault, trouble) => {
                let reason = trouble.unwrap_or_else(|| code.to_string());
                BrokerError::of(doing, fault, limit, reason).into()
            }
        }
    }

    fn refused_login(&self) -> Option<String> {
        let connection = &self.reader.client().context().connection;
        connection.refused_login().filter(|_| self.opened.elapsed() > LOGIN_GRACE)
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
