//! One transaction's identity.

use std::fmt;

use uuid::Uuid;

/// `source_uuid[:tag]:number`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gtid {
    pub source: Uuid,
    /// Empty for an untagged GTID.
    pub tag: GtidTag,
    pub number: u64,
}

/// Tag of a GTID (MySQL 8.3+): empty, or up to 32 characters `[a-z_][a-z0-9_]*`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GtidTag(Option<Box<str>>);

/// The text is not a GTID or GTID set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a GTID set: {reason}")]
pub struct ParseGtidError {
    pub text: String,
    pub reason: &'static str,
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.source)?;
        if let Some(tag) = &self.tag.0 {
            write!(f, "{tag}:")?;
        }
        write!(f, "{}", self.number)
    }
}
impl serde::Serialize for Gtid {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> serde::Deserialize<'de> for Gtid {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        unimplemented!("lands with the next commit")
    }
}
