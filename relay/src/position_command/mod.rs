//! `rowpost position`: where the checkpoint is, and how a person moves it.
//!
//! Promises:
//! - `show` only reads, and disturbs no relay;
//! - `set` writes nothing before it has said what is left out or comes twice, and only a position that
//!   the server can serve and that lies between two transactions;
//! - what `set` writes holds: every older relay is shut out before, and says by whom.
//!
//! Not promised, with `delivery = "at-least-once"`: to shut a running relay out. It must be stopped.

mod branches;
mod conclusion;
mod import;
mod plan;
mod report;
mod set;
mod show;
mod target;
mod text;

use std::time::Duration;

use crate::{
    checkpoint::{CheckpointError, Writer},
    position::BinlogCoordinates,
    publish::{PublishError, SettingsError},
    source::{SourceError, server::ServerError, start::StartError},
};

pub(crate) use self::text::line;
pub use self::{
    import::{ImportError, Product, import},
    set::set,
    show::show,
};

/// Why the position was not shown or set.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the source cannot be asked")]
    Source(#[from] SourceError),
    #[error(transparent)]
    Import(#[from] ImportError),
    #[error("`{text}` is no position: {reason}")]
    NotAPosition { text: String, reason: String },
    #[error("the source cannot be read from there")]
    NotServed(#[source] StartError),
    #[error(
        "{wanted} is not between two transactions: the one around it begins at {before} and ends at {}; \
         `past:{wanted}` means its end", behind.as_ref().map_or_else(|| "a later file".to_owned(), ToString::to_string)
    )]
    NotABoundary {
        wanted: BinlogCoordinates,
        before: BinlogCoordinates,
        behind: Option<BinlogCoordinates>,
    },
    #[error("the binlog file ends at {end}; no transaction holds or ends at {wanted}")]
    NothingThere { wanted: BinlogCoordinates, end: BinlogCoordinates },
    #[error("nothing was written: what is said above needs --yes")]
    NotConfirmed,
    #[error(
        "a relay of this source runs: {writer} has stored a checkpoint meanwhile. Stop it, or shut it out \
         with --force: it ends with exit code 69 then"
    )]
    RelayRuns { writer: Box<Writer> },
    #[error(
        "the checkpoint has no prepared XA branch {xid}, only: {}", if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(" ")
        }
    )]
    NoSuchBranch { xid: String, known: Vec<String> },
    #[error("the checkpoint was moved meanwhile, to {found}; nothing was set: look again")]
    Moved { found: BinlogCoordinates },
    #[error(
        "with delivery = \"at-least-once\" a running relay cannot be shut out; stop it and leave --force out"
    )]
    NothingToFenceWith,
}

impl From<ServerError> for PositionError {
    fn from(error: ServerError) -> Self {
        Self::Source(error.into())
    }
}

/// How much longer than `checkpoint.interval` a relay may take to store its checkpoint.
const INTERVAL_SLACK: Duration = Duration::from_secs(3);
