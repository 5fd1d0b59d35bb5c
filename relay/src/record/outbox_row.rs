//! Values of an outbox row → its record.
//!
//! One allocation for the key, one for the value, one for the headers and one for each of them.
//!
//! Before this: `mapping`, which says what each value is for.

use std::{mem, sync::Arc};

use super::{
    Header, OutboxRecord,
    column_value::{Meaning, write_value},
    error::{RecordError, RowName},
    mapping::{Cell, Plan},
    topic_name::TopicNames,
};
use crate::{config::BinaryFormat, source::row::Value};

/// A row as the service inserted it: a value for each wanted column, none of them absent.
pub(super) struct OutboxRow<'a> {
    plan: &'a Plan,
    values: &'a [Value<'a>],
}

impl<'a> OutboxRow<'a> {
    pub(super) fn new(plan: &'a Plan, values: &'a [Value<'a>]) -> Result<Self, RecordError> {
        let row = Self { plan, values };
        match values.iter().position(|value| matches!(value, Value::Absent)) {
            None => Ok(row),
            Some(slot) => {
                Err(RecordError::ColumnAbsent { row: row.name(), column: row.column(slot) })
            }
        }
    }

    pub(super) fn record(
        &self,
        commit_timestamp_us: u64,
        topics: &mut TopicNames,
        scratch: &mut Vec<u8>,
    ) -> Result<OutboxRecord, RecordError> {
        let key = match self.plan.key {
            Some(cell) => self.bytes(cell, scratch)?,
            None => None,
        };
        let mut headers = Vec::with_capacity(self.plan.headers.len());
        for (name, cell) in &self.plan.headers {
            headers.push(Header { name: Arc::clone(name), value: self.bytes(*cell, scratch)? });
        }
        Ok(OutboxRecord {
            table: Arc::clone(&self.plan.table),
            topic: self.topic(topics, scratch)?,
            partition: self.partition()?,
            key,
            value: self.payload(scratch)?,
            headers,
            timestamp_ms: self.timestamp_ms(commit_timestamp_us)?,
            event_type: match self.plan.event_type {
                Some(cell) => self.bytes(cell, scratch)?,
                None => None,
            },
        })
    }

    fn topic(
        &self,
        topics: &mut TopicNames,
        scratch: &mut Vec<u8>,
    ) -> Result<Arc<str>, RecordError> {
        scratch.clear();
        self.plan.topic.render(scratch, |place, out| {
            let slot = self.plan.topic_slots.get(place).copied().unwrap_or(usize::MAX);
            if self.write(Cell { slot, format: BinaryFormat::Raw }, out)? {
                return Ok(());
            }
            Err(RecordError::TopicColumnNull {
                row: self.name(),
                column: self.column(slot),
                template: self.plan.topic.to_string(),
            })
        })?;
        topics.intern(scratch).map_err(|source| RecordError::TopicName {
            row: self.name(),
            topic: printable(scratch),
            source,
        })
    }

    fn payload(&self, scratch: &mut Vec<u8>) -> Result<Option<Vec<u8>>, RecordError> {
        let cell = Cell { slot: self.plan.payload_slot, format: BinaryFormat::Raw };
        let Some(payload) = self.bytes(cell, scratch)? else { return Ok(None) };
        let is_empty = match Meaning::of(self.value(cell.slot)) {
            // Blanks may be data here.
            Meaning::Bytes => payload.is_empty(),
            Meaning::Nothing | Meaning::Integer(_) | Meaning::Instant(_) | Meaning::Text => {
                payload.trim_ascii().is_empty()
            }
        };
        let is_tombstone = is_empty && self.plan.tombstone_on_empty_payload;
        Ok((!is_tombstone).then_some(payload))
    }

    fn partition(&self) -> Result<Option<i32>, RecordError> {
        let Some(slot) = self.plan.partition_slot else { return Ok(None) };
        let (row, column) = (|| self.name(), || self.column(slot));
        match Meaning::of(self.value(slot)) {
            Meaning::Nothing => Ok(None),
            Meaning::Integer(partition) => match i32::try_from(partition) {
                Ok(partition @ 0..) => Ok(Some(partition)),
                Ok(_) | Err(_) => {
                    Err(RecordError::PartitionRange { row: row(), column: column(), partition })
                }
            },
            Meaning::Instant(_) | Meaning::Bytes | Meaning::Text => {
                Err(RecordError::PartitionType { row: row(), column: column() })
            }
        }
    }

    fn timestamp_ms(&self, commit_timestamp_us: u64) -> Result<i64, RecordError> {
        let committed = i64::try_from(commit_timestamp_us / 1_000).unwrap_or(i64::MAX);
        let Some(slot) = self.plan.timestamp_slot else { return Ok(committed) };
        let (row, column) = (|| self.name(), || self.column(slot));
        let milliseconds = match Meaning::of(self.value(slot)) {
            Meaning::Nothing => return Ok(committed),
            Meaning::Integer(milliseconds) => milliseconds,
            Meaning::Instant(micros) => i128::from(micros.div_euclid(1_000)),
            Meaning::Bytes | Meaning::Text => {
                return Err(RecordError::TimestampType { row: row(), column: column() });
            }
        };
        match i64::try_from(milliseconds) {
            // librdkafka takes 0 for "now", which a replay could not repeat.
            Ok(0) => Ok(committed),
            Ok(milliseconds @ 1..) => Ok(milliseconds),
            Ok(_) | Err(_) => {
                Err(RecordError::TimestampRange { row: row(), column: column(), milliseconds })
            }
        }
    }

    /// The text of a value, with no more memory than it needs; `None`: NULL.
    fn bytes(&self, cell: Cell, scratch: &mut Vec<u8>) -> Result<Option<Vec<u8>>, RecordError> {
        scratch.clear();
        Ok(self.write(cell, scratch)?.then(|| take(scratch)))
    }

    /// Appends the text of a value; false: it is NULL.
    fn write(&self, cell: Cell, out: &mut Vec<u8>) -> Result<bool, RecordError> {
        write_value(self.value(cell.slot), cell.format, out).map_err(|source| {
            RecordError::Undecodable { row: self.name(), column: self.column(cell.slot), source }
        })
    }

    fn value(&self, slot: usize) -> &'a Value<'a> {
        self.values.get(slot).unwrap_or(&Value::Absent)
    }

    fn column(&self, slot: usize) -> Arc<str> {
        self.plan.names.get(slot).map_or_else(|| Arc::from("?"), Arc::clone)
    }

    fn name(&self) -> RowName {
        let Cell { slot, format } = self.plan.event_id;
        let mut text = Vec::new();
        let event_id = match write_value(self.value(slot), format, &mut text) {
            Ok(true) => Some(printable(&text)),
            Ok(false) | Err(_) => None,
        };
        RowName { table: Arc::clone(&self.plan.table), event_id }
    }
}

/// The contents of `scratch` in a vector of its own.
fn take(scratch: &mut Vec<u8>) -> Vec<u8> {
    /// Larger contents are handed on instead of copied: a payload of many megabytes is then in
    /// memory once, and the scratch memory of a table stays small.
    const COPIED_MAX: usize = 16 * 1024;
    if scratch.len() <= COPIED_MAX {
        return scratch.as_slice().to_vec();
    }
    let mut taken = mem::take(scratch);
    taken.shrink_to_fit();
    taken
}

/// For a message: text as it is, anything else as hexadecimal digits, neither of them long.
fn printable(bytes: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 300;
    let text = match str::from_utf8(bytes) {
        Ok(text) => text.chars().take(CHARACTERS_MAX + 1).collect::<String>(),
        Err(_) => bytes.iter().take(CHARACTERS_MAX).map(|byte| format!("{byte:02x}")).collect(),
    };
    match text.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
