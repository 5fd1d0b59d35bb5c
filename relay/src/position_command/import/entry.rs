//! Offsets that were found under their keys → the one that is meant.

use serde_json::Value;

use super::{Product, error::ImportError};

/// A key and a value, as they were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
    /// Where, for people.
    pub(super) place: String,
}

/// An offset whose key could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// By any of which it may be called; the first is how it is shown.
    pub(super) names: Vec<String>,
    pub(super) value: Vec<u8>,
    pub(super) place: String,
}

/// A place in which offsets are, and what was found there.
pub(super) struct Found {
    pub(super) product: Product,
    pub(super) place: String,
    pub(super) entries: Vec<Entry>,
    /// Keys that are none of the product's.
    pub(super) unreadable: usize,
}

impl Found {
    /// Reads each key with `names`.
    pub(super) fn new(
        product: Product,
        place: String,
        raw: Vec<Raw>,
        names: impl Fn(&[u8]) -> Option<Vec<String>>,
    ) -> Self {
        let mut found = Self { product, place, entries: Vec::new(), unreadable: 0 };
        for Raw { key, value, place } in raw {
            match names(&key) {
                Some(names) => found.entries.push(Entry { names, value, place }),
                None => found.unreadable += 1,
            }
        }
        found
    }

    /// The one of that name; without a name the only one for which `is_ours` does not say no. A value
    /// that cannot be read may be ours.
    pub(super) fn choose(
        self,
        name: Option<&str>,
        is_ours: impl Fn(&Value) -> bool,
    ) -> Result<Entry, ImportError> {
        let Self { product, place, entries, unreadable } = self;
        let all = shown(&entries);
        let mut meant: Vec<Entry> = match name {
            Some(name) => {
                let is_meant = |entry: &Entry| entry.names.iter().any(|known| known == name);
                entries.into_iter().filter(is_meant).collect()
            }
            None => {
                let may_be_ours =
                    |entry: &Entry| payload(&entry.value).map_or(true, |value| is_ours(&value));
                entries.into_iter().filter(may_be_ours).collect()
            }
        };
        match (meant.pop(), name) {
            (Some(entry), _) if meant.is_empty() => Ok(entry),
            (Some(last), _) => {
                meant.push(last);
                Err(ImportError::SeveralFound { place, found: shown(&meant) })
            }
            (None, Some(name)) if !all.is_empty() => {
                Err(ImportError::NoSuchName { name: name.to_owned(), place, found: all })
            }
            (None, _) => Err(ImportError::NothingFound { product, place, unreadable }),
        }
    }
}

fn shown(entries: &[Entry]) -> String {
    let mut names: Vec<&str> =
        entries.iter().filter_map(|entry| Some(entry.names.first()?.as_str())).collect();
    names.sort_unstable();
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// A JSON value, taken out of the envelope that a converter with schemas puts around it.
pub(super) fn payload(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    let mut value: Value = serde_json::from_slice(bytes)?;
    let is_envelope =
        value.as_object().is_some_and(|fields| fields.len() == 2 && fields.contains_key("schema"));
    match value.get_mut("payload").filter(|_| is_envelope) {
        Some(payload) => Ok(payload.take()),
        None => Ok(value),
    }
}
