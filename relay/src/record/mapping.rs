//! Outbox table → which of its columns go where.
//!
//! Settled once for each table map, so that a row costs no look-up by name.
//!
//! Before this: `source`, which reads the names of the columns. After this: `outbox_row`, for each
//! row.

use std::sync::Arc;

use super::{
    OutboxRecord,
    error::{ColumnNames, MappingError, RecordError},
    outbox_row::OutboxRow,
    template::TopicTemplate,
    topic_name::TopicNames,
};
use crate::{
    config::{AdditionalField, BinaryFormat, OutboxTable, Placement},
    source::row::Value,
};

/// How the rows of one table become records.
#[derive(Debug, Clone)]
pub struct Mapping {
    plan: Plan,
    /// Memory that is used again for each row.
    scratch: Vec<u8>,
    topics: TopicNames,
}

/// What a row's values are for. A slot is a place among the wanted columns.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// `database.table`, for messages.
    pub(super) table: Arc<str>,
    /// Name of each wanted column.
    pub(super) names: Vec<Arc<str>>,
    /// Place of each wanted column in the table.
    wanted: Vec<usize>,
    pub(super) event_id: Cell,
    pub(super) key: Option<Cell>,
    pub(super) payload_slot: usize,
    pub(super) timestamp_slot: Option<usize>,
    pub(super) partition_slot: Option<usize>,
    pub(super) topic: TopicTemplate,
    /// Of each of the template's columns.
    pub(super) topic_slots: Vec<usize>,
    /// The event id's first, then the additional ones in the order of the configuration.
    pub(super) headers: Vec<(Arc<str>, Cell)>,
    /// Only where records keep it.
    pub(super) event_type: Option<Cell>,
    pub(super) tombstone_on_empty_payload: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub(super) slot: usize,
    pub(super) format: BinaryFormat,
}

impl Mapping {
    /// Finds the columns that `config` names among `columns`, the names of all columns of the table
    /// in their order. Names are compared without regard to case, as the server does.
    pub fn resolve(
        config: &OutboxTable,
        database: &str,
        table: &str,
        columns: &[&str],
    ) -> Result<Self, MappingError> {
        let table = Arc::from(format!("{database}.{table}"));
        let mut resolver = Resolver { config, table, columns, wanted: Vec::new() };
        let event_id = Cell {
            slot: resolver.slot(&config.event_id, &EVENT_ID)?,
            format: config.event_id_format,
        };
        let key = match config.key.as_str() {
            "" => None,
            column => Some(Cell { slot: resolver.slot(column, &KEY)?, format: config.key_format }),
        };
        let payload_slot = resolver.slot(&config.payload, &PAYLOAD)?;
        let timestamp_slot = match &config.timestamp {
            Some(column) => Some(resolver.slot(column, &TIMESTAMP)?),
            None => None,
        };
        let topic_slots = config
            .topic
            .columns()
            .map(|column| resolver.slot(column, &TOPIC))
            .collect::<Result<_, _>>()?;
        let mut headers = vec![(Arc::from(config.event_id_header.as_str()), event_id)];
        let mut partition_slot = None;
        for field in &config.additional {
            let Some(slot) = resolver.additional(field)? else { continue };
            match field.placement {
                Placement::Header => {
                    let name = field.alias.as_deref().unwrap_or(&field.column);
                    headers.push((Arc::from(name), Cell { slot, format: field.format }));
                }
                // The configuration allows only one.
                Placement::Partition => partition_slot = Some(slot),
            }
        }
        let event_type = match config.keeps_event_type {
            true => {
                let slot = resolver.slot(&config.event_type, &EVENT_TYPE)?;
                Some(Cell { slot, format: BinaryFormat::Raw })
            }
            false => None,
        };
        let plan = Plan {
            names: resolver.names(),
            table: resolver.table,
            wanted: resolver.wanted,
            event_id,
            key,
            payload_slot,
            timestamp_slot,
            partition_slot,
            topic: config.topic.clone(),
            topic_slots,
            headers,
            event_type,
            tombstone_on_empty_payload: config.tombstone_on_empty_payload,
        };
        Ok(Self { plan, scratch: Vec::new(), topics: TopicNames::default() })
    }

    /// The places of the columns that [`Mapping::record`] wants, each once.
    pub fn wanted(&self) -> &[usize] {
        &self.plan.wanted
    }

    /// The record of a row. `values` are those of the wanted columns, in their order;
    /// `commit_timestamp_us` is when the source committed its transaction, in microseconds since the
    /// epoch.
    ///
    /// # Panics
    ///
    /// If there are not as many values as wanted columns.
    pub fn record(
        &mut self,
        values: &[Value<'_>],
        commit_timestamp_us: u64,
    ) -> Result<OutboxRecord, RecordError> {
        assert_eq!(values.len(), self.plan.wanted.len(), "a value for each wanted column");
        OutboxRow::new(&self.plan, values)?.record(
            commit_timestamp_us,
            &mut self.topics,
            &mut self.scratch,
        )
    }
}

/// A setting that names a column, and what to do if the table has none of that name.
struct Setting {
    name: &'static str,
    repair: &'static str,
}

const EVENT_ID: Setting =
    Setting { name: "event_id", repair: "set `event_id` to the column with the event's unique id" };
const KEY: Setting = Setting {
    name: "key",
    repair: "set `key` to the column with the record key, or to \"\" for records without a key",
};
const PAYLOAD: Setting =
    Setting { name: "payload", repair: "set `payload` to the column with the record value" };
const TIMESTAMP: Setting = Setting {
    name: "timestamp",
    repair: "set `timestamp` to the column with the event's time, or leave it out for the time of \
             the commit",
};
const EVENT_TYPE: Setting = Setting {
    name: "event_type",
    repair: "set `event_type` to the column with the event's type, or choose by something else",
};
const TOPIC: Setting = Setting {
    name: "topic",
    repair: "set `topic` to a template with columns of the table, or to the name of one topic",
};
const ADDITIONAL: Setting = Setting {
    name: "additional",
    repair: "correct the name, or set `optional = true` beside it where only some tables have it",
};

struct Resolver<'a> {
    config: &'a OutboxTable,
    table: Arc<str>,
    columns: &'a [&'a str],
    wanted: Vec<usize>,
}

impl Resolver<'_> {
    fn slot(&mut self, column: &str, setting: &Setting) -> Result<usize, MappingError> {
        self.find(column).ok_or_else(|| MappingError::MissingColumn {
            table: Arc::clone(&self.table),
            column: column.to_owned(),
            setting: setting.name,
            entry: self.config.table.to_string(),
            existing: ColumnNames(self.columns.iter().copied().map(str::to_owned).collect()),
            repair: setting.repair,
        })
    }

    /// `None`: the table may lack it, and does.
    fn additional(&mut self, field: &AdditionalField) -> Result<Option<usize>, MappingError> {
        match self.slot(&field.column, &ADDITIONAL) {
            Ok(slot) => Ok(Some(slot)),
            Err(MappingError::MissingColumn { .. }) if field.optional => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The slot of a column; one that is wanted for several things has one slot.
    fn find(&mut self, column: &str) -> Option<usize> {
        // SERVER: names of columns are not case-sensitive on any platform.
        let lowered = column.to_lowercase();
        let place = self.columns.iter().position(|name| name.to_lowercase() == lowered)?;
        let known = self.wanted.iter().position(|wanted| *wanted == place);
        Some(known.unwrap_or_else(|| {
            self.wanted.push(place);
            self.wanted.len() - 1
        }))
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.wanted
            .iter()
            .filter_map(|place| self.columns.get(*place))
            .map(|name| Arc::from(*name))
            .collect()
    }
}
