//! Binlog events → chunks of committed outbox records.
//!
//! A state machine over events, without a connection and without a clock.
//!
//! Promises:
//! - a transaction up to the chunk limit leaves whole, after its commit event; a larger one leaves in
//!   parts, each saying how many of its outbox rows are out;
//! - positions are transaction boundaries, and their coordinates come from events that stand in the
//!   file, never from inside a compressed transaction;
//! - a transaction that does not end in its commit event is an error, never passed over, and neither is
//!   one that inserted into an outbox table in statement format;
//! - what was emitted before is not emitted again: reading anywhere from an emitted position on gives
//!   the rest of what reading in one go gives.
//!
//! Not promised: to notice outbox rows that a statement inserted without naming their table, through a
//! view, a trigger or a stored function, while its session was not in row format.
//!
//! Before this: `event_source`. After this: `reader`, which sends the chunks.

mod emission;
mod rows;
mod statements;
#[cfg(test)]
pub(super) mod tests;
mod transaction;

use std::sync::Arc;

pub(super) use self::emission::cost;
use self::{emission::Emission, rows::RowsFault, transaction::Transaction};
use super::{
    Chunk, EventFault, Interest, RawEvent, SourceError,
    error::{Place, TransactionFault},
    event::{
        EventError, EventHeader, EventType, GtidEvent, QueryEvent, RotateEvent, Statement,
        XaPrepareEvent, incident_message,
    },
    row::RowsEvent,
    table_map::{ColumnDescription, TableMap},
    tables::{Mapped, TableError, Tables},
};
use crate::{
    config::{NameCase, OutboxTable},
    position::{BinlogCoordinates, EndPosition, Position},
};

pub(super) struct Assembler {
    tables: Tables,
    emission: Emission,
    /// The file being read.
    file: Arc<str>,
    /// Behind the last event that stands in it.
    end: EndPosition,
    /// Events up to here are passed over: reading had to begin before the position.
    pass_over_until: Option<u64>,
    transaction: Option<Transaction>,
    /// A table map whose columns are asked of the server.
    undescribed: Option<Undescribed>,
    counts: Counts,
}

struct Undescribed {
    table_map: Box<TableMap>,
    body: Box<[u8]>,
}

/// What was read since the counts were taken last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) transactions: u64,
    pub(super) outbox_rows: u64,
    pub(super) bytes: u64,
}

/// A table whose columns the binlog does not tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    pub(super) database: String,
    pub(super) table: String,
}

impl Assembler {
    /// Assembles what comes behind `start`, on a server that compares names as `names` says. A chunk
    /// is closed before it costs more than `chunk_cost_max`.
    pub(super) fn new(
        start: &Position,
        entries: Arc<[OutboxTable]>,
        names: NameCase,
        chunk_cost_max: usize,
    ) -> Self {
        Self {
            tables: Tables::new(entries, names),
            emission: Emission::new(start, chunk_cost_max),
            file: Arc::clone(&start.coordinates.file),
            end: EndPosition::new(start.coordinates.position),
            pass_over_until: None,
            transaction: None,
            undescribed: None,
            counts: Counts::default(),
        }
    }

    /// Each transaction leaves in chunks of its own from here on.
    pub(super) fn cut_after_each_transaction(&mut self) {
        self.emission.singly();
    }

    /// The stream begins at the start of the file; the position is reached by reading up to it.
    pub(super) fn pass_over_to_start(&mut self) {
        self.pass_over_until = Some(self.end.get());
        self.end = EndPosition::new(BinlogCoordinates::FIRST_EVENT);
    }

    /// Takes an event in. Answers a table that must be [described](Self::describe) before the next.
    pub(super) fn handle(
        &mut self,
        event: &RawEvent<'_>,
    ) -> Result<Option<TableName>, SourceError> {
        let event_type = event.header.event_type;
        if !event.is_unpacked {
            self.counts.bytes += u64::from(event.header.event_size);
            self.advance_end(&event.header);
        }
        if self.passes_over(event)? {
            return Ok(None);
        }
        match event_type {
            EventType::GTID | EventType::ANONYMOUS_GTID | EventType::GTID_TAGGED => {
                self.gtid(event)?;
            }
            EventType::QUERY => self.query(event)?,
            EventType::EXECUTE_LOAD_QUERY => self.load(event)?,
            EventType::TABLE_MAP => return self.table_map(event),
            EventType::WRITE_ROWS_V1
            | EventType::UPDATE_ROWS_V1
            | EventType::DELETE_ROWS_V1
            | EventType::WRITE_ROWS
            | EventType::UPDATE_ROWS
            | EventType::DELETE_ROWS
            | EventType::PARTIAL_UPDATE_ROWS => self.rows(event)?,
            EventType::XID => {
                self.begun(event_type)?;
                self.finish()?;
            }
            EventType::XA_PREPARE => self.xa_prepare(event)?,
            EventType::ROTATE => self.rotate(event)?,
            EventType::STOP => self.expect_idle(event_type)?,
            // Those of a dump's start are in no file.
            EventType::FORMAT_DESCRIPTION if event.header.log_pos != 0 => {
                self.expect_idle(event_type)?;
            }
            // Nothing can stand between a file's start and here, and an idle server's binlog ends here.
            EventType::PREVIOUS_GTIDS => {
                self.expect_idle(event_type)?;
                self.emission.rotate_to(self.end());
            }
            EventType::INCIDENT => {
                let message = incident_message(event.body).into_owned();
                return Err(self.fault(TransactionFault::Incident { message }));
            }
            event_type => self.other(event_type, &event.header)?,
        }
        Ok(None)
    }

    /// Events that say nothing of transactions.
    fn other(&self, event_type: EventType, header: &EventHeader) -> Result<(), SourceError> {
        match event_type {
            EventType::FORMAT_DESCRIPTION
            | EventType::HEARTBEAT
            | EventType::HEARTBEAT_V2
            | EventType::TRANSACTION_PAYLOAD
            | EventType::ROWS_QUERY
            | EventType::IGNORABLE
            // Of group replication.
            | EventType::TRANSACTION_CONTEXT
            | EventType::VIEW_CHANGE
            // Of statement format: what goes before a statement that is in an event of its own.
            | EventType::INTVAR
            | EventType::RAND
            | EventType::USER_VAR
            | EventType::APPEND_BLOCK
            | EventType::DELETE_FILE
            | EventType::BEGIN_LOAD_QUERY => Ok(()),
            _ if header.is_ignorable() => Ok(()),
            event_type => Err(self.fault(TransactionFault::UnknownEvent { event_type })),
        }
    }

    fn advance_end(&mut self, header: &EventHeader) {
        match header.event_type {
            // SERVER: a heartbeat carries the dump thread's position, which may be ahead.
            EventType::HEARTBEAT | EventType::HEARTBEAT_V2 => {}
            _ if header.is_artificial() => {}
            _ => self.end.advance(header.event_size, header.log_pos),
        }
    }

    /// Whether the event lies before the position at which reading was to begin.
    fn passes_over(&mut self, event: &RawEvent<'_>) -> Result<bool, SourceError> {
        let Some(position) = self.pass_over_until else { return Ok(false) };
        let end = self.end.get();
        let is_rotate = event.header.event_type == EventType::ROTATE;
        if is_rotate && event.header.is_artificial() {
            return Ok(false);
        }
        if event.is_unpacked || event.header.log_pos == 0 || (end <= position && !is_rotate) {
            return Ok(true);
        }
        if end.saturating_sub(u64::from(event.header.event_size)) != position {
            return Err(self.fault(TransactionFault::PositionUnreachable { position }));
        }
        self.pass_over_until = None;
        Ok(false)
    }

    fn gtid(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        self.expect_idle(event_type)?;
        let parsed = match event_type {
            EventType::GTID => GtidEvent::parse(event.body),
            EventType::GTID_TAGGED => GtidEvent::parse_tagged(event.body),
            _ => GtidEvent::parse_anonymous(event.body),
        };
        let parsed = parsed.map_err(|error| self.malformed(event_type, error))?;
        let position = self.end.get().saturating_sub(u64::from(event.header.event_size));
        self.emission.begin_at(BinlogCoordinates { file: Arc::clone(&self.file), position });
        let commit_timestamp_us = parsed
            .original_commit_us
            .or(parsed.immediate_commit_us)
            .unwrap_or_else(|| seconds_to_us(event.header.timestamp));
        let rows_out = self.emission.rows_out(parsed.gtid.as_ref());
        self.transaction = Some(Transaction::new(parsed.gtid, commit_timestamp_us, rows_out));
        Ok(())
    }

    fn query(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        let query = QueryEvent::parse(event.body);
        let query = query.map_err(|error| self.malformed(event_type, error))?;
        let statement = query.statement();
        let has_begun = self.transaction.as_ref().is_some_and(|open| open.has_begun);
        match statement {
            Statement::Begin | Statement::XaStart(_) if has_begun => {
                return Err(self.fault(TransactionFault::CutShort { found: event_type }));
            }
            Statement::Begin => self.announced(event).has_begun = true,
            Statement::XaStart(xid) => {
                let xid = String::from_utf8_lossy(xid).into_owned();
                let transaction = self.announced(event);
                transaction.has_begun = true;
                transaction.xa = Some(xid);
            }
            Statement::Commit => {
                self.announced(event);
                self.finish()?;
            }
            Statement::Rollback => {
                let rolled_back = self.announced(event).roll_back();
                rolled_back.map_err(|fault| self.fault(fault))?;
                self.finish()?;
            }
            Statement::Savepoint(name) if has_begun => self.announced(event).set_savepoint(name),
            Statement::RollbackTo(name) if has_begun => {
                let rolled_back = self.announced(event).roll_back_to(name);
                rolled_back.map_err(|fault| self.fault(fault))?;
            }
            Statement::XaEnd | Statement::XaFinish if has_begun => {}
            // SERVER: `create table … select` is DDL inside of BEGIN and XID (8.0.21).
            Statement::Other if has_begun => {
                self.tables.forget_described();
                if let Some(transaction) = &mut self.transaction {
                    statements::take_note(&query, &self.tables, transaction);
                }
            }
            Statement::Savepoint(_)
            | Statement::RollbackTo(_)
            | Statement::XaEnd
            | Statement::XaFinish
            | Statement::Other => {
                // A statement outside of BEGIN is a transaction of its own.
                self.tables.forget_described();
                self.announced(event);
                self.finish()?;
            }
        }
        Ok(())
    }

    /// The statement of LOAD DATA; its file's content comes in events before it.
    fn load(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        self.begun(event_type)?;
        let query = QueryEvent::parse_load(event.body);
        let query = query.map_err(|error| self.malformed(event_type, error))?;
        if let Some(transaction) = &mut self.transaction {
            statements::take_note(&query, &self.tables, transaction);
        }
        Ok(())
    }

    /// The transaction that a GTID event announced. Servers before 5.7 announce none.
    fn announced(&mut self, event: &RawEvent<'_>) -> &mut Transaction {
        let emission = &self.emission;
        self.transaction.get_or_insert_with(|| {
            let commit_timestamp_us = seconds_to_us(event.header.timestamp);
            Transaction::new(None, commit_timestamp_us, emission.rows_out(None))
        })
    }

    fn table_map(&mut self, event: &RawEvent<'_>) -> Result<Option<TableName>, SourceError> {
        self.begun(event.header.event_type)?;
        match self.tables.map(event.body) {
            Ok(Mapped::Known) => Ok(None),
            Ok(Mapped::Undescribed(table_map)) => {
                let name = TableName {
                    database: table_map.database.clone(),
                    table: table_map.table.clone(),
                };
                self.undescribed = Some(Undescribed { table_map, body: event.body.into() });
                Ok(Some(name))
            }
            Err(error) => Err(self.table_error(error)),
        }
    }

    /// Completes the table that [`Self::handle`] asked about with the server's description of it.
    pub(super) fn describe(&mut self, columns: &[ColumnDescription]) -> Result<(), SourceError> {
        let undescribed = self.undescribed.take();
        let Undescribed { table_map, body } = undescribed.expect("a table was asked about");
        let described = self.tables.describe(table_map, &body, columns);
        described.map_err(|error| self.table_error(error))
    }

    fn rows(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let transaction = match &mut self.transaction {
            Some(transaction) if transaction.has_begun => transaction,
            Some(_) | None => return Err(self.headless(event.header.event_type)),
        };
        let before = transaction.rows();
        let read = rows::read(event, &mut self.tables, transaction, &mut self.emission);
        self.counts.outbox_rows += transaction.rows() - before;
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

    fn xa_prepare(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        self.begun(event_type)?;
        let prepare = XaPrepareEvent::parse(event.body);
        let prepare = prepare.map_err(|error| self.malformed(event_type, error))?;
        if let Some(Transaction { last_outbox: Some(table), .. }) = &self.transaction
            && !prepare.is_one_phase
        {
            return Err(self.fault(TransactionFault::xa(&prepare.xid, table)));
        }
        self.finish()
    }

    fn rotate(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        let rotate = RotateEvent::parse(event.body);
        let rotate = rotate.map_err(|error| self.malformed(event_type, error))?;
        self.expect_idle(event_type)?;
        if *rotate.file != *self.file {
            self.file = rotate.file.into();
        }
        self.end = EndPosition::new(rotate.position);
        // SERVER: a dump begins with an artificial rotate to where it begins, and each further file
        // with one to itself. They say where we read, not what we have read.
        if !event.header.is_artificial() {
            self.emission.rotate_to(self.end());
        }
        Ok(())
    }

    /// The transaction has come to its end.
    fn finish(&mut self) -> Result<(), SourceError> {
        let transaction = self.transaction.take().expect("only a transaction that began ends");
        let boundary = self.end();
        let gtid = transaction.gtid;
        statements::ensure_rows(&transaction, || Place { gtid, ..self.place() })?;
        self.tables.end_statement();
        self.counts.transactions += 1;
        self.emission.add(transaction, boundary).map_err(|fault| SourceError::Transaction {
            place: Box::new(Place { gtid, ..self.place() }),
            fault,
        })
    }

    fn begun(&self, found: EventType) -> Result<(), SourceError> {
        match &self.transaction {
            Some(transaction) if transaction.has_begun => Ok(()),
            Some(_) | None => Err(self.headless(found)),
        }
    }

    fn expect_idle(&self, found: EventType) -> Result<(), SourceError> {
        match &self.transaction {
            None => Ok(()),
            Some(_) => Err(self.fault(TransactionFault::CutShort { found })),
        }
    }

    /// Closes the chunk of whole transactions read so far, because nothing more is here to read, or
    /// because it is large enough.
    pub(super) fn close(&mut self) {
        self.emission.close();
    }

    /// Closes a chunk if the position moved, even without records.
    pub(super) fn close_position(&mut self) {
        self.emission.close_position();
    }

    /// The next chunk that is ready.
    pub(super) fn take_ready(&mut self) -> Option<Chunk> {
        self.emission.take_ready()
    }

    pub(super) fn take_counts(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }

    /// Behind the last event, for messages.
    pub(super) fn place(&self) -> Place {
        Place {
            coordinates: self.end(),
            gtid: self.transaction.as_ref().and_then(|transaction| transaction.gtid),
        }
    }

    /// Behind the last event that stands in a file.
    fn end(&self) -> BinlogCoordinates {
        BinlogCoordinates { file: Arc::clone(&self.file), position: self.end.get() }
    }

    fn boxed_place(&self) -> Box<Place> {
        Box::new(self.place())
    }

    fn fault(&self, fault: TransactionFault) -> SourceError {
        SourceError::Transaction { place: self.boxed_place(), fault }
    }

    fn headless(&self, found: EventType) -> SourceError {
        self.fault(TransactionFault::Headless { found })
    }

    fn malformed(&self, event_type: EventType, error: EventError) -> SourceError {
        let fault = EventFault::Malformed { event_type, error };
        SourceError::Event { place: self.boxed_place(), fault }
    }

    fn table_error(&self, error: TableError) -> SourceError {
        let place = self.boxed_place();
        match error {
            TableError::Decode { table, error } => SourceError::Rows { table, place, error },
            TableError::Mapping(error) => SourceError::Mapping { place, error: Box::new(error) },
            TableError::Described { table, error } => {
                SourceError::TableChanged { table, place, error }
            }
            TableError::Gone { table } => SourceError::TableGone { table, place },
        }
    }
}

impl Interest for Assembler {
    fn wants(&self, header: &EventHeader, head: &[u8]) -> bool {
        match header.event_type {
            EventType::WRITE_ROWS_V1 | EventType::WRITE_ROWS => RowsEvent::peek_table_id(head)
                .is_ok_and(|table_id| self.tables.is_outbox(table_id) == Some(true)),
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
}

fn seconds_to_us(seconds: u32) -> u64 {
    u64::from(seconds) * 1_000_000
}
