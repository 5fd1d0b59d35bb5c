//! librdkafka's error codes → what they mean for the relay.
//!
//! The one place where Kafka's open list of codes becomes a closed one of ours. A code that is not
//! named here is [`Fault::Unlisted`], and that halts: guessing that an unknown error passes by itself
//! would hide it.

use rdkafka::types::RDKafkaErrorCode as Code;

/// Situations that the relay tells apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Another producer took over the transactional id, or the broker aborted the transaction
    /// because it was open for too long: the broker says the same in both cases.
    Fenced,
    /// The broker forgot the transactional id: it was idle for `transactional.id.expiration.ms`.
    IdExpired,
    Unreachable,
    TimedOut,
    /// The broker is up and answers "not now".
    Busy,
    AuthenticationFailed,
    TopicDenied,
    TransactionalIdDenied,
    GroupDenied,
    ClusterDenied,
    UnknownTopic,
    UnknownPartition,
    InvalidTopic,
    RecordTooLarge,
    RecordRefused,
    TransactionTimeoutRefused,
    /// The broker lacks the protocol: too old, or not Kafka.
    Unsupported,
    /// Discarded because the producer was given up; says nothing about the cause.
    Purged,
    /// The producer is unusable; [`rdkafka::client::Client::fatal_error`] has the cause.
    Fatal,
    Unlisted,
}

/// The broker is electing, loading, moving or overloaded: the same request goes through later.
const BUSY: [Code; 28] = [
    Code::WaitingForCoordinator,
    Code::InProgress,
    Code::Retry,
    Code::ISRInsufficient,
    Code::NoEnt,
    Code::LeaderNotAvailable,
    Code::NotLeaderForPartition,
    Code::BrokerNotAvailable,
    Code::ReplicaNotAvailable,
    Code::CoordinatorLoadInProgress,
    Code::CoordinatorNotAvailable,
    Code::NotCoordinator,
    Code::NotEnoughReplicas,
    Code::NotEnoughReplicasAfterAppend,
    Code::NotController,
    Code::ConcurrentTransactions,
    Code::TransactionCoordinatorFenced,
    Code::KafkaStorageError,
    Code::FencedLeaderEpoch,
    Code::UnknownLeaderEpoch,
    Code::StaleBrokerEpoch,
    Code::OffsetNotAvailable,
    Code::PreferredLeaderNotAvailable,
    Code::EligibleLeadersNotAvailable,
    Code::ThrottlingQuotaExceeded,
    Code::UnknownTopicId,
    Code::OutOfOrderSequenceNumber,
    Code::InvalidMessage,
];

impl Fault {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the foreign list of codes is open; what is not listed halts"
    )]
    pub(crate) fn of(code: Code) -> Self {
        match code {
            Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch => Self::Fenced,
            Code::InvalidProducerIdMapping | Code::UnknownProducerId => Self::IdExpired,
            Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::Resolve
            | Code::SSL
            | Code::NetworkException
            | Code::UnknownBroker
            | Code::BrokerDestroy
            | Code::DestroyBroker
            | Code::RebootstrapRequired => Self::Unreachable,
            Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::TimedOutQueue
            | Code::RequestTimedOut => Self::TimedOut,
            code if BUSY.contains(&code) => Self::Busy,
            Code::Authentication
            | Code::SaslAuthenticationFailed
            | Code::UnsupportedSASLMechanism
            | Code::IllegalSASLState => Self::AuthenticationFailed,
            Code::TopicAuthorizationFailed => Self::TopicDenied,
            Code::TransactionalIdAuthorizationFailed => Self::TransactionalIdDenied,
            Code::GroupAuthorizationFailed => Self::GroupDenied,
            Code::ClusterAuthorizationFailed => Self::ClusterDenied,
            Code::UnknownTopic | Code::UnknownTopicOrPartition => Self::UnknownTopic,
            Code::UnknownPartition => Self::UnknownPartition,
            Code::InvalidTopic => Self::InvalidTopic,
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge | Code::InvalidMessageSize => {
                Self::RecordTooLarge
            }
            Code::InvalidRecord
            | Code::InvalidTimestamp
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedCompressionType
            | Code::PolicyViolation => Self::RecordRefused,
            Code::InvalidTransactionTimeout => Self::TransactionTimeoutRefused,
            Code::UnsupportedFeature | Code::UnsupportedVersion | Code::NotImplemented => {
                Self::Unsupported
            }
            Code::PurgeQueue | Code::PurgeInflight => Self::Purged,
            Code::Fatal | Code::GaplessGuarantee => Self::Fatal,
            _ => Self::Unlisted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_words_for_a_lost_id_are_one_situation() {
        for code in [Code::Fenced, Code::ProducerFenced, Code::InvalidProducerEpoch] {
            assert_eq!(Fault::of(code), Fault::Fenced, "{code}");
        }
    }

    #[test]
    fn code_without_a_meaning_here_is_unlisted() {
        assert_eq!(Fault::of(Code::ElectionNotNeeded), Fault::Unlisted);
    }
}
