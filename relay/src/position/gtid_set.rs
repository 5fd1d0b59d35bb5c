//! A set of GTIDs: which transactions are out.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::{Gtid, GtidInterval, GtidTag, ParseGtidError, gtid_text, intervals::Intervals};

/// A set of GTIDs, in MySQL's text form at the outside.
///
/// Adding the source's next transaction is a look-up and an addition; everything else is at most
/// linear in the number of intervals. No key without intervals, so that equal sets are equal values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet(BTreeMap<(Uuid, GtidTag), Intervals>);

impl GtidSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many GTIDs it holds; `u64::MAX` if they are more.
    pub fn count(&self) -> u64 {
        self.iter()
            .flat_map(|(_, _, intervals)| intervals)
            .fold(0, |sum: u64, interval| sum.saturating_add(interval.count()))
    }

    /// Panics if the number is none (see [`Gtid::new`]): a set that holds it could be written as a
    /// checkpoint, but never be read again.
    pub fn insert(&mut self, gtid: &Gtid) {
        let interval = GtidInterval::new(gtid.number, gtid.number)
            .expect("a GTID's number was checked where it came in");
        self.insert_interval(gtid.source, gtid.tag, interval);
    }

    pub fn insert_interval(&mut self, source: Uuid, tag: GtidTag, interval: GtidInterval) {
        self.0.entry((source, tag)).or_default().insert(interval);
    }

    pub fn contains(&self, gtid: &Gtid) -> bool {
        self.0
            .get(&(gtid.source, gtid.tag))
            .is_some_and(|intervals| intervals.contains(gtid.number))
    }

    /// Whether `other` is a subset.
    pub fn contains_all(&self, other: &Self) -> bool {
        other.0.iter().all(|(key, theirs)| {
            self.0.get(key).is_some_and(|intervals| intervals.contains_all(theirs))
        })
    }

    /// Whether the two have a GTID in common.
    pub fn intersects(&self, other: &Self) -> bool {
        other.0.iter().any(|(key, theirs)| {
            self.0.get(key).is_some_and(|intervals| intervals.intersects(theirs))
        })
    }

    pub fn union(&mut self, other: &Self) {
        for (key, theirs) in &other.0 {
            self.0.entry(*key).or_default().union(theirs);
        }
    }

    pub fn subtract(&mut self, other: &Self) {
        for (key, theirs) in &other.0 {
            if let Some(intervals) = self.0.get_mut(key) {
                intervals.subtract(theirs);
                if intervals.is_empty() {
                    self.0.remove(key);
                }
            }
        }
    }

    /// Each source and tag with its intervals, sorted, in the order of the text form: the untagged
    /// part of a source comes before its tags.
    pub fn iter(&self) -> impl Iterator<Item = (Uuid, GtidTag, &[GtidInterval])> {
        self.0.iter().map(|((source, tag), intervals)| (*source, *tag, intervals.as_slice()))
    }
}

impl Extend<Gtid> for GtidSet {
    fn extend<I: IntoIterator<Item = Gtid>>(&mut self, gtids: I) {
        for gtid in gtids {
            self.insert(&gtid);
        }
    }
}

impl FromIterator<Gtid> for GtidSet {
    fn from_iter<I: IntoIterator<Item = Gtid>>(gtids: I) -> Self {
        let mut set = Self::default();
        set.extend(gtids);
        set
    }
}

/// As the server prints `@@gtid_executed`, but without its newlines: `uuid:1-5:7:tag:1-2,uuid:…`.
impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut written = None;
        for (source, tag, intervals) in self.iter() {
            if written != Some(source) {
                let separator = if written.is_some() { "," } else { "" };
                write!(f, "{separator}{source}")?;
                written = Some(source);
            }
            if !tag.is_empty() {
                write!(f, ":{tag}")?;
            }
            for interval in intervals {
                write!(f, ":{}", interval.first())?;
                if interval.last() > interval.first() {
                    write!(f, "-{}", interval.last())?;
                }
            }
        }
        Ok(())
    }
}

impl FromStr for GtidSet {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        gtid_text::parse_gtid_set(text)
    }
}

impl Serialize for GtidSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GtidSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
