//! What can go wrong between a chunk and a committed transaction.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};

use super::{SettingsError, fault::Fault};
use crate::{
    checkpoint::{CheckpointError, Writer},
    error::Disposition,
    position::BinlogCoordinates,
};

/// After any of these all producers are gone; the next try begins with the fence and the stored
/// checkpoint, so that nothing is repeated and nothing is lost.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// It may be a transaction that was open for too long: the broker says the same. [`super::Tenure`]
    /// tells before the next fence.
    #[error(
        "the broker takes this relay for an old one of source `{source_name}`: another relay of the \
         source started, or a transaction was open for longer than publish.transaction_timeout"
    )]
    Fenced { source_name: String },
    #[error(
        "another relay of source `{source_name}` has taken over: {writer} at {committed_at}; stop one of \
         them, or give them different `source` names"
    )]
    AnotherRelay { source_name: String, writer: Box<Writer>, committed_at: Timestamp },
    /// Somebody moved the position. What this relay had in flight is not published by it.
    #[error(
        "the position of source `{source_name}` was set by {writer} at {committed_at}, and this relay was \
         shut out; start it again to go on from there"
    )]
    PositionSet { source_name: String, writer: Box<Writer>, committed_at: Timestamp },
    /// Told to stop before everything was out.
    #[error("stopped before the last batch was committed")]
    Stopped,
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("a thread for publishing could not be started")]
    Thread(#[from] std::io::Error),
}

/// A call to the broker failed, for a reason that lies in no particular record.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("no broker could be reached while {doing}: {reason}")]
    Unreachable { doing: &'static str, reason: String },
    #[error("{doing} took longer than {limit:?}: {reason}")]
    TimedOut { doing: &'static str, limit: Duration, reason: String },
    #[error("the broker was not ready while {doing}: {reason}")]
    Busy { doing: &'static str, reason: String },
    #[error("the broker forgot the transactional id while {doing}: {reason}")]
    IdExpired { doing: &'static str, reason: String },
    #[error(
        "the broker refuses the login while {doing}: {reason}; check kafka.properties \
         security.protocol, sasl.* and ssl.*"
    )]
    AuthenticationFailed { doing: &'static str, reason: String },
    #[error("the Kafka principal may not do this while {doing}: it needs {needs} ({reason})")]
    NotAuthorised { doing: &'static str, needs: String, reason: String },
    #[error(
        "the broker does not take part in transactions ({doing}: {reason}); set delivery = \
         \"at-least-once\", or use Kafka 2.5 or newer"
    )]
    TransactionsUnsupported { doing: &'static str, reason: String },
    #[error(
        "publish.transaction_timeout is more than the broker's transaction.max.timeout.ms allows: \
         {reason}"
    )]
    TransactionTimeoutRefused { reason: String },
    #[error("{doing} failed in a way the relay does not know: {reason}")]
    Unlisted { doing: &'static str, reason: String },
}

/// A record cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A topic may be about to be created; the supervisor tries again for a while.
    #[error(
        "topic `{}` does not exist and the broker does not create it ({place}); create it, for example \
         kafka-topics --create --topic {} --partitions 6", place.topic, place.topic
    )]
    UnknownTopic { place: Box<RecordPlace> },
    #[error("`{}` is no legal topic name ({place}); see the outbox table's `topic` setting", place.topic)]
    InvalidTopic { place: Box<RecordPlace> },
    #[error("partition {partition} does not exist ({place})", partition = place.shown_partition())]
    UnknownPartition { place: Box<RecordPlace> },
    #[error(
        "a record is larger than allowed ({place}); raise kafka.properties message.max.bytes here, and \
         max.message.bytes of topic `{}` at the broker: {reason}", place.topic
    )]
    TooLarge { place: Box<RecordPlace>, reason: String },
    #[error("the broker refuses a record ({place}): {reason}")]
    Refused { place: Box<RecordPlace>, reason: String },
    #[error("the Kafka principal may not write to topic `{}` ({place}): it needs WRITE and DESCRIBE", place.topic)]
    TopicDenied { place: Box<RecordPlace> },
}

/// Where a record came from and goes to. Never its key or payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPlace {
    /// `database.table` of the row; `None` for the checkpoint record.
    pub table: Option<Arc<str>>,
    pub topic: String,
    pub partition: Option<i32>,
    pub event_id: Option<String>,
    /// Key, value and headers as far as they are known.
    pub bytes: usize,
    /// Reached once the record's transactions are out; `None` for the checkpoint record.
    pub coordinates: Option<BinlogCoordinates>,
}

impl RecordPlace {
    fn shown_partition(&self) -> String {
        self.partition.map_or_else(|| "?".to_owned(), |partition| partition.to_string())
    }
}

impl fmt::Display for RecordPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.event_id, &self.coordinates) {
            (Some(id), _) => write!(f, "event {id}")?,
            (None, Some(_)) => write!(f, "a record without an event id")?,
            (None, None) => write!(f, "the checkpoint record")?,
        }
        if let Some(table) = &self.table {
            write!(f, " of table `{table}`")?;
        }
        write!(f, ", {} bytes for topic {}", self.bytes, self.topic)?;
        if let Some(coordinates) = &self.coordinates {
            write!(
                f,
                ", in the binlog up to {coordinates}; `rowpost position set past:{coordinates}` "
            )?;
            f.write_str("leaves its transaction out")?;
        }
        Ok(())
    }
}

impl PublishError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Fenced { .. } | Self::Thread(_) => Disposition::Retry,
            Self::AnotherRelay { .. } | Self::PositionSet { .. } | Self::Stopped => {
                Disposition::Halt
            }
            Self::Settings(error) => error.disposition(),
            Self::Broker(error) => error.disposition(),
            Self::Record(error) => error.disposition(),
            Self::Checkpoint(error) => error.disposition(),
        }
    }
}

impl BrokerError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Busy { .. }
            | Self::IdExpired { .. } => Disposition::Retry,
            Self::AuthenticationFailed { .. }
            | Self::NotAuthorised { .. }
            | Self::TransactionsUnsupported { .. }
            | Self::TransactionTimeoutRefused { .. }
            | Self::Unlisted { .. } => Disposition::Halt,
        }
    }

    /// What `fault` means where no particular record is to blame.
    pub(crate) fn of(doing: &'static str, fault: Fault, limit: Duration, reason: String) -> Self {
        let denied =
            |needs: &str, reason| Self::NotAuthorised { doing, needs: needs.to_owned(), reason };
        match fault {
            Fault::Unreachable => Self::Unreachable { doing, reason },
            Fault::TimedOut => Self::TimedOut { doing, limit, reason },
            // An unknown topic or partition outside of a record is metadata that is not there yet.
            Fault::Busy | Fault::UnknownTopic | Fault::UnknownPartition => {
                Self::Busy { doing, reason }
            }
            Fault::IdExpired => Self::IdExpired { doing, reason },
            Fault::AuthenticationFailed => Self::AuthenticationFailed { doing, reason },
            Fault::TopicDenied => {
                denied("WRITE and DESCRIBE on the topics it publishes to", reason)
            }
            Fault::TransactionalIdDenied => {
                denied("WRITE and DESCRIBE on its transactional ids (prefix `rowpost.`)", reason)
            }
            Fault::GroupDenied => denied("DESCRIBE on the group", reason),
            Fault::ClusterDenied => denied("IDEMPOTENT_WRITE on the cluster", reason),
            Fault::Unsupported => Self::TransactionsUnsupported { doing, reason },
            Fault::TransactionTimeoutRefused => Self::TransactionTimeoutRefused { reason },
            Fault::Fenced
            | Fault::InvalidTopic
            | Fault::RecordTooLarge
            | Fault::RecordRefused
            | Fault::Purged
            | Fault::Fatal
            | Fault::Unlisted => Self::Unlisted { doing, reason },
        }
    }
}

impl RecordError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::UnknownTopic { .. } => Disposition::Retry,
            Self::InvalidTopic { .. }
            | Self::UnknownPartition { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. }
            | Self::TopicDenied { .. } => Disposition::Halt,
        }
    }

    pub fn place(&self) -> &RecordPlace {
        match self {
            Self::UnknownTopic { place }
            | Self::InvalidTopic { place }
            | Self::UnknownPartition { place }
            | Self::TooLarge { place, .. }
            | Self::Refused { place, .. }
            | Self::TopicDenied { place } => place,
        }
    }

    /// `None` where the fault is not the record's.
    pub(super) fn of(
        fault: Fault,
        place: RecordPlace,
        reason: String,
    ) -> Result<Self, RecordPlace> {
        let place = Box::new(place);
        Ok(match fault {
            Fault::UnknownTopic => Self::UnknownTopic { place },
            Fault::InvalidTopic => Self::InvalidTopic { place },
            Fault::UnknownPartition => Self::UnknownPartition { place },
            Fault::RecordTooLarge => Self::TooLarge { place, reason },
            Fault::RecordRefused => Self::Refused { place, reason },
            Fault::TopicDenied => Self::TopicDenied { place },
            Fault::Fenced
            | Fault::IdExpired
            | Fault::Unreachable
            | Fault::TimedOut
            | Fault::Busy
            | Fault::AuthenticationFailed
            | Fault::TransactionalIdDenied
            | Fault::GroupDenied
            | Fault::ClusterDenied
            | Fault::TransactionTimeoutRefused
            | Fault::Unsupported
            | Fault::Purged
            | Fault::Fatal
            | Fault::Unlisted => return Err(*place),
        })
    }
}

/// The code of any of rdkafka's errors.
pub(crate) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the foreign list of errors is open")]
    match error {
        // rdkafka's accessor forgets this one.
        KafkaError::AdminOp(code) => *code,
        other => other.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> RecordPlace {
        RecordPlace {
            table: Some("shop.outbox".into()),
            topic: "outbox.event.order".to_owned(),
            partition: Some(3),
            event_id: Some("0193-ab".to_owned()),
            bytes: 2_000_000,
            coordinates: Some(BinlogCoordinates { file: "bin-log.000042".into(), position: 77 }),
        }
    }

    #[test]
    fn too_large_record_names_topic_size_event_coordinates_and_the_limits() {
        let error =
            RecordError::of(Fault::RecordTooLarge, place(), "Broker: …".to_owned()).unwrap();

        let text = error.to_string();
        for part in [
            "outbox.event.order",
            "2000000 bytes",
            "event 0193-ab of table `shop.outbox`",
            "bin-log.000042:77",
            "message.max.bytes",
            "max.message.bytes",
        ] {
            assert!(text.contains(part), "`{part}` is missing in: {text}");
        }
        assert_eq!(error.disposition(), Disposition::Halt);
    }

    #[test]
    fn unknown_topic_names_the_repair_and_is_tried_again() {
        let error = RecordError::of(Fault::UnknownTopic, place(), String::new()).unwrap();

        assert!(error.to_string().contains("kafka-topics --create --topic outbox.event.order"));
        assert_eq!(error.disposition(), Disposition::Retry);
    }

    #[test]
    fn code_nobody_thought_of_halts() {
        let error = BrokerError::of("committing", Fault::Unlisted, Duration::ZERO, String::new());

        assert_eq!(error.disposition(), Disposition::Halt);
    }

    #[test]
    fn fenced_is_tried_again_and_another_relay_is_not() {
        let source_name = || "shop".to_owned();

        let fenced = PublishError::Fenced { source_name: source_name() };
        let another = PublishError::AnotherRelay {
            source_name: source_name(),
            writer: Box::new(Writer::here()),
            committed_at: Timestamp::UNIX_EPOCH,
        };

        assert_eq!(fenced.disposition(), Disposition::Retry);
        assert_eq!(another.disposition(), Disposition::Halt);
    }
}
