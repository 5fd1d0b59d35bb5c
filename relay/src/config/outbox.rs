//! Which tables are outbox tables, and how their rows become records.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    TablePattern,
    tree::{Node, Origin, Value},
};
use crate::record::TopicTemplate;

/// One `[[outbox]]` entry. Defaults are those of Debezium's outbox router. The first entry whose
/// `table` matches a table is the one that counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboxTable {
    /// `database.table`; `*` stands for any name or a part of one. Default `*.outbox`: every table
    /// named `outbox`.
    pub table: TablePattern,
    /// Column with the event id, by which consumers recognise a duplicate → the record's header
    /// `event_id_header`. Default `id`.
    pub event_id: String,
    /// Name of the header that carries the event id. Default `id`, which consumers of Debezium's
    /// router expect.
    pub event_id_header: String,
    /// How 16 bytes of a BINARY event id are written. Default `uuid`: MySQL has no UUID type, and the
    /// text is what consumers compare and people search for. `raw` is what Debezium sends.
    pub event_id_format: BinaryFormat,
    /// Column → record key, which decides the partition: rows with the same key stay in order.
    /// Default `aggregateid`; an empty name sends records without a key. NULL: no key.
    pub key: String,
    /// How 16 bytes of a BINARY key are written. Default `raw`, as Debezium does: another key goes
    /// to another partition than the records that are already there.
    pub key_format: BinaryFormat,
    /// Column → record value, byte for byte; JSON as text. Default `payload`. NULL: a tombstone.
    pub payload: String,
    /// Column → record timestamp: DATETIME or TIMESTAMP (in UTC), or an integer of milliseconds since
    /// 1970. Default none: the time at which the source committed the transaction, also where the
    /// column holds NULL, 0 or a zero date.
    pub timestamp: Option<String>,
    /// Topic name; `${column}` stands for the column's value. Default
    /// `outbox.event.${aggregatetype}`. A row whose values make no topic name that Kafka accepts
    /// halts the relay.
    pub topic: TopicTemplate,
    /// Further columns and where they go. Default none; Debezium's `type:header:eventType` is
    /// `{ column = "type", placement = "header", alias = "eventType" }`.
    pub additional: Vec<AdditionalField>,
    /// Column with the event's type, by which `rowpost replay` can choose. Default `type`.
    pub event_type: String,
    /// Records keep their event type beside them; it costs a little for each row.
    #[serde(skip)]
    pub keeps_event_type: bool,
    /// An empty or blank payload becomes a tombstone too, as NULL always does. Default false: an
    /// empty payload may be meant.
    pub tombstone_on_empty_payload: bool,
    /// Column by which `mysql.start = "table"` reads the rows that are in the table: those of one key
    /// must ascend in it as they were committed. Default none: by the primary key.
    pub start_order: Option<String>,
}

/// A further column of the outbox row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdditionalField {
    pub column: String,
    pub placement: Placement,
    /// Header name. Default: the column's, as it is written here.
    #[serde(default)]
    pub alias: Option<String>,
    /// How 16 bytes of a BINARY header are written. Default `raw`, as Debezium does.
    #[serde(default)]
    pub format: BinaryFormat,
    /// Leave it out where the table lacks the column, instead of refusing the table. Default false:
    /// a consumer may rely on it.
    #[serde(default)]
    pub optional: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// A NULL becomes a header without a value.
    Header,
    /// An integer column that names the partition; NULL leaves the choice to the key.
    Partition,
}

/// How binary values of 16 bytes are written. Other lengths and other types are not touched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BinaryFormat {
    /// The bytes themselves.
    #[default]
    Raw,
    /// A UUID's text, `018f4a5e-…`, as `bin_to_uuid(column)` shows it.
    Uuid,
    /// The same for bytes that `uuid_to_bin(uuid, true)` has made: its time parts are swapped back.
    UuidSwapped,
}

impl Default for OutboxTable {
    fn default() -> Self {
        Self {
            table: TablePattern { database: "*".to_owned(), table: "outbox".to_owned() },
            event_id: "id".to_owned(),
            event_id_header: "id".to_owned(),
            event_id_format: BinaryFormat::Uuid,
            key: "aggregateid".to_owned(),
            key_format: BinaryFormat::Raw,
            payload: "payload".to_owned(),
            timestamp: None,
            topic: "outbox.event.${aggregatetype}".parse().expect("a valid topic template"),
            additional: Vec::new(),
            event_type: "type".to_owned(),
            keeps_event_type: false,
            tombstone_on_empty_payload: false,
            start_order: None,
        }
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
