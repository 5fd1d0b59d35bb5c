//! A client that reads, and the patience it is used with.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::BorrowedMessage,
    types::RDKafkaErrorCode,
};

use super::{
    BrokerError, Connection, Fault, LOGIN_GRACE, Settings, SettingsError, client_config, code_of,
    log,
};

/// Limit of one request. What passes by itself is asked again until the session's limit.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// One poll; the end of the partition comes as an event, so this only bounds a silent broker.
const POLL: Duration = Duration::from_millis(100);

const PAUSE: Duration = Duration::from_millis(50);

/// rdkafka's callbacks.
#[derive(Default)]
pub(crate) struct Context {
    connection: Connection,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.connection.note(&error, reason);
    }

    fn stats_raw(&self, _statistics: &[u8]) {}
}

impl ConsumerContext for Context {}

/// A reader, and until when its questions must be answered.
pub(crate) struct Session<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) reader: BaseConsumer<Context>,
    opened: Instant,
}

impl<'a> Session<'a> {
    /// `config` is one of those that `settings` makes for reading.
    pub(crate) fn open(
        settings: &'a Settings,
        config: &ClientConfig,
    ) -> Result<Self, SettingsError> {
        let reader = client_config::create(config, Context::default())?;
        Ok(Self { settings, reader, opened: Instant::now() })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.opened.elapsed() > self.settings.delivery_timeout
    }

    /// Asks again while the answer is one that passes by itself.
    pub(crate) fn retry<T>(
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

    /// The first record's offset in each partition that is not older than `since_ms`; `None` where every
    /// one is.
    pub(crate) fn first_since(
        &self,
        topic: &str,
        partition: i32,
        since_ms: i64,
    ) -> Result<Option<i64>, RDKafkaErrorCode> {
        self.retry(|reader| {
            let mut asked = TopicPartitionList::new();
            asked
                .add_partition_offset(topic, partition, Offset::Offset(since_ms.max(0)))
                .map_err(|error| code_of(&error))?;
            let found = reader
                .offsets_for_times(asked, REQUEST_TIMEOUT)
                .map_err(|error| code_of(&error))?;
            let found = found.find_partition(topic, partition).ok_or(RDKafkaErrorCode::Unknown)?;
            found.error().map_err(|error| code_of(&error))?;
            Ok(found.offset().to_raw().filter(|offset| *offset >= 0))
        })
    }

    /// Shows each record from `start` on to `see`, up to the end of the partition or until it breaks. A
    /// broker that is silent for `publish.delivery_timeout` is an error.
    ///
    /// Offsets have gaps where markers of transactions stood and where compaction was: only the
    /// partition's own end counts.
    pub(crate) fn scan<B>(
        &self,
        topic: &str,
        partition: i32,
        start: i64,
        mut see: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<B>,
    ) -> Result<Option<B>, RDKafkaErrorCode> {
        let mut assigned = TopicPartitionList::new();
        assigned
            .add_partition_offset(topic, partition, Offset::Offset(start))
            .and_then(|()| self.reader.assign(&assigned))
            .map_err(|error| code_of(&error))?;
        let mut heard = Instant::now();
        while heard.elapsed() <= self.settings.delivery_timeout {
            match self.reader.poll(POLL) {
                // SERVER: rdkafka's poll may return early with nothing.
                None => {}
                Some(Ok(record)) => {
                    heard = Instant::now();
                    if let ControlFlow::Break(seen) = see(&record) {
                        return Ok(Some(seen));
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
                Some(Err(error)) if is_passing(code_of(&error)) => {}
                Some(Err(error)) => return Err(code_of(&error)),
            }
        }
        Err(RDKafkaErrorCode::OperationTimedOut)
    }

    /// The error for an answer that did not pass.
    pub(crate) fn error(&self, doing: &'static str, code: RDKafkaErrorCode) -> BrokerError {
        let limit = self.settings.delivery_timeout;
        let trouble = self.reader.client().context().connection.trouble();
        match (Fault::of(code), trouble) {
            (Fault::TimedOut | Fault::Unreachable, Some(reason)) => {
                BrokerError::Unreachable { doing, reason }
            }
            (fault, trouble) => {
                let reason = trouble.unwrap_or_else(|| code.to_string());
                BrokerError::of(doing, fault, limit, reason)
            }
        }
    }

    /// Number of partitions; 0 when there is no such topic.
    pub(crate) fn partitions(&self, topic: &str) -> Result<usize, RDKafkaErrorCode> {
        self.retry(|reader| {
            let metadata = reader
                .fetch_metadata(Some(topic), REQUEST_TIMEOUT)
                .map_err(|error| code_of(&error))?;
            let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
                return Ok(0);
            };
            match found.error().map(RDKafkaErrorCode::from) {
                None => Ok(found.partitions().len()),
                Some(code) if Fault::of(code) == Fault::UnknownTopic => Ok(0),
                Some(code) => Err(code),
            }
        })
    }

    /// The first offset that is there, and the one behind the last that the reader sees.
    ///
    /// SERVER: to a `read_committed` reader that is the last stable offset.
    pub(crate) fn watermarks(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<(i64, i64), RDKafkaErrorCode> {
        self.retry(|reader| {
            let watermarks = reader.fetch_watermarks(topic, partition, REQUEST_TIMEOUT);
            watermarks.map_err(|error| code_of(&error))
        })
    }

    fn refused_login(&self) -> Option<String> {
        let connection = &self.reader.client().context().connection;
        connection.refused_login().filter(|_| self.opened.elapsed() > LOGIN_GRACE)
    }
}

/// A topic that was just created is unknown to some brokers for a moment.
pub(crate) fn passes(code: RDKafkaErrorCode) -> bool {
    matches!(
        Fault::of(code),
        Fault::Busy
            | Fault::TimedOut
            | Fault::Unreachable
            | Fault::UnknownTopic
            | Fault::UnknownPartition
    )
}

/// What the consumer reports while it goes on trying. It also looks for the coordinator of the group
/// that it needs in name only: not being allowed to is nothing to us.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    passes(code) || Fault::of(code) == Fault::GroupDenied
}
