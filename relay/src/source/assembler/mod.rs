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

mod boundaries;
mod branches;
mod contents;
mod emission;
mod faults;
mod kept;
mod rows;
mod statements;
#[cfg(test)]
pub(super) mod tests;
mod transaction;

use std::sync::Arc;

use self::{
    branches::Recall, contents::Undescribed, emission::Emission, kept::Kept,
    transaction::Transaction,
};
pub(super) use self::{contents::TableName, emission::cost, kept::KeptEvent};
use super::{
    Bounds, Chunk, Interest, RawEvent, SourceError,
    error::{Place, TransactionFault},
    event::{EventHeader, EventType, RotateEvent, incident_message},
    tables::Tables,
};
use crate::{
    config::{NameCase, OutboxTable},
    position::{BinlogCoordinates, EndPosition, GtidSet, Position},
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
    bounds: Bounds,
    transaction: Option<Transaction>,
    /// A table map whose columns are asked of the server.
    undescribed: Option<Undescribed>,
    /// An XA branch that is read again, because the transaction being read commits it.
    recall: Option<Recall>,
    kept: Kept,
    counts: Counts,
}

/// What was read since the counts were taken last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) transactions: u64,
    pub(super) outbox_rows: u64,
    pub(super) bytes: u64,
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
            bounds: Bounds::default(),
            transaction: None,
            undescribed: None,
            recall: None,
            kept: Kept::default(),
            counts: Counts::default(),
        }
    }

    /// Each transaction leaves in chunks of its own from here on.
    pub(super) fn cut_after_each_transaction(&mut self) {
        self.emission.singly();
    }

    /// Only what lies within is assembled.
    pub(super) fn keep_to(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// Whether everything within the bounds was read. The position is the end then.
    pub(super) fn has_reached_end(&mut self) -> bool {
        let has_reached = self.transaction.is_none() && self.bounds.are_reached(&self.end());
        if has_reached {
            self.emission.rotate_to(self.end());
        }
        has_reached
    }

    /// Whether a transaction was read only in part.
    pub(super) fn is_inside_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    /// The stream begins at the position's coordinates, whatever GTIDs it has: transactions in
    /// `published` are passed over here.
    pub(super) fn by_coordinates(&mut self, published: Option<GtidSet>) {
        self.emission.by_coordinates(published);
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
        if event_type == EventType::FORMAT_DESCRIPTION {
            self.emission.enter_file(&self.file, event.header.timestamp);
        }
        if self.passes_over(event)? {
            return Ok(None);
        }
        if self.is_in_branch() {
            self.kept.add(event);
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
                self.begun(event_type).map(drop)?;
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

    fn rotate(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        let rotate = RotateEvent::parse(event.body);
        let rotate = rotate.map_err(|error| self.malformed(event_type, error))?;
        self.expect_idle(event_type)?;
        if *rotate.file != *self.file {
            self.file = rotate.file.into();
            self.emission.leave_file();
        }
        self.end = EndPosition::new(rotate.position);
        // SERVER: a dump begins with an artificial rotate to where it begins, and each further file
        // with one to itself. They say where we read, not what we have read.
        if !event.header.is_artificial() {
            self.emission.rotate_to(self.end());
        }
        Ok(())
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
}

impl Interest for Assembler {
    fn wants(&self, header: &EventHeader, head: &[u8]) -> bool {
        if self.transaction.as_ref().is_some_and(|transaction| transaction.is_passed_over) {
            return header.event_type == EventType::XA_PREPARE;
        }
        self.tables.want(header, head)
    }
}
