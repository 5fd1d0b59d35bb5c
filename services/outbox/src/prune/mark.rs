//! Rows that were seen, a checkpoint → whether the relay has published all of them.
//!
//! No clock, no client and no server in here: what they answered comes as values.
//!
//! A checkpoint counts only if it was written after the rows were seen, or is exactly at the binlog's
//! end. A binlog that was reset starts its files and GTIDs anew, and an old checkpoint would seem to be
//! ahead of it; a new one comes from a relay that has looked at the server.

use crate::checkpoint::{Checkpoint, Coordinates};

/// The end of the binlog when rows had been seen: their transactions lie before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Of the newest checkpoint before the rows were looked at.
    pub(super) sequence: u64,
    pub(super) server_uuid: String,
    pub(super) end: End,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// `@@gtid_executed`; the server says how sets compare.
    Gtids(String),
    /// What `show binary log status` says.
    Coordinates(Coordinates),
}

/// How far a checkpoint reaches, seen from a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Short,
    /// Nothing is between them.
    Exact,
    Beyond,
    /// Of another server, or another series of files: the two cannot be compared.
    Unknown,
}

impl Reach {
    pub(super) fn of_coordinates(mark: &Mark, end: &Coordinates, checkpoint: &Checkpoint) -> Self {
        let position = &checkpoint.position;
        if !position.server_uuid.eq_ignore_ascii_case(&mark.server_uuid) {
            return Self::Unknown;
        }
        match position.coordinates.partial_cmp(end) {
            None => Self::Unknown,
            Some(std::cmp::Ordering::Less) => Self::Short,
            Some(std::cmp::Ordering::Equal) => Self::Exact,
            Some(std::cmp::Ordering::Greater) => Self::Beyond,
        }
    }

    /// By the two answers of `gtid_subset`.
    pub(super) fn of_gtids(end_in_checkpoint: bool, checkpoint_in_end: bool) -> Self {
        match (end_in_checkpoint, checkpoint_in_end) {
            (true, true) => Self::Exact,
            (true, false) => Self::Beyond,
            (false, _) => Self::Short,
        }
    }
}

impl Mark {
    /// Whether everything before the mark is in Kafka.
    pub(super) fn is_passed(&self, checkpoint: &Checkpoint, reach: Reach) -> bool {
        match reach {
            Reach::Exact => true,
            Reach::Beyond => checkpoint.sequence > self.sequence,
            Reach::Short | Reach::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Position;

    fn at(file: &str, position: u64) -> Coordinates {
        Coordinates { file: file.to_owned(), position }
    }

    fn checkpoint(sequence: u64, coordinates: Coordinates) -> Checkpoint {
        let position = Position { server_uuid: "AA".to_owned(), coordinates, gtid_set: None };
        Checkpoint { sequence, position }
    }

    fn is_passed(end: Coordinates, server_uuid: &str, checkpoint: &Checkpoint) -> bool {
        let server_uuid = server_uuid.to_owned();
        let mark = Mark { sequence: 7, server_uuid, end: End::Coordinates(end.clone()) };
        mark.is_passed(checkpoint, Reach::of_coordinates(&mark, &end, checkpoint))
    }

    #[test]
    fn newer_checkpoint_at_or_past_the_mark_has_passed_it() {
        let end = at("bin-log.000002", 500);

        assert!(is_passed(end.clone(), "aa", &checkpoint(8, at("bin-log.000002", 500))));
        assert!(is_passed(end.clone(), "aa", &checkpoint(8, at("bin-log.000003", 4))));
        assert!(!is_passed(end.clone(), "aa", &checkpoint(8, at("bin-log.000002", 499))));
        assert!(!is_passed(end, "aa", &checkpoint(8, at("bin-log.000001", 900))));
    }

    #[test]
    fn old_checkpoint_counts_only_at_the_very_end_as_on_a_quiet_server() {
        let end = at("bin-log.000002", 500);

        assert!(is_passed(end.clone(), "aa", &checkpoint(7, end.clone())));
        assert!(!is_passed(end, "aa", &checkpoint(7, at("bin-log.000042", 4))), "a reset binlog");
    }

    #[test]
    fn coordinates_of_another_server_or_series_say_nothing() {
        let end = at("bin-log.000002", 500);

        assert!(!is_passed(end.clone(), "bb", &checkpoint(8, at("bin-log.000003", 4))));
        assert!(!is_passed(end, "aa", &checkpoint(8, at("other.000003", 4))));
    }

    #[test]
    fn gtids_of_the_mark_must_all_be_in_the_checkpoint() {
        let reaches = [(true, true), (true, false), (false, true), (false, false)]
            .map(|(end_in, checkpoint_in)| Reach::of_gtids(end_in, checkpoint_in));

        assert_eq!(reaches, [Reach::Exact, Reach::Beyond, Reach::Short, Reach::Short]);
    }
}
