//! How far a start from the outbox tables has come.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A start from the tables that is not finished. While it goes on the position stands still: its
/// coordinates and GTIDs are where the tables end and the binlog begins to count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TableStart {
    /// The row that was published last; `None`: none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRow>,
    /// Rows published. For people.
    pub rows: u64,
    /// Rows that the tables have in all, by the server's estimate. For people.
    pub rows_about: u64,
}

/// Where a table's reading goes on. Tables are read in the order of their names: those before this one
/// are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRow {
    pub database: String,
    pub table: String,
    /// The columns that the table is read by, in their order.
    pub key: Vec<KeyPart>,
}

/// A column's value as `SELECT` prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPart {
    pub column: String,
    pub text: Vec<u8>,
}

/// In a checkpoint: hexadecimal digits, because a key may be any bytes.
#[derive(Serialize, Deserialize)]
struct Written {
    column: String,
    hex: String,
}

impl Serialize for KeyPart {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex = self.text.iter().map(|byte| format!("{byte:02x}")).collect();
        Written { column: self.column.clone(), hex }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for KeyPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { column, hex } = Written::deserialize(deserializer)?;
        let text = bytes(&hex)
            .ok_or_else(|| serde::de::Error::custom("a key that is no hexadecimal digits"))?;
        Ok(Self { column, text })
    }
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, []) = digits.as_deref()?.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect()
}

impl fmt::Display for TableStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of about {} rows", self.rows, self.rows_about.max(self.rows))?;
        match &self.last {
            Some(LastRow { database, table, .. }) => write!(f, ", at {database}.{table}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_any_bytes_are_read_back_as_they_were() {
        let part = KeyPart { column: "id".to_owned(), text: (0..=255).collect() };

        let written = serde_json::to_string(&part).unwrap();

        assert!(written.starts_with(r#"{"column":"id","hex":"000102"#), "{written}");
        assert_eq!(serde_json::from_str::<KeyPart>(&written).unwrap(), part);
    }

    #[test]
    fn key_that_is_cut_is_refused() {
        for hex in ["0", "0g", "é0"] {
            let written = format!(r#"{{"column":"id","hex":"{hex}"}}"#);
            assert!(serde_json::from_str::<KeyPart>(&written).is_err(), "{hex}");
        }
    }
}
