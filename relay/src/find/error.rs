//! Why an event was not found, or could not be looked for.

use crate::{
    checkpoint::CheckpointError,
    publish::{BrokerError, SettingsError},
    range::RangeError,
    source::{SourceError, binlog_files::BinlogFilesError},
};

#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error(
        "nothing to look for: name the event with --id, or choose events with --key and --type"
    )]
    NothingAsked,
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error(transparent)]
    Files(#[from] BinlogFilesError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error(
        "the Kafka principal may not read topic `{topic}`: to look for events it needs READ and DESCRIBE \
         on it, which the relay itself does not"
    )]
    NotReadable { topic: String },
    #[error("the report cannot be written down")]
    NotEncodable(#[source] serde_json::Error),
    #[error("a look at Kafka broke off")]
    BrokeOff,
    /// The report says so at length.
    #[error("not found in what was searched of the binlog")]
    NotFound,
    /// The report says why.
    #[error("found in the binlog; {missing} of {found} not in Kafka")]
    NotInKafka { found: usize, missing: usize },
}
