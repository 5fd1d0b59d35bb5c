//! One transaction's identity.

use std::{fmt, str, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::gtid_text::{self, ParseGtidError};

/// The largest number that a server gives to a transaction.
///
/// SERVER: `GNO_END` is 2^63 - 1 and is never used itself; a server that reaches the number before
/// it stops writing (manual, "GTID Format and Storage").
pub const GTID_NUMBER_MAX: u64 = i64::MAX.unsigned_abs() - 1;

/// `source_uuid[:tag]:number`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gtid {
    pub source: Uuid,
    /// Empty for an untagged GTID.
    pub tag: GtidTag,
    /// 1 to [`GTID_NUMBER_MAX`]; [`Gtid::new`] is the way in for numbers from outside.
    pub number: u64,
}

/// Tag of a GTID (MySQL 8.3+): empty, or up to 32 characters `[a-z_][a-z0-9_]*`.
///
/// Kept in place and padded with zeros, which no tag contains: a tag is copied and looked up with
/// each transaction, and byte order of the padded form is the order in which the server prints tags,
/// the untagged first.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GtidTag([u8; GtidTag::LENGTH_MAX]);

/// No transaction has this number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{number} is not a transaction number: they run from 1 to {GTID_NUMBER_MAX}")]
pub struct GtidNumberOutOfRange {
    pub number: u64,
}

impl Gtid {
    pub fn new(source: Uuid, tag: GtidTag, number: u64) -> Result<Self, GtidNumberOutOfRange> {
        if (1..=GTID_NUMBER_MAX).contains(&number) {
            Ok(Self { source, tag, number })
        } else {
            Err(GtidNumberOutOfRange { number })
        }
    }
}

impl GtidTag {
    pub const LENGTH_MAX: usize = 32;

    /// No tag: what every GTID before MySQL 8.3 has.
    pub const UNTAGGED: Self = Self([0; Self::LENGTH_MAX]);

    pub fn is_empty(&self) -> bool {
        *self == Self::UNTAGGED
    }

    pub fn as_str(&self) -> &str {
        let text = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        str::from_utf8(text).expect("a tag is built from ASCII only")
    }

    /// `None` if a server would not take it as a tag. The empty text is no tag.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let mut tag = Self::UNTAGGED;
        if text.len() > Self::LENGTH_MAX {
            return None;
        }
        for (index, (to, from)) in tag.0.iter_mut().zip(text.bytes()).enumerate() {
            *to = from.to_ascii_lowercase();
            match *to {
                b'a'..=b'z' | b'_' => {}
                b'0'..=b'9' if index > 0 => {}
                _ => return None,
            }
        }
        Some(tag)
    }
}

/// Upper case is accepted and lowered, as the server does. The empty text is the untagged tag.
impl FromStr for GtidTag {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_text(text)
            .ok_or_else(|| ParseGtidError::new("GTID tag", text, 0, gtid_text::TAG_RULE))
    }
}

impl FromStr for Gtid {
    type Err = ParseGtidError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        gtid_text::parse_gtid(text)
    }
}

impl fmt::Display for GtidTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for GtidTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GtidTag({:?})", self.as_str())
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source)?;
        if !self.tag.is_empty() {
            write!(f, "{}:", self.tag)?;
        }
        write!(f, "{}", self.number)
    }
}

impl Serialize for Gtid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Gtid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
