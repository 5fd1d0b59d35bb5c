//! Records of a partition → copies of the events that are looked for.
//!
//! Pure. A copy is a record with the event's id in the header that the relay puts it in.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

/// Copies of one event that are kept; more are only counted.
const COPIES_MAX: usize = 50;

/// Who sees a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Visibility {
    Committed,
    /// Nobody who reads committed records only, ever.
    Aborted,
    /// Nobody who reads committed records only, yet: a transaction in the partition is open.
    Open,
}

/// A record that carries the event's id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Copy {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) visibility: Visibility,
    /// The record's own, unless the broker set it.
    #[serde(serialize_with = "as_text")]
    pub(super) timestamp: Option<Timestamp>,
    /// The broker set it when it stored the record.
    pub(super) is_broker_time: bool,
    /// Name of the replay that published it.
    pub(super) replayed: Option<String>,
}

/// Copies of one event, in the order of partitions and offsets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Copies {
    pub(super) kept: Vec<Copy>,
    /// More than are kept.
    pub(super) more: u64,
}

/// The events that are looked for in one topic, by header and id.
#[derive(Debug, Default)]
pub(super) struct Wanted(HashMap<(String, Vec<u8>), Vec<usize>>);

impl Wanted {
    pub(super) fn add(&mut self, header: &str, id: &[u8], event: usize) {
        self.0.entry((header.to_owned(), id.to_vec())).or_default().push(event);
    }

    /// The events whose id is in the headers.
    pub(super) fn events<'a>(
        &self,
        headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>,
    ) -> &[usize] {
        let mut headers = headers.filter_map(|(name, id)| Some((name.to_owned(), id?.to_vec())));
        headers.find_map(|header| self.0.get(&header)).map_or(&[], Vec::as_slice)
    }
}

impl Copies {
    pub(super) fn add(&mut self, copy: Copy) {
        let is_known =
            |known: &Copy| (known.partition, known.offset) == (copy.partition, copy.offset);
        if self.kept.iter().any(is_known) {
            return;
        }
        if self.kept.len() >= COPIES_MAX {
            self.more += 1;
            return;
        }
        self.kept.push(copy);
    }

    /// What the relay published, as consumers see it.
    pub(super) fn originals(&self) -> impl Iterator<Item = &Copy> {
        self.committed().filter(|copy| copy.replayed.is_none())
    }

    pub(super) fn committed(&self) -> impl Iterator<Item = &Copy> {
        self.kept.iter().filter(|copy| copy.visibility == Visibility::Committed)
    }

    pub(super) fn has(&self, visibility: Visibility) -> bool {
        self.kept.iter().any(|copy| copy.visibility == visibility)
    }
}

fn as_text<S: serde::Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::find) fn copy(offset: i64, visibility: Visibility) -> Copy {
        Copy {
            partition: 0,
            offset,
            visibility,
            timestamp: None,
            is_broker_time: false,
            replayed: None,
        }
    }

    #[test]
    fn event_is_known_by_its_id_in_the_header_of_its_table() {
        let mut wanted = Wanted::default();
        wanted.add("id", b"1", 0);
        wanted.add("eventId", b"1", 1);
        wanted.add("id", b"1", 2);
        let found =
            |headers: &[(&str, Option<&[u8]>)]| wanted.events(headers.iter().copied()).to_vec();

        assert_eq!(found(&[("trace", Some(b"1")), ("id", Some(b"1"))]), [0, 2]);
        assert_eq!(found(&[("eventId", Some(b"1"))]), [1]);
        assert_eq!(found(&[("id", Some(b"2")), ("id", None)]), [0_usize; 0]);
    }

    #[test]
    fn record_that_is_seen_twice_is_one_copy_and_keeps_how_it_was_seen_first() {
        let mut copies = Copies::default();
        copies.add(copy(7, Visibility::Committed));
        copies.add(copy(7, Visibility::Aborted));
        copies.add(copy(9, Visibility::Aborted));

        assert_eq!(copies.kept, [copy(7, Visibility::Committed), copy(9, Visibility::Aborted)]);
    }

    #[test]
    fn copies_beyond_the_limit_are_counted() {
        let mut copies = Copies::default();
        for offset in 0..60 {
            copies.add(copy(offset, Visibility::Committed));
        }

        assert_eq!((copies.kept.len(), copies.more), (50, 10));
    }
}
