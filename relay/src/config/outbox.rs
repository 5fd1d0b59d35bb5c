//! Which tables are outbox tables, and how their rows become records.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;

use super::tree::{Node, Origin, Value};

/// One `[[outbox]]` entry. Defaults are those of Debezium's outbox router.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboxTable {
    /// `database.table`; `*` stands for any name or a part of one.
    pub table: TablePattern,
    /// Column → header `id`.
    pub event_id: String,
    /// Column → record key; an empty name sends records without a key.
    pub key: String,
    /// Column → record value.
    pub payload: String,
    /// Column → record timestamp; without one the transaction's commit time.
    pub timestamp: Option<String>,
    /// Topic name; `${column}` stands for the column's value.
    pub topic: String,
    /// Further columns and where they go.
    pub additional: Vec<AdditionalField>,
    /// A NULL or empty payload becomes a tombstone.
    pub tombstone_on_empty_payload: bool,
}

/// A further column of the outbox row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditionalField {
    pub column: String,
    pub placement: Placement,
    /// Header name; default: the column's.
    #[serde(default)]
    pub alias: Option<String>,
    /// Leave it out where the table lacks the column, instead of refusing the table.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    Header,
    /// An integer column that names the partition.
    Partition,
}

/// `database.table` with `*` wildcards; compared without regard to case where the server does.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TablePattern {
    pub database: String,
    pub table: String,
}

impl Default for OutboxTable {
    fn default() -> Self {
        Self {
            table: TablePattern { database: "*".to_owned(), table: "outbox".to_owned() },
            event_id: "id".to_owned(),
            key: "aggregateid".to_owned(),
            payload: "payload".to_owned(),
            timestamp: None,
            topic: "outbox.event.${aggregatetype}".to_owned(),
            additional: Vec::new(),
            tombstone_on_empty_payload: false,
        }
    }
}

impl TryFrom<String> for TablePattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.split_once('.') {
            Some((database, table)) if !database.is_empty() && !table.is_empty() => {
                Ok(Self { database: database.to_owned(), table: table.to_owned() })
            }
            _ => Err(format!(
                "`{text}` is not of the form `database.table` (`*.outbox` for any database)"
            )),
        }
    }
}

impl fmt::Display for TablePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

/// Table names from a flag or variable → `[[outbox]]` entries with the default mapping.
pub(super) fn tables<'a>(names: impl Iterator<Item = &'a str>, origin: &Origin) -> Node {
    let entry = |name: &str| {
        let table = Node::untyped(name, origin.clone());
        let entries = BTreeMap::from([("table".to_owned(), table)]);
        Node { value: Value::Table(entries), origin: origin.clone() }
    };
    Node { value: Value::Array(names.map(entry).collect()), origin: origin.clone() }
}
