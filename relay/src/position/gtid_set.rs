//! A set of GTIDs.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use uuid::Uuid;

use super::{Gtid, GtidTag, ParseGtidError};

/// A set of GTIDs, in MySQL's text form at the outside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GtidSet(BTreeMap<(Uuid, GtidTag), Vec<RangeInclusive<u64>>>);

impl GtidSet {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    pub fn insert(&mut self, _gtid: &Gtid) {
        unimplemented!("lands with the next commit")
    }
    pub fn contains(&self, _gtid: &Gtid) -> bool {
        unimplemented!("lands with the next commit")
    }
    pub fn contains_all(&self, _other: &Self) -> bool {
        unimplemented!("lands with the next commit")
    }
    pub fn union(&mut self, _other: &Self) {
        unimplemented!("lands with the next commit")
    }
    pub fn subtract(&mut self, _other: &Self) {
        unimplemented!("lands with the next commit")
    }
}
impl fmt::Display for GtidSet {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        unimplemented!("lands with the next commit")
    }
}
impl FromStr for GtidSet {
    type Err = ParseGtidError;
    fn from_str(_text: &str) -> Result<Self, Self::Err> {
        unimplemented!("lands with the next commit")
    }
}
impl serde::Serialize for GtidSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> serde::Deserialize<'de> for GtidSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
