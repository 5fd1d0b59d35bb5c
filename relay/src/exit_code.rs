//! Each error → the exit code that an operator or a supervisor acts on. The one place for it;
//! relay/README.md and the runbook document the codes.

use crate::{
    checkpoint::CheckpointError,
    failure::Failure,
    find::FindError,
    pipeline::PipelineError,
    position_command::{ImportError, PositionError},
    publish::{PublishError, RecordError},
    range::RangeError,
    replay::ReplayError,
    source::{SourceError, mysql::ConnectionError, server::ServerError},
};

/// Stable: scripts and unit files rely on them. The numbers are those of sysexits.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Asked to stop, and everything that was read is committed; or the command did its work.
    Done = 0,
    /// The command line or the configuration is wrong.
    Usage = 64,
    /// A row is not in the binlog or cannot be decoded or published; starting again meets it again.
    Data = 65,
    /// What was asked for is not in what was searched.
    NotFound = 66,
    /// MySQL or Kafka refuses for good: a setting, a privilege, purged binlogs, another relay.
    Unavailable = 69,
    /// A broken invariant: please report it.
    Internal = 70,
    /// Starting again may help: the grace period was too short, or the retry limit is reached; or what was
    /// found is not in Kafka.
    TryAgain = 75,
}

impl From<ExitCode> for i32 {
    fn from(code: ExitCode) -> Self {
        code as Self
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

impl From<&Failure> for ExitCode {
    fn from(failure: &Failure) -> Self {
        match failure {
            Failure::Config(_)
            | Failure::Settings(_)
            | Failure::Http(_)
            // Nearly always a variable of the environment.
            | Failure::Traces(_) => Self::Usage,
            Failure::Logging(_) | Failure::Runtime(_) | Failure::Output(_) => Self::Internal,
            Failure::Pipeline(error) => error.into(),
            Failure::Replay(error) => error.into(),
            Failure::Check(_) | Failure::Status(_) => Self::Unavailable,
            Failure::Find(error) => error.into(),
            Failure::Position(error) => error.into(),
        }
    }
}

impl From<&ReplayError> for ExitCode {
    fn from(error: &ReplayError) -> Self {
        match error {
            ReplayError::Selection(_)
            | ReplayError::Name { .. }
            | ReplayError::Prefix { .. }
            | ReplayError::Unfinished { .. }
            | ReplayError::Finished { .. }
            | ReplayError::NoSuchReplay { .. }
            | ReplayError::NoServer { .. }
            | ReplayError::OtherArguments { .. }
            | ReplayError::Settings(_) => Self::Usage,
            ReplayError::Malformed { .. } | ReplayError::Files(_) => Self::Unavailable,
            ReplayError::NotEncodable(_) | ReplayError::BrokeOff => Self::Internal,
            ReplayError::Range(error) => error.into(),
            ReplayError::Source(error) => error.into(),
            ReplayError::Checkpoint(error) => error.into(),
            ReplayError::Halted { source, .. } => source.as_ref().into(),
            ReplayError::Stopped { .. } | ReplayError::StoppedBefore => Self::TryAgain,
        }
    }
}

impl From<&FindError> for ExitCode {
    fn from(error: &FindError) -> Self {
        match error {
            FindError::NothingAsked | FindError::Settings(_) => Self::Usage,
            FindError::Files(_) | FindError::NotReadable { .. } | FindError::Broker(_) => {
                Self::Unavailable
            }
            FindError::NotEncodable(_) | FindError::BrokeOff => Self::Internal,
            FindError::NotFound => Self::NotFound,
            FindError::NotInKafka { .. } => Self::TryAgain,
            FindError::Range(error) => error.into(),
            FindError::Source(error) => error.into(),
            FindError::Checkpoint(error) => error.into(),
        }
    }
}

impl From<&RangeError> for ExitCode {
    fn from(error: &RangeError) -> Self {
        match error {
            RangeError::Point(_)
            | RangeError::Backwards { .. }
            | RangeError::NothingThere { .. } => Self::Usage,
            RangeError::Files(_) => Self::Unavailable,
            RangeError::Source(error) => error.into(),
            RangeError::BrokeOff => Self::Internal,
        }
    }
}

impl From<&PipelineError> for ExitCode {
    fn from(error: &PipelineError) -> Self {
        match error {
            PipelineError::Source(error) => error.into(),
            PipelineError::Publish(error) => error.into(),
            PipelineError::SourcePanicked { .. }
            | PipelineError::SourceFinished
            | PipelineError::PublisherPanicked
            | PipelineError::Thread(_) => Self::Internal,
            PipelineError::GraceExceeded { .. }
            | PipelineError::SourceAway { .. }
            | PipelineError::GaveUp { .. } => Self::TryAgain,
        }
    }
}

impl From<&PositionError> for ExitCode {
    fn from(error: &PositionError) -> Self {
        match error {
            PositionError::Settings(_)
            | PositionError::NotAPosition { .. }
            | PositionError::NotABoundary { .. }
            | PositionError::NothingThere { .. }
            | PositionError::NoSuchBranch { .. }
            | PositionError::NotConfirmed
            | PositionError::NothingToFenceWith => Self::Usage,
            PositionError::NotServed(_)
            | PositionError::RelayRuns { .. }
            | PositionError::Moved { .. } => Self::Unavailable,
            PositionError::Checkpoint(error) => error.into(),
            PositionError::Publish(error) => error.into(),
            PositionError::Source(error) => error.into(),
            PositionError::Import(error) => error.into(),
        }
    }
}

impl From<&ImportError> for ExitCode {
    fn from(error: &ImportError) -> Self {
        match error {
            ImportError::Flag { .. }
            | ImportError::SeveralFound { .. }
            | ImportError::File { .. }
            | ImportError::Settings(_) => Self::Usage,
            ImportError::NoTopic { .. }
            | ImportError::NothingFound { .. }
            | ImportError::NoSuchName { .. }
            | ImportError::NoSuchClient { .. } => Self::NotFound,
            ImportError::NoOffsetsFile { .. }
            | ImportError::TopicDenied { .. }
            | ImportError::Broker(_)
            | ImportError::Malformed { .. }
            | ImportError::Snapshot { .. }
            | ImportError::Maxwell { .. }
            | ImportError::NoCoordinates { .. }
            | ImportError::NotThere { .. }
            | ImportError::TransactionMissing { .. }
            | ImportError::StillRuns { .. } => Self::Unavailable,
            ImportError::BrokeOff => Self::Internal,
        }
    }
}

impl From<&PublishError> for ExitCode {
    fn from(error: &PublishError) -> Self {
        match error {
            PublishError::Fenced { .. }
            | PublishError::AnotherRelay { .. }
            | PublishError::PositionSet { .. }
            | PublishError::Broker(_) => Self::Unavailable,
            PublishError::Stopped => Self::TryAgain,
            PublishError::Settings(_) => Self::Usage,
            PublishError::Record(error) => error.into(),
            PublishError::Checkpoint(error) => error.into(),
            PublishError::Thread(_) => Self::Internal,
        }
    }
}

impl From<&RecordError> for ExitCode {
    fn from(error: &RecordError) -> Self {
        match error {
            // The topic is named by the row, but it is the broker that lacks or denies it.
            RecordError::UnknownTopic { .. } | RecordError::TopicDenied { .. } => Self::Unavailable,
            RecordError::InvalidTopic { .. }
            | RecordError::UnknownPartition { .. }
            | RecordError::TooLarge { .. }
            | RecordError::Refused { .. } => Self::Data,
        }
    }
}

impl From<&CheckpointError> for ExitCode {
    fn from(error: &CheckpointError) -> Self {
        match error {
            CheckpointError::NewerVersion { .. }
            | CheckpointError::Malformed { .. }
            | CheckpointError::NotCreated { .. }
            | CheckpointError::ReplicationFactor { .. }
            | CheckpointError::Deletes { .. }
            | CheckpointError::NotReadable { .. }
            | CheckpointError::Broker(_) => Self::Unavailable,
            CheckpointError::NotEncodable(_) | CheckpointError::Thread(_) => Self::Internal,
            CheckpointError::Settings(_) => Self::Usage,
        }
    }
}

impl From<&SourceError> for ExitCode {
    fn from(error: &SourceError) -> Self {
        match error {
            SourceError::Rows { .. }
            | SourceError::Record { .. }
            | SourceError::StatementFormat { .. }
            | SourceError::BranchGone { .. } => Self::Data,
            SourceError::TableStart(error) if error.is_about_data() => Self::Data,
            SourceError::Connection(error)
            | SourceError::Server(ServerError::Connection(error)) => error.into(),
            SourceError::NoHost(none) => none.first().map_or(Self::Unavailable, Self::from),
            SourceError::Server(_)
            | SourceError::Unfit(_)
            | SourceError::Start(_)
            | SourceError::Files(_)
            | SourceError::TableStart(_)
            | SourceError::Event { .. }
            | SourceError::Transaction { .. }
            | SourceError::Mapping { .. }
            | SourceError::TableGone { .. }
            | SourceError::TableAlteredSince { .. }
            | SourceError::ColumnsUnnamed { .. }
            | SourceError::TableChanged { .. } => Self::Unavailable,
            SourceError::Panicked { .. } => Self::Internal,
            SourceError::Repeated { error, .. } => Self::from(&**error),
        }
    }
}

impl From<&ConnectionError> for ExitCode {
    fn from(error: &ConnectionError) -> Self {
        match error {
            ConnectionError::File { .. } | ConnectionError::Pem { .. } => Self::Usage,
            ConnectionError::Unreachable { .. }
            | ConnectionError::TimedOut { .. }
            | ConnectionError::Lost { .. }
            | ConnectionError::Silent { .. }
            | ConnectionError::Ended
            | ConnectionError::TlsNotOffered
            | ConnectionError::Tls { .. }
            | ConnectionError::AuthenticationPlugin { .. }
            | ConnectionError::PublicKey
            | ConnectionError::Protocol { .. }
            | ConnectionError::Refused(_) => Self::Unavailable,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        checkpoint::Writer,
        publish::{BrokerError, RecordPlace, SettingsError},
    };

    fn code(error: impl Into<PipelineError>) -> i32 {
        ExitCode::from(&Failure::Pipeline(error.into())).into()
    }

    fn place() -> Box<RecordPlace> {
        Box::new(RecordPlace {
            table: None,
            topic: "t".to_owned(),
            partition: None,
            event_id: None,
            bytes: 1,
            coordinates: None,
        })
    }

    #[test]
    fn another_relay_and_a_broker_that_refuses_are_unavailable() {
        let denied = BrokerError::AuthenticationFailed { doing: "d", reason: "r".to_owned() };

        let another = PublishError::AnotherRelay {
            source_name: "s".to_owned(),
            writer: Box::new(Writer::here()),
            committed_at: jiff::Timestamp::UNIX_EPOCH,
        };

        assert_eq!(code(another), 69);
        assert_eq!(code(PublishError::from(denied)), 69);
        assert_eq!(code(PublishError::from(RecordError::TopicDenied { place: place() })), 69);
    }

    #[test]
    fn row_that_cannot_be_published_is_bad_data() {
        let too_large = RecordError::TooLarge { place: place(), reason: "r".to_owned() };

        assert_eq!(code(PublishError::from(too_large)), 65);
        assert_eq!(code(PublishError::from(RecordError::InvalidTopic { place: place() })), 65);
    }

    #[test]
    fn limits_of_time_ask_to_be_started_again() {
        let last = Box::new(PipelineError::SourceFinished);

        assert_eq!(code(PipelineError::GraceExceeded { grace: Duration::ZERO }), 75);
        assert_eq!(code(PipelineError::SourceAway { away: Duration::ZERO }), 75);
        assert_eq!(code(PipelineError::GaveUp { failing_for: Duration::ZERO, last }), 75);
    }

    #[test]
    fn panics_are_faults_of_the_relay() {
        assert_eq!(code(PipelineError::PublisherPanicked), 70);
        assert_eq!(code(PipelineError::SourcePanicked { message: "m".to_owned() }), 70);
    }

    #[test]
    fn settings_are_a_matter_of_the_configuration() {
        let refused = SettingsError::PropertyRefused { name: "acks".to_owned(), reason: "r" };

        assert_eq!(ExitCode::from(&Failure::Settings(refused)), ExitCode::Usage);
    }
}
