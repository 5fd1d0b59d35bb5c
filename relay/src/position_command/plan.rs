//! Two positions → what lies between them: left out, or published once more.
//!
//! Pure. Before this: `target`. After this: `text`, and the question whether that is meant.

use std::cmp::Ordering;

use crate::{
    position::{GtidSet, Position},
    source::server::{ServerFacts, bytes_between},
};

/// What a move of the checkpoint means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Move {
    pub(super) skipped: Option<Stretch>,
    pub(super) repeated: Option<Stretch>,
    /// Outbox rows of the transaction in progress that are out: it is left, or begun once more.
    pub(super) rows_in_progress: Option<u64>,
    /// Rows published by a start from the tables, of which the rest is left out.
    pub(super) rows_of_tables: Option<u64>,
    /// The old position says nothing on this server.
    pub(super) is_incomparable: bool,
}

/// A part of the binlog.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stretch {
    /// Transactions by their GTIDs; `None` where they have none.
    pub(super) gtids: Option<GtidSet>,
    /// Bytes and files of the server's binlog; `None` where coordinates do not tell.
    pub(super) extent: Option<Extent>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) bytes: u64,
    /// In which they lie.
    pub(super) files: usize,
}

impl Move {
    pub(super) fn between(from: Option<&Position>, to: &Position, server: &ServerFacts) -> Self {
        let Some(from) = from else { return Self::default() };
        let gtids = match (&from.gtid_set, &to.gtid_set, &server.gtids) {
            (Some(old), Some(new), Some(gtids)) => {
                let skipped = difference(new, old);
                // What is purged cannot come once more.
                let repeated = difference(&difference(old, new), &gtids.purged);
                Some((skipped, repeated))
            }
            (_, _, _) => None,
        };
        let is_same_server = from.server_uuid == server.server_uuid;
        let order = is_same_server.then(|| to.coordinates.partial_cmp(&from.coordinates)).flatten();
        let extent = |from: &Position, to: &Position| {
            let (from, to) = (&from.coordinates, &to.coordinates);
            let bytes = bytes_between(from, to, &server.files);
            Extent { bytes, files: files_between(&from.file, &to.file, server) }
        };
        let forward = (order == Some(Ordering::Greater)).then(|| extent(from, to));
        let backward = (order == Some(Ordering::Less)).then(|| extent(to, from));
        let (skipped, repeated) = match gtids {
            Some((skipped, repeated)) => (by_gtids(skipped, forward), by_gtids(repeated, backward)),
            None => (by_extent(forward), by_extent(backward)),
        };
        let is_incomparable = gtids_are_missing(from, to, server) && order.is_none();
        let rows_in_progress = from.in_progress.as_ref().map(|in_progress| in_progress.outbox_rows);
        let rows_of_tables = from.table_start.as_ref().map(|table_start| table_start.rows);
        Self { skipped, repeated, rows_in_progress, rows_of_tables, is_incomparable }
    }

    /// Whether a person has to say that it is meant.
    pub(super) fn needs_yes(&self) -> bool {
        let Self { skipped, repeated, rows_in_progress, rows_of_tables, is_incomparable } = self;
        skipped.is_some()
            || repeated.is_some()
            || rows_in_progress.is_some()
            || rows_of_tables.is_some()
            || *is_incomparable
    }
}

fn gtids_are_missing(from: &Position, to: &Position, server: &ServerFacts) -> bool {
    from.gtid_set.is_none() || to.gtid_set.is_none() || server.gtids.is_none()
}

/// The GTIDs decide; coordinates only measure.
fn by_gtids(gtids: GtidSet, extent: Option<Extent>) -> Option<Stretch> {
    (!gtids.is_empty()).then_some(Stretch { gtids: Some(gtids), extent })
}

fn by_extent(extent: Option<Extent>) -> Option<Stretch> {
    extent.map(|extent| Stretch { gtids: None, extent: Some(extent) })
}

/// Files from one to the other, both counted; from the oldest on where the first is gone.
pub(super) fn files_between(from: &str, to: &str, server: &ServerFacts) -> usize {
    let index = |name: &str| server.files.iter().position(|file| *file.name == *name);
    let last = index(to).unwrap_or(server.files.len().saturating_sub(1));
    last.saturating_sub(index(from).unwrap_or(0)) + 1
}

fn difference(of: &GtidSet, without: &GtidSet) -> GtidSet {
    let mut rest = of.clone();
    rest.subtract(without);
    rest
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        position::{InProgress, TableStart},
        source::server::{BinlogFile, ServerGtids, ServerSettings},
    };

    const HERE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(numbers: &str) -> GtidSet {
        format!("{HERE}:{numbers}").parse().unwrap()
    }

    fn server(purged: Option<&str>) -> ServerFacts {
        let file = |name: &str, bytes| BinlogFile { name: name.into(), bytes };
        ServerFacts {
            server_uuid: HERE.parse().unwrap(),
            settings: ServerSettings::default(),
            gtids: purged.map(|purged| ServerGtids { purged: set(purged), executed: set("1-9") }),
            files: vec![file("b.000002", 100), file("b.000003", 200), file("b.000004", 50)],
            end: "b.000004:50".parse().unwrap(),
        }
    }

    fn position(coordinates: &str, gtids: Option<&str>) -> Position {
        Position {
            server_uuid: HERE.parse().unwrap(),
            coordinates: coordinates.parse().unwrap(),
            file_begun: None,
            gtid_set: gtids.map(set),
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }

    #[test]
    fn way_forward_is_skipped_and_the_way_back_is_repeated() {
        let (early, late) = (position("b.000002:40", None), position("b.000004:10", None));
        let stretch =
            Some(Stretch { gtids: None, extent: Some(Extent { bytes: 60 + 200 + 10, files: 3 }) });

        let forward = Move::between(Some(&early), &late, &server(None));
        assert_eq!((forward.skipped.clone(), forward.repeated.clone()), (stretch.clone(), None));
        let back = Move::between(Some(&late), &early, &server(None));
        assert_eq!((back.skipped.clone(), back.repeated.clone()), (None, stretch));
        assert!(forward.needs_yes() && back.needs_yes());
    }

    #[test]
    fn gtids_are_named_in_both_directions_at_once() {
        let old = position("b.000002:40", Some("1-4:7"));
        let new = position("b.000003:40", Some("1-6"));

        let planned = Move::between(Some(&old), &new, &server(Some("1-3")));

        assert_eq!(planned.skipped.unwrap().gtids, Some(set("5-6")));
        assert_eq!(planned.repeated.unwrap().gtids, Some(set("7")));
    }

    #[test]
    fn purged_gtids_do_not_come_once_more() {
        let old = position("b.000003:40", Some("1-6"));
        let new = position("b.000002:4", Some("1"));

        let planned = Move::between(Some(&old), &new, &server(Some("1-3")));

        assert_eq!(planned.repeated.unwrap().gtids, Some(set("4-6")));
    }

    #[test]
    fn same_place_and_a_first_checkpoint_need_no_yes() {
        let here = position("b.000003:40", None);

        assert!(!Move::between(Some(&here), &here, &server(None)).needs_yes());
        assert!(!Move::between(None, &here, &server(None)).needs_yes());
    }

    #[test]
    fn coordinates_of_another_server_cannot_be_compared() {
        let mut elsewhere = position("b.000003:40", None);
        elsewhere.server_uuid = Uuid::max();
        let here = position("b.000003:40", None);

        let planned = Move::between(Some(&elsewhere), &here, &server(None));

        assert!(planned.is_incomparable && planned.needs_yes());
    }

    #[test]
    fn start_from_the_tables_is_left_only_with_a_yes() {
        let here = position("b.000003:40", None);
        let table_start = Some(TableStart { rows: 3, ..TableStart::default() });
        let in_the_middle = Position { table_start, ..here.clone() };

        let planned = Move::between(Some(&in_the_middle), &here, &server(None));

        assert_eq!(planned.rows_of_tables, Some(3));
        assert!(planned.needs_yes());
    }

    #[test]
    fn transaction_in_progress_is_left_only_with_a_yes() {
        let here = position("b.000003:40", None);
        let in_progress = Some(InProgress { gtid: None, outbox_rows: 3 });
        let inside = Position { in_progress, ..here.clone() };

        assert!(Move::between(Some(&inside), &here, &server(None)).needs_yes());
    }
}
