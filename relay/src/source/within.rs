//! A place inside a transaction → how many of its outbox rows lie before it.
//!
//! For positions that somebody else wrote down: other products count binlog events where the relay counts
//! outbox rows.
//!
//! Promises:
//! - what counts as an outbox row here is one for the relay;
//! - where the transaction has something in it that makes the count depend on who counts (XA, a rollback
//!   to a savepoint), or is not laid out as the place says, the answer is that it is not known.
//!
//! Before this: `probe`, which reads the transaction. After this: `position_command`.

use std::sync::Arc;

use super::{
    EventFault, Interest, RawEvent, SourceError,
    assembler::TableName,
    bytes::ByteReader,
    decode_error::DecodeError,
    error::Place,
    event::{EventError, EventHeader, EventType, GtidEvent, QueryEvent, Statement},
    row::{RowsEvent, RowsKind},
    table_map::{ColumnDescription, TableMap},
    tables::{Mapped, TableError, Tables},
};
use crate::{
    config::{NameCase, OutboxTable},
    position::{EndPosition, Gtid},
};

/// Up to where a transaction was read by somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpTo {
    /// So many events, `BEGIN` as the first, then so many rows of the next one. The `BEGIN`, or the
    /// compressed transaction that it is in, stands at `begin`.
    Events { begin: u64, events: u64, rows: u64 },
    /// The events that end there or before.
    End(u64),
    /// The event that begins there, and those before it.
    Event(u64),
}

/// A transaction, cut at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Within {
    pub(crate) gtid: Option<Gtid>,
    /// Outbox rows of the whole transaction.
    pub(crate) rows: u64,
    /// Those of them that lie before the place; `None`: not known.
    pub(crate) rows_before: Option<u64>,
    /// Those of the event that comes next behind counted events.
    pub(crate) rows_next: u64,
    /// An event begins, or ends, where the place says.
    pub(crate) is_there: bool,
}

/// Why a transaction could not be looked through.
#[derive(Debug)]
pub(super) enum CountFault {
    Table(TableError),
    Decode(DecodeError),
    Malformed(EventType, EventError),
}

impl CountFault {
    pub(super) fn at(self, place: Box<Place>) -> SourceError {
        match self {
            Self::Table(error) => error.at(place),
            Self::Decode(error) => SourceError::Rows { table: "?".into(), place, error },
            Self::Malformed(event_type, error) => {
                SourceError::Event { place, fault: EventFault::Malformed { event_type, error } }
            }
        }
    }
}

/// Counts through one transaction. A state machine over its events, without a connection.
pub(super) struct Counter {
    tables: Tables,
    up_to: UpTo,
    /// Where the next event begins that stands in the file.
    end: EndPosition,
    found: Within,
    /// Events since `BEGIN`, which is the first.
    events: u64,
    has_begun: bool,
    is_uncertain: bool,
    undescribed: Option<(Box<TableMap>, Box<[u8]>)>,
}

/// What an event was.
pub(super) enum Counted {
    /// Another one follows.
    Inside,
    /// The columns of this table are needed before the next.
    Undescribed(TableName),
    /// The transaction's last.
    Last,
}

impl Counter {
    /// For the transaction that begins at `begins_at` of its file.
    pub(super) fn new(
        begins_at: u64,
        up_to: UpTo,
        entries: Arc<[OutboxTable]>,
        names: NameCase,
    ) -> Self {
        Self {
            tables: Tables::new(entries, names),
            up_to,
            end: EndPosition::new(begins_at),
            found: Within::default(),
            events: 0,
            has_begun: false,
            is_uncertain: false,
            undescribed: None,
        }
    }

    /// What was found. Only of use behind the last event.
    pub(super) fn found(&self) -> Within {
        let is_certain = !self.is_uncertain && self.found.is_there;
        Within { rows_before: self.found.rows_before.filter(|_| is_certain), ..self.found }
    }

    pub(super) fn handle(&mut self, event: &RawEvent<'_>) -> Result<Counted, CountFault> {
        let EventHeader { event_type, event_size, log_pos, .. } = event.header;
        let begin = self.end.get();
        if event.header.is_heartbeat() || event.header.is_artificial() {
            return Ok(Counted::Inside);
        }
        if !event.is_unpacked {
            self.end.advance(event_size, log_pos);
        }
        let rows_before = self.found.rows;
        let counted = self.read(event, event_type)?;
        if self.has_begun {
            self.events += 1;
        }
        self.cut(event, begin, rows_before);
        Ok(counted)
    }

    /// Notes how many rows lie before the place, as long as it is not passed.
    fn cut(&mut self, event: &RawEvent<'_>, begin: u64, rows_before: u64) {
        let rows = self.found.rows;
        match self.up_to {
            UpTo::Events { begin: wanted, events, rows: extra } => {
                if begin == wanted && !event.is_unpacked {
                    self.found.is_there = true;
                    // A connection that was lost inside of it: from there on was counted, not from BEGIN.
                    self.is_uncertain |= !self.is_begin(event);
                }
                let of_event = rows - rows_before;
                if self.events == events {
                    self.found.rows_before = Some(rows);
                } else if self.events == events.saturating_add(1) {
                    self.found.rows_next = of_event;
                    // SERVER: an event of another kind has no rows, so this is not what was counted.
                    let kind = RowsKind::of_event_type(event.header.event_type.0);
                    self.is_uncertain |= extra > 0 && kind.is_none();
                    self.is_uncertain |= of_event > 0 && of_event < extra;
                    self.found.rows_before = Some(rows_before + of_event.min(extra));
                }
            }
            // Events in a compressed transaction have no place of their own.
            UpTo::End(_) | UpTo::Event(_) if event.is_unpacked => self.is_uncertain = true,
            UpTo::End(place) => {
                self.found.is_there |= self.end.get() == place;
                if self.end.get() <= place {
                    self.found.rows_before = Some(rows);
                }
            }
            UpTo::Event(place) => {
                self.found.is_there |= begin == place;
                if begin <= place {
                    self.found.rows_before = Some(rows);
                }
            }
        }
    }

    fn is_begin(&self, event: &RawEvent<'_>) -> bool {
        let is_first_query = event.header.event_type == EventType::QUERY && self.events == 1;
        is_first_query || event.header.event_type == EventType::TRANSACTION_PAYLOAD
    }

    fn read(&mut self, event: &RawEvent<'_>, event_type: EventType) -> Result<Counted, CountFault> {
        match event_type {
            _ if GtidEvent::is_of_type(event_type) => {
                let parsed = GtidEvent::of_type(event_type, event.body);
                self.found.gtid =
                    parsed.map_err(|error| CountFault::Malformed(event_type, error))?.gtid;
            }
            EventType::QUERY => return self.query(event),
            EventType::TABLE_MAP => return self.table_map(event),
            EventType::XID => return Ok(Counted::Last),
            EventType::XA_PREPARE => {
                self.is_uncertain = true;
                return Ok(Counted::Last);
            }
            _ => {
                if let Some(kind) = RowsKind::of_event_type(event_type.0) {
                    self.rows(event, kind).map_err(CountFault::Decode)?;
                }
            }
        }
        Ok(Counted::Inside)
    }

    fn query(&mut self, event: &RawEvent<'_>) -> Result<Counted, CountFault> {
        let query = QueryEvent::parse(event.body);
        let query = query.map_err(|error| CountFault::Malformed(EventType::QUERY, error))?;
        Ok(match query.statement() {
            Statement::Begin => {
                self.has_begun = true;
                Counted::Inside
            }
            Statement::XaStart(_) => {
                self.has_begun = true;
                self.is_uncertain = true;
                Counted::Inside
            }
            Statement::Commit => Counted::Last,
            Statement::Rollback => {
                self.is_uncertain = true;
                self.found.rows = 0;
                Counted::Last
            }
            Statement::RollbackTo(_) => {
                self.is_uncertain = true;
                Counted::Inside
            }
            _ if self.has_begun => Counted::Inside,
            // A statement outside of BEGIN is a transaction of its own.
            Statement::Savepoint(_)
            | Statement::XaEnd
            | Statement::XaCommit(_)
            | Statement::XaRollback(_)
            | Statement::Other => Counted::Last,
        })
    }

    fn table_map(&mut self, event: &RawEvent<'_>) -> Result<Counted, CountFault> {
        Ok(match self.tables.map(event.body).map_err(CountFault::Table)? {
            Mapped::Known => Counted::Inside,
            Mapped::Undescribed(table_map) => {
                let name = TableName {
                    database: table_map.database.clone(),
                    table: table_map.table.clone(),
                    written: jiff::Timestamp::MIN,
                };
                self.undescribed = Some((table_map, event.body.into()));
                Counted::Undescribed(name)
            }
        })
    }

    /// Completes the table that [`Self::handle`] asked about.
    pub(super) fn describe(&mut self, columns: &[ColumnDescription]) -> Result<(), CountFault> {
        let (table_map, body) = self.undescribed.take().expect("a table was asked about");
        self.tables.describe(table_map, &body, columns).map_err(CountFault::Table)
    }

    fn rows(&mut self, event: &RawEvent<'_>, kind: RowsKind) -> Result<(), DecodeError> {
        const STATEMENT_END: u16 = 1;
        let mut head = ByteReader::new(event.body);
        let in_header = DecodeError::rows("header");
        let table_id = head.u48_le().map_err(&in_header)?;
        let flags = head.u16_le().map_err(&in_header)?;
        let is_outbox = self.tables.is_outbox(table_id) == Some(true);
        if let Some(outbox) = self.tables.outbox(table_id).filter(|_| is_outbox)
            && kind == RowsKind::Insert
        {
            let parsed = RowsEvent::parse(event.header.event_type.0, event.body)?;
            let mut cursor = parsed.rows()?;
            while outbox.decoder.skip(&mut cursor)?.is_some() {
                self.found.rows += 1;
            }
        }
        if flags & STATEMENT_END != 0 {
            self.tables.end_statement();
        }
        Ok(())
    }
}

impl Interest for Counter {
    fn wants(&self, header: &EventHeader, head: &[u8]) -> bool {
        self.tables.want(header, head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::assembler::tests::script::{Log, Logged, OTHER, OUTBOX};

    const ROWS: &[(u64, usize)] = &[(1, 5), (2, 5), (3, 5)];

    /// Of the log's last transaction.
    fn begin(log: &Log) -> usize {
        log.events.iter().rposition(|event| GtidEvent::is_of_type(event.header.event_type)).unwrap()
    }

    /// Where each event begins and ends in its file.
    fn places(log: &Log) -> Vec<(u64, u64)> {
        let mut end = EndPosition::new(4);
        let place = |event: &Logged| {
            let begin = end.get();
            if !event.is_unpacked {
                end.advance(event.header.event_size, event.header.log_pos);
            }
            (begin, end.get())
        };
        log.events.iter().map(place).collect()
    }

    fn within(log: &Log, up_to: UpTo) -> Within {
        let begin = begin(log);
        let entries = Arc::from(vec![OutboxTable::default()]);
        let begins_at = places(log)[begin].0;
        let mut counter = Counter::new(begins_at, up_to, entries, NameCase::Sensitive);
        for event in &log.events[begin..] {
            match counter.handle(&event.event()).unwrap() {
                Counted::Inside => {}
                Counted::Undescribed(table) => panic!("{table:?} is described"),
                Counted::Last => return counter.found(),
            }
        }
        panic!("the transaction has no end")
    }

    /// As Debezium counts: each event and each row that it has come to, and how many outbox rows those are.
    fn every_offset(log: &Log, first: usize) -> Vec<((u64, u64), u64)> {
        let mut offsets = Vec::new();
        let (mut events, mut outbox_rows) = (0, 0);
        let mut is_outbox = false;
        for event in &log.events[first..] {
            let event_type = event.header.event_type;
            offsets.push(((events, 0), outbox_rows));
            if event_type == EventType::TABLE_MAP {
                is_outbox = event.body.first() == Some(&u8::try_from(OUTBOX).unwrap());
            }
            let rows = match RowsKind::of_event_type(event_type.0) {
                Some(_) => 3,
                None => 0,
            };
            for row in 1..=rows {
                let is_counted = is_outbox && event_type == EventType::WRITE_ROWS;
                outbox_rows += u64::from(is_counted);
                offsets.push(((events, row), outbox_rows));
            }
            events += 1;
        }
        offsets.split_off(1)
    }

    fn transaction(log: &mut Log) {
        log.begin()
            .insert(OUTBOX, ROWS)
            .insert(OTHER, ROWS)
            .query("SAVEPOINT `a`")
            .insert(OUTBOX, ROWS)
            .table_map(OUTBOX)
            .rows(EventType::DELETE_ROWS, OUTBOX, ROWS)
            .table_map(OUTBOX)
            .rows(EventType::WRITE_ROWS, OUTBOX, ROWS)
            .xid();
    }

    #[test]
    fn every_event_and_row_that_debezium_counts_is_the_outbox_row_that_it_is() {
        for with_gtids in [true, false] {
            let mut log = Log::new(with_gtids);
            log.transaction(&[(OUTBOX, ROWS)]);
            transaction(&mut log);
            let first = begin(&log) + 1;
            let place = places(&log)[first].0;
            let offsets = every_offset(&log, first);

            assert_eq!(offsets.last().unwrap().1, 9);
            for ((events, rows), outbox_rows) in offsets {
                let found = within(&log, UpTo::Events { begin: place, events, rows });
                assert_eq!(found.rows_before, Some(outbox_rows), "{events} events, {rows} rows");
                assert_eq!((found.rows, found.gtid.is_some()), (9, with_gtids));
            }
        }
    }

    #[test]
    fn every_event_and_row_in_a_compressed_transaction_is_the_outbox_row_that_it_is() {
        let mut log = Log::new(true);
        log.compressed(&[(OUTBOX, ROWS), (OTHER, ROWS), (OUTBOX, ROWS)]);
        let payload = begin(&log) + 1;
        let place = places(&log)[payload].0;

        for ((events, rows), outbox_rows) in every_offset(&log, payload + 1) {
            let found = within(&log, UpTo::Events { begin: place, events, rows });
            assert_eq!(found.rows_before, Some(outbox_rows), "{events} events, {rows} rows");
        }
        let end = places(&log)[payload].1;
        assert_eq!(within(&log, UpTo::End(end)).rows_before, None, "no places inside");
    }

    #[test]
    fn places_of_rows_events_tell_what_lies_before_them() {
        let mut log = Log::new(true);
        transaction(&mut log);
        let begin = begin(&log);
        let (mut before, places) = (0, places(&log));

        for (index, event) in log.events.iter().enumerate().skip(begin) {
            let (begins, ends) = places[index];
            if event.header.event_type == EventType::WRITE_ROWS
                && log.events[index - 1].body.first() == Some(&u8::try_from(OUTBOX).unwrap())
            {
                before += 3;
            }
            assert_eq!(within(&log, UpTo::Event(begins)).rows_before, Some(before), "{index}");
            assert_eq!(within(&log, UpTo::End(ends)).rows_before, Some(before), "{index}");
            let between = within(&log, UpTo::End(ends - 1));
            assert!(!between.is_there && between.rows_before.is_none(), "{index}");
        }
    }

    #[test]
    fn count_that_does_not_fit_the_events_is_not_known() {
        let mut log = Log::new(true);
        transaction(&mut log);
        let place = places(&log)[begin(&log) + 1].0;
        let count = |place, events, rows| {
            within(&log, UpTo::Events { begin: place, events, rows }).rows_before
        };

        assert_eq!(count(place, 2, 3), Some(3));
        assert_eq!(count(place, 2, 4), None, "the event has three rows");
        assert_eq!(count(place, 1, 1), None, "a table map has no rows");
        assert_eq!(count(place, 99, 0), None, "so many events there are not");
        assert_eq!(count(place + 1, 2, 3), None, "no event begins there");
        let table_map = places(&log)[begin(&log) + 2].0;
        assert_eq!(count(table_map, 2, 3), None, "what begins there is no transaction");
    }

    /// As a heartbeat leaves it: it does not count the event whose rows are out already.
    #[test]
    fn rows_of_the_event_behind_the_counted_ones_are_told() {
        let mut log = Log::new(true);
        transaction(&mut log);
        let place = places(&log)[begin(&log) + 1].0;
        let next = |events| {
            let found = within(&log, UpTo::Events { begin: place, events, rows: 0 });
            (found.rows_before, found.rows_next)
        };

        assert_eq!(next(1), (Some(0), 0));
        assert_eq!(next(2), (Some(0), 3));
        assert_eq!(next(3), (Some(3), 0));
        assert_eq!(next(4), (Some(3), 0), "another table's");
    }

    #[test]
    fn what_depends_on_who_counts_is_not_known() {
        let mut log = Log::new(true);
        log.begin().insert(OUTBOX, ROWS).query("ROLLBACK TO `a`").insert(OUTBOX, ROWS).xid();
        let place = places(&log)[begin(&log) + 1].0;
        let rolled_back = within(&log, UpTo::Events { begin: place, events: 2, rows: 1 });
        assert_eq!((rolled_back.rows_before, rolled_back.rows), (None, 6));

        let mut log = Log::new(true);
        log.gtid().query("XA START X'78',X'',1").insert(OUTBOX, ROWS).query("XA END X'78',X'',1");
        log.xa_prepare(false);
        let end = places(&log)[begin(&log) + 3].1;
        let prepared = within(&log, UpTo::End(end));
        assert_eq!((prepared.rows_before, prepared.rows), (None, 3));
    }
}
