//! What can go wrong with the stored checkpoint.

use rdkafka::types::RDKafkaErrorCode;

use super::record::RecordOrigin;
use crate::{
    error::Disposition,
    publish::{BrokerError, Fault, Session, SettingsError},
};

#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    #[error(
        "the checkpoint at offset {} of topic {} is written in format {version} by rowpost \
         {relay_version}; this version reads up to format {known}: run that version or a newer one",
        origin.kafka_offset, origin.topic
    )]
    NewerVersion { origin: RecordOrigin, version: u32, known: u32, relay_version: String },
    #[error(
        "the record at offset {} of topic {} is no checkpoint; was it written by something else than \
         rowpost?", origin.kafka_offset, origin.topic
    )]
    Malformed { origin: RecordOrigin, source: serde_json::Error },
    #[error("the checkpoint could not be encoded")]
    NotEncodable(#[source] serde_json::Error),
    #[error(
        "the checkpoint topic `{topic}` is missing and could not be created: {reason}; grant CREATE on \
         it, or create it: kafka-topics --create --topic {topic} --partitions 1 --config \
         cleanup.policy=compact"
    )]
    NotCreated { topic: String, reason: String },
    #[error(
        "the checkpoint topic `{topic}` could not be created with checkpoint.replication_factor = \
         {replication_factor}: {reason}"
    )]
    ReplicationFactor { topic: String, replication_factor: i32, reason: String },
    #[error(
        "the checkpoint topic `{topic}` has cleanup.policy={policy}: the broker would delete the \
         position; it must be exactly `compact`: kafka-configs --alter --entity-type topics \
         --entity-name {topic} --add-config cleanup.policy=compact"
    )]
    Deletes { topic: String, policy: String },
    #[error(
        "the Kafka principal may not read the checkpoint topic `{topic}`: it needs READ and DESCRIBE"
    )]
    NotReadable { topic: String },
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("a thread for the broker's answer could not be started")]
    Thread(#[from] std::io::Error),
}

impl CheckpointError {
    /// For an answer that did not pass.
    pub(super) fn of(session: &Session<'_>, doing: &'static str, code: RDKafkaErrorCode) -> Self {
        if Fault::of(code) == Fault::TopicDenied {
            return Self::NotReadable { topic: session.settings.checkpoint_topic.clone() };
        }
        session.error(doing, code).into()
    }

    pub fn disposition(&self) -> Disposition {
        match self {
            Self::NewerVersion { .. }
            | Self::Malformed { .. }
            | Self::NotEncodable(_)
            | Self::NotCreated { .. }
            | Self::ReplicationFactor { .. }
            | Self::Deletes { .. }
            | Self::NotReadable { .. } => Disposition::Halt,
            Self::Thread(_) => Disposition::Retry,
            Self::Broker(error) => error.disposition(),
            Self::Settings(error) => error.disposition(),
        }
    }
}
