//! Rows that the binlog will bring, so that they are not taken from the tables too.
//!
//! Pure. Before this: `scan`. After this: `read`, which passes over them.

use std::collections::HashSet;

use openssl::sha::Sha256;

use crate::source::{
    Malformed,
    row::{JsonStyle, Value},
};

/// At most some 70 MB. A relay that is killed in the middle of a start meets the rows that were inserted
/// since it was begun; where it is not killed, only those of the moment in which it begins.
pub(super) const NEWER_ROWS_MAX: usize = 2_000_000;

/// A row by its table and primary key. A digest, because keys are of any length; 128 bits, because two
/// rows of the same would be one row less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct RowId([u8; 16]);

impl RowId {
    /// The id of a row by the values of its primary key, in the key's order.
    pub(super) fn of<'a, 'v: 'a>(
        database: &str,
        table: &str,
        key: impl Iterator<Item = &'a Value<'v>>,
    ) -> Result<Self, Malformed> {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        };
        add(database.as_bytes());
        add(table.as_bytes());
        let mut text = Vec::new();
        for value in key {
            text.clear();
            value.write_text(JsonStyle::Compact, &mut text)?;
            add(&text);
        }
        let [half, _] = *digest.finish().as_chunks::<16>().0 else {
            unreachable!("SHA-256 has 32 bytes")
        };
        Ok(Self(half))
    }
}

/// The rows that were inserted behind the position.
#[derive(Debug, Default)]
pub(super) struct Newer(HashSet<RowId>);

/// There are more of them than [`NEWER_ROWS_MAX`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Newer {
    pub(super) fn insert(&mut self, row: RowId) -> Result<(), TooMany> {
        if self.0.len() >= NEWER_ROWS_MAX {
            return Err(TooMany);
        }
        self.0.insert(row);
        Ok(())
    }

    pub(super) fn contains(&self, row: &RowId) -> bool {
        self.0.contains(row)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_differ_in_table_and_in_each_part_of_the_key() {
        let id = |table: &str, parts: &[i64]| {
            let values: Vec<_> = parts.iter().map(|part| Value::Int(*part)).collect();
            RowId::of("shop", table, values.iter()).unwrap()
        };

        assert_eq!(id("outbox", &[1, 2]), id("outbox", &[1, 2]));
        for other in [id("outbox", &[12]), id("outbox", &[2, 1]), id("outbox2", &[1, 2])] {
            assert_ne!(id("outbox", &[1, 2]), other);
        }
    }
}
