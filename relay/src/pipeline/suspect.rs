//! A record that cannot be published fails the batch that it is in, and with it the records before it.
//! So the relay comes back once and publishes one transaction after the other, until it stands right
//! before that record.
//!
//! Pure. Before this: `attempt`, which failed. After this: `attempt`, which is more careful.

use uuid::Uuid;

use super::PipelineError;
use crate::{
    position::{BinlogCoordinates, Position},
    publish::PublishError,
};

/// Where a record that could not be published lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspect {
    server_uuid: Uuid,
    /// The end of its chunk; of a transaction that leaves in parts, its beginning.
    coordinates: BinlogCoordinates,
}

impl Suspect {
    /// The record that `error` is about, if it is about one that came from `server_uuid`.
    pub(super) fn of(error: &PipelineError, server_uuid: Uuid) -> Option<Self> {
        let PipelineError::Publish(PublishError::Record(error)) = error else { return None };
        let coordinates = error.place().coordinates.clone()?;
        Some(Self { server_uuid, coordinates })
    }

    /// Whether it is published after all. Where the coordinates cannot be compared nobody knows, and
    /// being careful for ever would be slow for ever.
    pub(super) fn is_passed(&self, committed: &Position) -> bool {
        committed.server_uuid != self.server_uuid
            || committed
                .coordinates
                .partial_cmp(&self.coordinates)
                .is_none_or(std::cmp::Ordering::is_gt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::{RecordError, RecordPlace};

    fn coordinates(position: u64) -> BinlogCoordinates {
        BinlogCoordinates { file: "bin-log.000002".into(), position }
    }

    fn error(coordinates: Option<BinlogCoordinates>) -> PipelineError {
        let place = RecordPlace {
            table: None,
            topic: "t".to_owned(),
            partition: None,
            event_id: None,
            bytes: 1,
            coordinates,
        };
        let error = RecordError::TooLarge { place: Box::new(place), reason: String::new() };
        PublishError::from(error).into()
    }

    fn position(coordinates: BinlogCoordinates) -> Position {
        Position {
            server_uuid: Uuid::nil(),
            coordinates,
            file_begun: None,
            gtid_set: None,
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }

    #[test]
    fn record_is_passed_only_behind_its_coordinates() {
        let suspect = Suspect::of(&error(Some(coordinates(500))), Uuid::nil()).unwrap();

        assert!(!suspect.is_passed(&position(coordinates(499))));
        // A transaction that leaves in parts has not ended where it began.
        assert!(!suspect.is_passed(&position(coordinates(500))));
        assert!(suspect.is_passed(&position(coordinates(501))));
    }

    #[test]
    fn coordinates_of_another_server_or_log_say_nothing() {
        let suspect = Suspect::of(&error(Some(coordinates(500))), Uuid::nil()).unwrap();
        let elsewhere = Position { server_uuid: Uuid::max(), ..position(coordinates(1)) };
        let renamed = BinlogCoordinates { file: "other.000002".into(), position: 1 };

        assert!(suspect.is_passed(&elsewhere));
        assert!(suspect.is_passed(&position(renamed)));
    }

    #[test]
    fn only_a_record_of_the_source_is_suspected() {
        assert_eq!(Suspect::of(&error(None), Uuid::nil()), None);
        assert_eq!(Suspect::of(&PublishError::Stopped.into(), Uuid::nil()), None);
    }
}
