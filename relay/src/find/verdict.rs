//! Event, checkpoint and copies → what became of the event.
//!
//! Pure.

use std::cmp::Ordering;

use serde::Serialize;
use uuid::Uuid;

use super::{
    copies::{Copies, Visibility},
    events::Event,
    kafka::{Destination, Searched},
};
use crate::position::Position;

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    /// Consumers see it.
    Published,
    /// Consumers see it, and this source's checkpoint is not past it: another relay published it, or the
    /// checkpoint was set back, and it is going to be published once more.
    PublishedByAnother,
    /// Consumers see only what a replay published.
    OnlyReplayed,
    /// It is in the partition, behind where consumers of committed records read to: a transaction is open.
    Open,
    /// It is only there as part of transactions that were aborted.
    Aborted,
    /// The checkpoint is not past it.
    Waiting,
    /// There is no checkpoint: no relay of this source has begun.
    NoRelay,
    /// The checkpoint is past it.
    Gone,
    /// The checkpoint is that of another server.
    Unknown,
}

impl Status {
    pub(super) fn is_in_kafka(self) -> bool {
        match self {
            Self::Published | Self::PublishedByAnother | Self::OnlyReplayed => true,
            Self::Open
            | Self::Aborted
            | Self::Waiting
            | Self::NoRelay
            | Self::Gone
            | Self::Unknown => false,
        }
    }
}

/// What there is to be known of a checkpoint: how it stands to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    NoCheckpoint,
    Past,
    Before,
    /// Of a server whose coordinates say nothing here.
    Incomparable,
}

/// Where the events were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Here {
    /// Nil of files: they do not say it.
    pub(super) server_uuid: Uuid,
    /// Every transaction has a GTID.
    pub(super) is_by_gtids: bool,
}

impl Standing {
    pub(super) fn of(position: Option<&Position>, event: &Event, here: Here) -> Self {
        let Some(position) = position else { return Self::NoCheckpoint };
        if let (Some(published), Some(gtid)) = (&position.gtid_set, &event.gtid) {
            if published.contains(gtid) || is_out_in_part(position, event, here) {
                return Self::Past;
            }
            if here.is_by_gtids {
                return Self::Before;
            }
        }
        if here.server_uuid.is_nil() || position.server_uuid != here.server_uuid {
            return Self::Incomparable;
        }
        match position.coordinates.partial_cmp(&event.ends_at) {
            Some(Ordering::Greater | Ordering::Equal) => Self::Past,
            Some(Ordering::Less) if is_out_in_part(position, event, here) => Self::Past,
            Some(Ordering::Less) => Self::Before,
            None => Self::Incomparable,
        }
    }
}

/// Whether its transaction is in progress, and the event among its rows that are out.
fn is_out_in_part(position: &Position, event: &Event, here: Here) -> bool {
    let Some(in_progress) = &position.in_progress else { return false };
    let is_its = match &in_progress.gtid {
        Some(gtid) => event.gtid.as_ref() == Some(gtid),
        // Without GTIDs it is the first transaction behind the coordinates.
        None => position.server_uuid == here.server_uuid && position.coordinates == event.begins_at,
    };
    is_its && event.rows_before < in_progress.outbox_rows
}

/// `before` is the checkpoint that was read before Kafka was looked at, `after` the one after it: what is
/// not there has to be missing for longer than the first, and what is there has to be unknown to the
/// second.
pub(super) fn status(copies: &Copies, before: Standing, after: Standing) -> Status {
    if copies.originals().next().is_some() {
        return match after {
            Standing::Before | Standing::NoCheckpoint => Status::PublishedByAnother,
            Standing::Past | Standing::Incomparable => Status::Published,
        };
    }
    if copies.has(Visibility::Open) {
        return Status::Open;
    }
    if copies.committed().next().is_some() {
        return Status::OnlyReplayed;
    }
    if copies.has(Visibility::Aborted) {
        return Status::Aborted;
    }
    match before {
        Standing::NoCheckpoint => Status::NoRelay,
        Standing::Before => Status::Waiting,
        Standing::Past => Status::Gone,
        Standing::Incomparable => Status::Unknown,
    }
}

/// Why an event that was published is not there any more, as far as the partition tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Loss {
    NoTopic,
    /// The partition begins behind it: retention, or somebody deleted records.
    Deleted,
    /// What is older than it is still there.
    NotDeleted,
}

impl Loss {
    pub(super) fn of(destination: &Destination) -> Self {
        if destination.partitions.is_empty() {
            return Self::NoTopic;
        }
        let is_cut = |searched: &Searched| searched.earliest > 0 && !searched.has_older;
        match destination.partitions.iter().any(is_cut) {
            true => Self::Deleted,
            false => Self::NotDeleted,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::{
        find::{
            copies::{Copy, tests::copy},
            events,
        },
        position::{Gtid, InProgress},
    };

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn here(is_by_gtids: bool) -> Here {
        Here { server_uuid: UUID.parse().unwrap(), is_by_gtids }
    }

    fn event(gtid: Option<u64>) -> Event {
        Event {
            record: events::tests::record("1", "k"),
            gtid: gtid.map(|number| {
                Gtid::new(UUID.parse().unwrap(), Default::default(), number).unwrap()
            }),
            begins_at: "b.000003:700".parse().unwrap(),
            ends_at: "b.000003:900".parse().unwrap(),
            committed_at: Timestamp::UNIX_EPOCH,
            rows_before: 4,
        }
    }

    fn position(coordinates: &str, gtids: Option<&str>, rows_out: Option<u64>) -> Position {
        Position {
            server_uuid: UUID.parse().unwrap(),
            coordinates: coordinates.parse().unwrap(),
            file_begun: None,
            gtid_set: gtids.map(|numbers| format!("{UUID}:{numbers}").parse().unwrap()),
            in_progress: rows_out.map(|outbox_rows| InProgress { gtid: None, outbox_rows }),
            table_start: None,
            prepared: Vec::new(),
        }
    }

    fn standing(position: &Position, event: &Event, here: Here) -> Standing {
        Standing::of(Some(position), event, here)
    }

    #[rstest]
    #[case("b.000003:899", Standing::Before)]
    #[case("b.000003:900", Standing::Past)]
    #[case("b.000004:4", Standing::Past)]
    #[case("other.000001:4", Standing::Incomparable)]
    fn coordinates_are_past_an_event_at_the_end_of_its_transaction(
        #[case] at: &str,
        #[case] expected: Standing,
    ) {
        assert_eq!(standing(&position(at, None, None), &event(None), here(false)), expected);
    }

    #[test]
    fn coordinates_of_another_server_or_of_files_say_nothing() {
        let mut elsewhere = position("b.000004:4", None, None);
        elsewhere.server_uuid = Uuid::max();
        let files = Here { server_uuid: Uuid::nil(), is_by_gtids: false };

        assert_eq!(standing(&elsewhere, &event(None), here(false)), Standing::Incomparable);
        let position = position("b.000004:4", None, None);
        assert_eq!(standing(&position, &event(None), files), Standing::Incomparable);
        assert_eq!(Standing::of(None, &event(None), files), Standing::NoCheckpoint);
    }

    #[test]
    fn gtids_decide_on_any_server_whatever_the_coordinates_say() {
        let mut position = position("b.000009:4", Some("1-6"), None);
        position.server_uuid = Uuid::max();

        assert_eq!(standing(&position, &event(Some(6)), here(true)), Standing::Past);
        assert_eq!(standing(&position, &event(Some(7)), here(true)), Standing::Before);
    }

    #[test]
    fn coordinates_decide_where_some_transactions_have_no_gtid() {
        let position = position("b.000003:900", Some("1-6"), None);

        assert_eq!(standing(&position, &event(Some(7)), here(false)), Standing::Past);
    }

    #[test]
    fn rows_of_a_transaction_in_progress_are_out_one_by_one() {
        let at = |rows_out| position("b.000003:700", None, Some(rows_out));

        assert_eq!(standing(&at(4), &event(None), here(false)), Standing::Before);
        assert_eq!(standing(&at(5), &event(None), here(false)), Standing::Past);
        let another = position("b.000003:600", None, Some(5));
        assert_eq!(standing(&another, &event(None), here(false)), Standing::Before);
    }

    fn copies(copies: &[Copy]) -> Copies {
        Copies { kept: copies.to_vec(), more: 0 }
    }

    fn replayed(offset: i64) -> Copy {
        Copy { replayed: Some("r".to_owned()), ..copy(offset, Visibility::Committed) }
    }

    #[rstest]
    #[case::seen(&[copy(1, Visibility::Committed), replayed(2)], Status::Published)]
    #[case::replayed(&[replayed(2), copy(3, Visibility::Aborted)], Status::OnlyReplayed)]
    #[case::open(&[copy(1, Visibility::Aborted), copy(3, Visibility::Open)], Status::Open)]
    #[case::aborted(&[copy(1, Visibility::Aborted)], Status::Aborted)]
    #[case::nothing(&[], Status::Gone)]
    fn what_consumers_see_counts_first(#[case] kept: &[Copy], #[case] expected: Status) {
        assert_eq!(status(&copies(kept), Standing::Past, Standing::Past), expected);
    }

    #[rstest]
    #[case(Standing::Before, Status::Waiting)]
    #[case(Standing::NoCheckpoint, Status::NoRelay)]
    #[case(Standing::Incomparable, Status::Unknown)]
    fn event_without_a_copy_is_what_the_checkpoint_says(
        #[case] before: Standing,
        #[case] expected: Status,
    ) {
        // A relay that publishes it meanwhile is not to blame for what was not there yet.
        assert_eq!(status(&Copies::default(), before, Standing::Past), expected);
    }

    #[test]
    fn only_a_relay_that_is_behind_after_the_look_did_not_publish_what_is_there() {
        let seen = copies(&[copy(1, Visibility::Committed)]);

        assert_eq!(status(&seen, Standing::Before, Standing::Past), Status::Published);
        assert_eq!(status(&seen, Standing::Before, Standing::Before), Status::PublishedByAnother);
    }

    #[rstest]
    #[case::retention(5, false, Loss::Deleted)]
    #[case::older_is_there(5, true, Loss::NotDeleted)]
    #[case::never_deleted(0, false, Loss::NotDeleted)]
    fn partition_that_begins_behind_the_event_has_lost_it(
        #[case] earliest: i64,
        #[case] has_older: bool,
        #[case] expected: Loss,
    ) {
        let searched = Searched { partition: 0, earliest, from: None, end: 9, has_older };
        let destination = Destination { partitions: vec![searched], copies: Copies::default() };

        assert_eq!(Loss::of(&destination), expected);
        assert_eq!(Loss::of(&Destination::default()), Loss::NoTopic);
    }
}
