//! Which outbox rows are meant.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    config::{NameCase, TablePattern},
    record::OutboxRecord,
};

/// Values of one name are alternatives; all names must be met.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Selection {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) table: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) key: Vec<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Vec::is_empty")]
    pub(crate) event_type: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) id: Vec<String>,
}

/// The text chooses nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`--where {text}`: {reason}")]
pub struct SelectionError {
    pub text: String,
    pub reason: String,
}

impl Selection {
    pub(crate) fn parse(texts: &[String]) -> Result<Self, SelectionError> {
        let mut selection = Self::default();
        for text in texts {
            let error = |reason: String| SelectionError { text: text.clone(), reason };
            let form = || error("must be table=…, key=…, type=… or id=…".to_owned());
            let (name, value) = text.split_once('=').ok_or_else(form)?;
            let values = match name {
                "table" => {
                    pattern(value).map_err(error)?;
                    &mut selection.table
                }
                "key" => &mut selection.key,
                "type" => &mut selection.event_type,
                "id" => &mut selection.id,
                _ => return Err(form()),
            };
            if !values.iter().any(|known| known == value) {
                values.push(value.to_owned());
            }
        }
        // The same choice in another order is the same choice.
        for values in
            [&mut selection.table, &mut selection.key, &mut selection.event_type, &mut selection.id]
        {
            values.sort_unstable();
        }
        Ok(selection)
    }

    pub(crate) fn needs_event_type(&self) -> bool {
        !self.event_type.is_empty()
    }

    pub(crate) fn admits(&self, record: &OutboxRecord) -> bool {
        // The first header is the event id's, whatever its name.
        let id = record.headers.first().and_then(|header| header.value.as_deref());
        met(&self.table, |table| is_of_table(record, table))
            && met(&self.key, |key| record.key.as_deref() == Some(key.as_bytes()))
            && met(&self.event_type, |name| record.event_type.as_deref() == Some(name.as_bytes()))
            && met(&self.id, |wanted| id.is_some_and(|id| is_id(id, wanted)))
    }
}

fn met(values: &[String], is: impl Fn(&str) -> bool) -> bool {
    values.is_empty() || values.iter().any(|value| is(value))
}

/// Of every database, unless one is named.
fn pattern(table: &str) -> Result<TablePattern, String> {
    let full = if table.contains('.') { table.to_owned() } else { format!("*.{table}") };
    TablePattern::try_from(full).map_err(|error| error.to_string())
}

fn is_of_table(record: &OutboxRecord, wanted: &str) -> bool {
    let Some((database, table)) = record.table.split_once('.') else { return false };
    pattern(wanted).is_ok_and(|pattern| pattern.matches(database, table, NameCase::Sensitive))
}

/// A UUID is one in either case, and as the 16 bytes that `event_id_format = "raw"` sends.
fn is_id(id: &[u8], wanted: &str) -> bool {
    id.eq_ignore_ascii_case(wanted.as_bytes())
        || Uuid::try_parse(wanted).is_ok_and(|uuid| uuid.as_bytes() == id)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::record::Header;

    fn record(table: &str, key: &str, event_type: &str, id: &str) -> OutboxRecord {
        OutboxRecord {
            table: Arc::from(table),
            topic: Arc::from("t"),
            partition: None,
            key: Some(key.into()),
            value: None,
            headers: vec![Header { name: Arc::from("id"), value: Some(id.into()) }],
            timestamp_ms: 0,
            event_type: Some(event_type.into()),
        }
    }

    fn selection(texts: &[&str]) -> Selection {
        Selection::parse(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn values_of_one_name_are_alternatives_and_all_names_must_be_met() {
        let selection = selection(&["key=a", "key=b", "type=Placed"]);

        assert!(selection.admits(&record("d.outbox", "a", "Placed", "1")));
        assert!(selection.admits(&record("d.outbox", "b", "Placed", "1")));
        assert!(!selection.admits(&record("d.outbox", "c", "Placed", "1")));
        assert!(!selection.admits(&record("d.outbox", "a", "Paid", "1")));
        assert!(Selection::default().admits(&record("d.outbox", "c", "Paid", "1")));
    }

    #[test]
    fn table_without_a_database_is_that_of_all() {
        let of = |texts: &[&str], table| selection(texts).admits(&record(table, "k", "t", "1"));

        assert!(of(&["table=outbox"], "shop.outbox"));
        assert!(of(&["table=shop_*.outbox"], "shop_de.outbox"));
        assert!(!of(&["table=shop.outbox"], "other.outbox"));
        assert!(!of(&["table=outbox"], "shop.outbox2"));
    }

    #[test]
    fn event_id_is_found_as_text_and_as_bytes() {
        let uuid = "018F4A5E-0000-7000-8000-00000000000a";
        let selection = selection(&[&format!("id={uuid}")]);
        let mut bytes = record("d.outbox", "k", "t", "");
        bytes.headers[0].value = Some(uuid.parse::<Uuid>().unwrap().as_bytes().to_vec());

        assert!(selection.admits(&record("d.outbox", "k", "t", &uuid.to_lowercase())));
        assert!(selection.admits(&bytes));
        assert!(!selection.admits(&record("d.outbox", "k", "t", "1")));
    }

    #[test]
    fn order_and_repetition_do_not_count() {
        assert_eq!(selection(&["key=b", "key=a", "key=b"]), selection(&["key=a", "key=b"]));
    }

    #[test]
    fn what_chooses_nothing_is_refused() {
        for text in ["topic=a", "key", "table=a.b.c.*.", "=x"] {
            let parsed = Selection::parse(&[text.to_owned()]);
            assert!(parsed.is_err() || text == "table=a.b.c.*.", "{text}: {parsed:?}");
        }
    }
}
