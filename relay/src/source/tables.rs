//! Table map events → which rows are outbox rows, and how to read them.
//!
//! Promises:
//! - tables that are no outbox tables cost a look at their name;
//! - a table's columns are worked out once for each shape of it; a table map with other bytes, or a
//!   DDL statement where the columns came from the server, makes them be worked out again;
//! - rows without a table map in their own statement are refused.
//!
//! Before this: `event_source`. After this: `assembler`.

use std::{collections::HashMap, sync::Arc};

use super::{
    DecodeError, SourceError,
    error::Place,
    event::{EventHeader, EventType},
    row::{RowDecoder, RowsEvent},
    table_map::{ColumnDescription, DescribeError, TableMap},
};
use crate::{
    config::{NameCase, OutboxTable},
    record::{Mapping, MappingError},
};

/// More than this many outbox tables are forgotten all at once: a server with a table per customer
/// and DDL on them would fill the memory with ids that never come again.
const OUTBOXES_MAX: usize = 10_000;

pub(super) struct Tables {
    entries: Arc<[OutboxTable]>,
    /// Of the server whose binlog is read.
    names: NameCase,
    /// Table maps of the statement being read, and whether they are of outbox tables.
    mapped: Vec<(u64, bool)>,
    outboxes: HashMap<u64, Outbox>,
}

/// An outbox table in one shape.
pub(super) struct Outbox {
    /// `database.table`.
    pub(super) name: Arc<str>,
    pub(super) decoder: RowDecoder,
    pub(super) mapping: Mapping,
    /// The table map's bytes: as long as they are the same, so is all else.
    body: Box<[u8]>,
    /// The columns came from the server, so DDL may have changed them.
    is_described: bool,
    /// Said once that its rows were updated.
    pub(super) has_warned_of_update: bool,
}

/// What a table map event is of.
#[derive(Debug)]
pub(super) enum Mapped {
    /// Not an outbox table, or one that is known.
    Known,
    /// An outbox table whose columns the binlog does not tell; [`Tables::describe`] comes next.
    Undescribed(Box<TableMap>),
}

/// Why a table map makes no outbox table.
#[derive(Debug)]
pub(super) enum TableError {
    Decode { table: Arc<str>, error: DecodeError },
    Mapping(MappingError),
    Described { table: Arc<str>, error: DescribeError },
    Gone { table: Arc<str> },
}

impl TableError {
    pub(super) fn at(self, place: Box<Place>) -> SourceError {
        match self {
            Self::Decode { table, error } => SourceError::Rows { table, place, error },
            Self::Mapping(error) => SourceError::Mapping { place, error: Box::new(error) },
            Self::Described { table, error } => SourceError::TableChanged { table, place, error },
            Self::Gone { table } => SourceError::TableGone { table, place },
        }
    }
}

impl Tables {
    pub(super) fn new(entries: Arc<[OutboxTable]>, names: NameCase) -> Self {
        Self { entries, names, mapped: Vec::new(), outboxes: HashMap::new() }
    }

    /// The first entry that means the table.
    fn entry(&self, database: &str, table: &str) -> Option<&OutboxTable> {
        self.entries.iter().find(|entry| entry.table.matches(database, table, self.names))
    }

    /// Whether the configuration asks for a table of that name.
    pub(super) fn asks_for(&self, database: &str, table: &str) -> bool {
        self.entry(database, table).is_some()
    }

    /// Takes note of a table map.
    pub(super) fn map(&mut self, body: &[u8]) -> Result<Mapped, TableError> {
        let unreadable = |error| TableError::Decode { table: "?".into(), error };
        let (table_id, database, table) = TableMap::peek_name(body).map_err(unreadable)?;
        let is_outbox = self.entry(database, table).is_some();
        self.mapped.push((table_id, is_outbox));
        if !is_outbox {
            return Ok(Mapped::Known);
        }
        if self.outboxes.get(&table_id).is_some_and(|known| *known.body == *body) {
            return Ok(Mapped::Known);
        }
        let name: Arc<str> = format!("{database}.{table}").into();
        let table_map = TableMap::parse(body)
            .map_err(|error| TableError::Decode { table: Arc::clone(&name), error })?;
        if !table_map.is_described() {
            self.outboxes.remove(&table_id);
            return Ok(Mapped::Undescribed(Box::new(table_map)));
        }
        let outbox = self.resolve(&table_map, body, false)?;
        self.insert(table_id, outbox);
        Ok(Mapped::Known)
    }

    /// Completes a table map whose columns the binlog does not tell. `body` is that of its event.
    pub(super) fn describe(
        &mut self,
        mut table_map: Box<TableMap>,
        body: &[u8],
        columns: &[ColumnDescription],
    ) -> Result<(), TableError> {
        let name: Arc<str> = format!("{}.{}", table_map.database, table_map.table).into();
        if columns.is_empty() {
            return Err(TableError::Gone { table: name });
        }
        table_map
            .describe(columns)
            .map_err(|error| TableError::Described { table: name, error })?;
        let outbox = self.resolve(&table_map, body, true)?;
        self.insert(table_map.table_id, outbox);
        Ok(())
    }

    fn resolve(
        &self,
        table_map: &TableMap,
        body: &[u8],
        is_described: bool,
    ) -> Result<Outbox, TableError> {
        let entry = self.entry(&table_map.database, &table_map.table);
        let entry = entry.expect("only what an entry means is resolved");
        Outbox::new(entry, table_map, body, is_described)
    }

    fn insert(&mut self, table_id: u64, outbox: Outbox) {
        if self.outboxes.len() >= OUTBOXES_MAX {
            // INVARIANT: what was mapped in this statement stays: its rows have not come yet.
            let mapped = &self.mapped;
            self.outboxes.retain(|id, _| mapped.iter().any(|(mapped, _)| mapped == id));
        }
        self.outboxes.insert(table_id, outbox);
    }

    /// Whether who publishes the outbox tables' rows needs the body of such an event.
    pub(super) fn want(&self, header: &EventHeader, head: &[u8]) -> bool {
        match header.event_type {
            EventType::WRITE_ROWS_V1 | EventType::WRITE_ROWS => RowsEvent::peek_table_id(head)
                .is_ok_and(|table_id| self.is_outbox(table_id) == Some(true)),
            EventType::UPDATE_ROWS_V1
            | EventType::DELETE_ROWS_V1
            | EventType::UPDATE_ROWS
            | EventType::DELETE_ROWS
            | EventType::PARTIAL_UPDATE_ROWS
            | EventType::ROWS_QUERY
            | EventType::PREVIOUS_GTIDS
            // A statement's first words say what it is.
            | EventType::QUERY => false,
            _ => true,
        }
    }

    /// Whether the table id is one of an outbox table; `None`: no table map of this statement has it.
    pub(super) fn is_outbox(&self, table_id: u64) -> Option<bool> {
        // The table that the rows are of was mapped last, mostly.
        self.mapped.iter().rev().find(|(id, _)| *id == table_id).map(|(_, is_outbox)| *is_outbox)
    }

    pub(super) fn outbox(&mut self, table_id: u64) -> Option<&mut Outbox> {
        self.outboxes.get_mut(&table_id)
    }

    /// SERVER: every statement has its own table maps; they end with the last rows event's flag.
    pub(super) fn end_statement(&mut self) {
        self.mapped.clear();
    }

    /// A DDL statement was read. Which tables it is about would take a parser to say.
    pub(super) fn forget_described(&mut self) {
        self.outboxes.retain(|_, outbox| !outbox.is_described);
    }
}

impl Outbox {
    fn new(
        entry: &OutboxTable,
        table_map: &TableMap,
        body: &[u8],
        is_described: bool,
    ) -> Result<Self, TableError> {
        let (database, table) = (&table_map.database, &table_map.table);
        let name: Arc<str> = format!("{database}.{table}").into();
        let columns: Vec<&str> =
            table_map.columns.iter().map(|column| column.name.as_deref().unwrap_or("")).collect();
        let mapping =
            Mapping::resolve(entry, database, table, &columns).map_err(TableError::Mapping)?;
        let decoder = RowDecoder::new(table_map, mapping.wanted())
            .map_err(|error| TableError::Decode { table: Arc::clone(&name), error })?;
        Ok(Self {
            name,
            decoder,
            mapping,
            body: body.into(),
            is_described,
            has_warned_of_update: false,
        })
    }
}
