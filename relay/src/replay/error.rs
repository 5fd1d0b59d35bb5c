//! Why a replay does not begin, or does not end as it should.

use crate::{
    checkpoint::CheckpointError,
    pipeline::PipelineError,
    position::BinlogCoordinates,
    publish::SettingsError,
    range::{RangeError, SelectionError},
    source::{SourceError, binlog_files::BinlogFilesError},
};

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error(transparent)]
    Range(#[from] RangeError),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(
        "`--name {name}`: a name is 1 to 80 of the characters a-z A-Z 0-9 . _ -, it becomes a part of \
         transactional ids"
    )]
    Name { name: String },
    #[error(
        "`--to-topic-prefix {prefix}`: a topic's name has only letters, digits, `.`, `_` and `-`"
    )]
    Prefix { prefix: String },
    #[error(
        "replay `{name}` was begun and is not finished, it stands at {at}; go on with `--resume --name \
         {name}`, or give this one another --name"
    )]
    Unfinished { name: String, at: BinlogCoordinates },
    #[error("replay `{name}` is finished; to publish the same once more, give it another --name")]
    Finished { name: String },
    #[error("there is no replay `{name}` of this source to be resumed")]
    NoSuchReplay { name: String },
    #[error("replay `{name}` reads from a server: name it with --mysql, or in the configuration")]
    NoServer { name: String },
    #[error(
        "replay `{name}` was begun with {argument} {stored}, not {given}; a replay is resumed as it was \
         begun: leave {argument} out"
    )]
    OtherArguments { name: String, argument: &'static str, stored: String, given: String },
    #[error("the checkpoint of replay `{name}` does not say what it replays")]
    Malformed {
        name: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("what is to be replayed cannot be written down")]
    NotEncodable(#[source] serde_json::Error),
    #[error(transparent)]
    Files(#[from] BinlogFilesError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Everything up to there is committed.
    #[error(
        "replay `{name}` was stopped at {at}, everything before is published; go on with `rowpost replay \
         --resume --name {name}`"
    )]
    Stopped { name: String, at: BinlogCoordinates },
    /// At something that no further start gets past.
    #[error(
        "replay `{name}` cannot go on; to leave that transaction out, begin another replay with `--from` and \
         the `past:…` of this message, under another --name: `rowpost position set` moves the relay, not a \
         replay"
    )]
    Halted {
        name: String,
        #[source]
        source: Box<PipelineError>,
    },
    #[error("stopped before anything was published")]
    StoppedBefore,
    #[error("a look at Kafka broke off")]
    BrokeOff,
}
