//! What a person calls a part of the binlog → coordinates and GTID sets, and what is chosen of it.
//!
//! ```text
//! --from, --until ──point──▶ points ──resolve──▶ Range ──source::run──▶ chunks ──selection──▶ chosen
//! ```
//!
//! Before this: `cli`. After this: `replay`, which publishes it once more, and `find`, which looks for an
//! event in it.

mod extent;
mod point;
mod resolve;
mod selection;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::{
    extent::Extent,
    point::Point,
    resolve::{in_files, on_server},
    selection::Selection,
};
pub use self::{point::PointError, selection::SelectionError};
use crate::{
    config::{Config, OnPositionLost},
    position::{BinlogCoordinates, GtidSet, Position},
    source::{Bounds, PresentColumns, SourceError, binlog_files::BinlogFilesError},
};

/// Why there is no such part of the binlog.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    #[error(transparent)]
    Point(#[from] PointError),
    #[error("--from is {start}, which lies behind --until, which is {end}")]
    Backwards { start: BinlogCoordinates, end: BinlogCoordinates },
    #[error(
        "--from past:{wanted}: no transaction holds that place or ends at it; before it the file ends at {end}"
    )]
    NothingThere { wanted: BinlogCoordinates, end: BinlogCoordinates },
    #[error(transparent)]
    Files(#[from] BinlogFilesError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("a look at files broke off")]
    BrokeOff,
}

/// What two points are at one moment: the same however often it is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Range {
    /// Nil of files: they do not say it.
    pub(crate) server_uuid: Uuid,
    pub(crate) start: BinlogCoordinates,
    pub(crate) end: BinlogCoordinates,
    /// These are left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) after: Option<GtidSet>,
    /// Others are left out.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) within: Option<GtidSet>,
}

impl Range {
    pub(crate) fn bounds(&self) -> Bounds {
        Bounds {
            end: Some(self.end.clone()),
            after: self.after.clone(),
            within: self.within.clone(),
        }
    }

    /// Coordinates alone count: GTIDs only choose.
    pub(crate) fn start(&self) -> Position {
        Position {
            server_uuid: self.server_uuid,
            coordinates: self.start.clone(),
            file_begun: None,
            gtid_set: None,
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }
}

/// Who reads beside the daemon has another name, and so another server id, so that the daemon's stream
/// is not disturbed.
pub(crate) fn aside(config: &mut Config, source: &str) {
    source.clone_into(&mut config.source);
    config.mysql.server_id = None;
    // A range is read whole or not at all, and nothing beside it.
    config.mysql.on_position_lost = OnPositionLost::Halt;
}

/// Where the names of columns come from that the binlog does not say.
pub(crate) fn present_columns(has_server: bool, trust_present: bool) -> PresentColumns {
    match (has_server, trust_present) {
        (false, _) => PresentColumns::Unknown,
        (true, true) => PresentColumns::Trusted,
        (true, false) => PresentColumns::IfUnaltered,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::config::Flag;

    #[test]
    fn reader_aside_has_nothing_of_the_daemon_that_it_could_disturb_or_be_led_astray_by() {
        let flags = [("--mysql", "mysql://u@h"), ("--kafka", "k:1")]
            .map(|(flag, value)| Flag { flag, values: vec![value.to_owned()] });
        let mut config = Config::load(None, [], &flags).unwrap();
        config.mysql.server_id = NonZeroU32::new(7);
        config.mysql.on_position_lost = OnPositionLost::Table;

        aside(&mut config, "shop.replay");

        assert_eq!((config.source.as_str(), config.mysql.server_id), ("shop.replay", None));
        assert_eq!(config.mysql.on_position_lost, OnPositionLost::Halt);
    }
}
