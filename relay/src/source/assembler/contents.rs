//! Events of what is in a transaction: table maps, rows, and statements in their place.

use jiff::Timestamp;

use super::{
    super::{
        RawEvent, SourceError,
        event::QueryEvent,
        table_map::{ColumnDescription, TableMap},
        tables::Mapped,
    },
    Assembler,
    rows::{self, RowsFault},
    statements,
};

/// A table whose columns the binlog does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct TableName {
    pub(in crate::source) database: String,
    pub(in crate::source) table: String,
    /// When the transaction was committed that wrote to it.
    pub(in crate::source) written: Timestamp,
}

/// A table map whose columns are asked for.
pub(super) struct Undescribed {
    table_map: Box<TableMap>,
    body: Box<[u8]>,
}

impl Assembler {
    pub(super) fn table_map(
        &mut self,
        event: &RawEvent<'_>,
    ) -> Result<Option<TableName>, SourceError> {
        let transaction = self.begun(event.header.event_type)?;
        if transaction.is_passed_over {
            return Ok(None);
        }
        let written = transaction.committed_at();
        match self.tables.map(event.body) {
            Ok(Mapped::Known) => Ok(None),
            Ok(Mapped::Undescribed(table_map)) => {
                let name = TableName {
                    database: table_map.database.clone(),
                    table: table_map.table.clone(),
                    written,
                };
                self.undescribed = Some(Undescribed { table_map, body: event.body.into() });
                Ok(Some(name))
            }
            Err(error) => Err(self.table_error(error)),
        }
    }

    /// Completes the table that [`Self::handle`] asked about with the server's description of it.
    pub(in crate::source) fn describe(
        &mut self,
        columns: &[ColumnDescription],
    ) -> Result<(), SourceError> {
        let undescribed = self.undescribed.take();
        let Undescribed { table_map, body } = undescribed.expect("a table was asked about");
        let described = self.tables.describe(table_map, &body, columns);
        described.map_err(|error| self.table_error(error))
    }

    pub(super) fn rows(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let transaction = match &mut self.transaction {
            Some(transaction) if transaction.has_begun => transaction,
            Some(_) | None => return Err(self.headless(event.header.event_type)),
        };
        if transaction.is_passed_over {
            return Ok(());
        }
        let before = transaction.rows();
        let read = rows::read(event, &mut self.tables, transaction, &mut self.emission);
        self.counts.outbox_rows += transaction.rows().saturating_sub(before);
        read.map_err(|fault| match fault {
            RowsFault::Decode { table, error } => {
                SourceError::Rows { table, place: self.boxed_place(), error }
            }
            RowsFault::Record(error) => {
                SourceError::Record { place: self.boxed_place(), error: Box::new(error) }
            }
            RowsFault::Transaction(fault) => self.fault(fault),
        })
    }

    /// The statement of LOAD DATA; its file's content comes in events before it.
    pub(super) fn load(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        self.begun(event_type)?;
        let query = QueryEvent::parse_load(event.body);
        let query = query.map_err(|error| self.malformed(event_type, error))?;
        if let Some(transaction) = &mut self.transaction {
            statements::take_note(&query, &self.tables, transaction);
        }
        Ok(())
    }
}
