//! The binlog from where a start was begun → the rows that were inserted since.
//!
//! Promises: every row that the tables show and that was inserted behind the position is found; nothing
//! is decoded but primary keys of tables that are still to be read.
//!
//! Before this: the tables are open. After this: `read`, which leaves these rows to the binlog.

use std::collections::HashMap;

use super::{
    TableStartError,
    newer::{NEWER_ROWS_MAX, Newer, RowId, TooMany},
    plan::TablePlan,
};
use crate::{
    position::{BinlogCoordinates, EndPosition, Position},
    source::{
        EventFault, EventSource, Interest, RawEvent, SourceError, columns,
        error::Place,
        event::{EventHeader, EventType, RotateEvent},
        mysql::{ConnectOptions, Connection, DumpStart},
        row::{RowDecoder, RowsEvent, RowsKind},
        table_map::TableMap,
    },
};

pub(super) struct Scan<'p> {
    plans: &'p [TablePlan],
    /// Of tables that are to be read, each once: by the id that rows events name.
    tables: HashMap<u64, Table<'p>>,
    newer: Newer,
    begun: BinlogCoordinates,
    /// The binlog is sent from before `begun`.
    begins_before: bool,
    file: String,
    end: EndPosition,
}

struct Table<'p> {
    plan: &'p TablePlan,
    decoder: RowDecoder,
    /// The table map's bytes: as long as they are the same, so is all else.
    body: Box<[u8]>,
}

impl<'p> Scan<'p> {
    pub(super) fn new(plans: &'p [TablePlan], begun: &Position, from: &DumpStart) -> Self {
        let begins_before = matches!(from, DumpStart::At(from) if *from != begun.coordinates);
        Self {
            plans,
            tables: HashMap::new(),
            newer: Newer::default(),
            begun: begun.coordinates.clone(),
            begins_before,
            file: begun.coordinates.file.to_string(),
            end: EndPosition::new(begun.coordinates.position),
        }
    }

    /// Reads until everything before `until` was read.
    pub(super) async fn run(
        mut self,
        stream: &mut impl EventSource,
        until: &BinlogCoordinates,
        connect: &ConnectOptions,
    ) -> Result<Newer, SourceError> {
        loop {
            let event = stream.next_event(&self).await;
            let event = event.map_err(|error| SourceError::of_stream(error, || self.place()))?;
            let header = event.header;
            let is_unpacked = event.is_unpacked;
            if let Some(table_map) = self.handle(&event)? {
                let mut connection = Box::pin(Connection::open(connect)).await?;
                let (database, table) = (&table_map.map.database, &table_map.map.table);
                let described = columns::describe(&mut connection, database, table).await?;
                connection.close().await;
                self.describe(table_map, &described)?;
            }
            // A compressed transaction comes as an event that reaches its end, and then its events.
            let is_whole = header.event_type != EventType::TRANSACTION_PAYLOAD
                && (!is_unpacked || !stream.has_event());
            if is_whole && self.has_reached(until, &header) {
                return Ok(self.newer);
            }
        }
    }

    /// SERVER: a dump by GTIDs passes over transactions without a word, so that no event may end where it
    /// has come to. Its heartbeats say it: in the header, behind what was sent and passed over.
    fn has_reached(&self, until: &BinlogCoordinates, header: &EventHeader) -> bool {
        let heard = match header.event_type {
            EventType::HEARTBEAT => u64::from(header.log_pos),
            _ => 0,
        };
        let position = self.end.get().max(heard);
        let reached = BinlogCoordinates { file: self.file.as_str().into(), position };
        reached.partial_cmp(until).is_some_and(std::cmp::Ordering::is_ge)
    }

    /// Takes an event in. Answers a table map whose columns the binlog does not tell.
    fn handle(&mut self, event: &RawEvent<'_>) -> Result<Option<Undescribed<'p>>, SourceError> {
        let header = event.header;
        match header.event_type {
            EventType::HEARTBEAT | EventType::HEARTBEAT_V2 => return Ok(None),
            EventType::ROTATE => {
                let rotate =
                    RotateEvent::parse(event.body).map_err(|error| SourceError::Event {
                        place: Box::new(self.place()),
                        fault: EventFault::Malformed { event_type: header.event_type, error },
                    })?;
                self.file = rotate.file.to_string();
                self.end = EndPosition::new(rotate.position);
                return Ok(None);
            }
            _ if event.is_unpacked || header.is_artificial() => {}
            _ => self.end.advance(header.event_size, header.log_pos),
        }
        match header.event_type {
            EventType::TABLE_MAP => self.table_map(event.body),
            EventType::WRITE_ROWS_V1 | EventType::WRITE_ROWS if !self.is_before_begun() => {
                self.rows(event)?;
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn table_map(&mut self, body: &[u8]) -> Result<Option<Undescribed<'p>>, SourceError> {
        let rows = |error| TableStartError::Rows { table: "?".into(), error };
        let (table_id, database, table) = TableMap::peek_name(body).map_err(rows)?;
        let plans = self.plans;
        let is_it = |plan: &&TablePlan| plan.database == database && plan.table == table;
        let Some(plan) = plans.iter().find(is_it) else {
            self.tables.remove(&table_id);
            return Ok(None);
        };
        if self.tables.get(&table_id).is_some_and(|known| *known.body == *body) {
            return Ok(None);
        }
        let rows = |error| TableStartError::Rows { table: plan.name.clone(), error };
        let map = TableMap::parse(body).map_err(rows)?;
        let undescribed = Undescribed { map, plan, body: body.into() };
        if !undescribed.map.is_described() {
            return Ok(Some(undescribed));
        }
        self.know(undescribed)?;
        Ok(None)
    }

    fn describe(
        &mut self,
        mut undescribed: Undescribed<'p>,
        columns: &[crate::source::table_map::ColumnDescription],
    ) -> Result<(), SourceError> {
        let table = undescribed.plan.name.clone();
        let place = Box::new(self.place());
        undescribed.map.describe(columns).map_err(|error| SourceError::TableChanged {
            table,
            place,
            error,
        })?;
        self.know(undescribed)
    }

    fn know(&mut self, described: Undescribed<'p>) -> Result<(), SourceError> {
        let Undescribed { map, plan, body } = described;
        let key = plan.primary.iter().filter_map(|place| plan.keys.get(*place));
        let wanted: Option<Vec<usize>> = key.map(|key| map.column_index(&key.name)).collect();
        let wanted = wanted.ok_or_else(|| TableStartError::Altered { table: plan.name.clone() })?;
        let decoder = RowDecoder::new(&map, &wanted)
            .map_err(|error| TableStartError::Rows { table: plan.name.clone(), error })?;
        // A table that was altered has another id from then on.
        self.tables.retain(|_, table| !std::ptr::eq(table.plan, plan));
        self.tables.insert(map.table_id, Table { plan, decoder, body });
        Ok(())
    }

    fn rows(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let rows = |error| TableStartError::Rows { table: "?".into(), error };
        let table_id = RowsEvent::peek_table_id(event.body).map_err(rows)?;
        let Some(Table { plan, decoder, .. }) = self.tables.get(&table_id) else { return Ok(()) };
        let rows = |error| TableStartError::Rows { table: plan.name.clone(), error };
        let parsed = RowsEvent::parse(event.header.event_type.0, event.body).map_err(rows)?;
        assert_eq!(parsed.kind, RowsKind::Insert, "only inserts are looked at");
        let mut cursor = parsed.rows().map_err(rows)?;
        let mut key = Vec::new();
        while decoder.decode(&mut cursor, &mut key).map_err(rows)?.is_some() {
            let row = RowId::of(&plan.database, &plan.table, key.iter())
                .map_err(|error| TableStartError::Key { table: plan.name.clone(), error })?;
            self.newer.insert(row).map_err(|TooMany| TableStartError::TooManyNewer {
                rows_max: NEWER_ROWS_MAX,
                begun: self.begun.clone(),
            })?;
        }
        Ok(())
    }

    /// Whether the event that was taken in lies before the position: its rows are the table's.
    fn is_before_begun(&self) -> bool {
        self.begins_before
            && *self.file == *self.begun.file
            && self.end.get() <= self.begun.position
    }

    fn place(&self) -> Place {
        let file = self.file.as_str().into();
        Place { coordinates: BinlogCoordinates { file, position: self.end.get() }, gtid: None }
    }
}

struct Undescribed<'p> {
    map: TableMap,
    plan: &'p TablePlan,
    body: Box<[u8]>,
}

impl Interest for Scan<'_> {
    fn wants(&self, header: &EventHeader, head: &[u8]) -> bool {
        match header.event_type {
            EventType::WRITE_ROWS_V1 | EventType::WRITE_ROWS => {
                RowsEvent::peek_table_id(head).is_ok_and(|id| self.tables.contains_key(&id))
            }
            EventType::TABLE_MAP | EventType::ROTATE | EventType::FORMAT_DESCRIPTION => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::plan::tests::{described, plan},
        *,
    };
    use crate::source::{
        assembler::tests::script::{Log, OTHER, OUTBOX},
        row::Value,
    };

    fn plans() -> [TablePlan; 1] {
        let described = described(&[("id", "bigint", false)], &[("PRIMARY", "id", false)]);
        [plan(None, &described).unwrap()]
    }

    /// Which of the ids below ten are found, of what is sent from `from` on, for a start begun at `begun`.
    fn found(log: &Log, begun: &Position, from: &Position) -> Vec<i64> {
        let plans = plans();
        let mut scan = Scan::new(&plans, begun, &DumpStart::At(from.coordinates.clone()));
        for event in log.serve(from) {
            assert!(
                scan.handle(&event.event()).unwrap().is_none(),
                "the table map tells the columns"
            );
        }
        let id = |id: i64| RowId::of("shop", "outbox", [Value::Int(id)].iter()).unwrap();
        (0..10).filter(|row| scan.newer.contains(&id(*row))).collect()
    }

    #[test]
    fn rows_inserted_into_outbox_tables_are_found_also_in_compressed_transactions() {
        let mut log = Log::new(false);
        log.transaction(&[(OTHER, &[(1, 3)]), (OUTBOX, &[(2, 3), (3, 3)])]);
        log.rotate().compressed(&[(OUTBOX, &[(4, 3)]), (OTHER, &[(5, 3)])]);

        assert_eq!(found(&log, &log.start(), &log.start()), [2, 3, 4]);
    }

    /// A position behind 4 GiB of its file cannot be asked for.
    #[test]
    fn rows_before_the_position_are_the_tables_where_the_file_is_sent_from_its_start() {
        let mut log = Log::new(false);
        log.transaction(&[(OUTBOX, &[(1, 3)])]).compressed(&[(OUTBOX, &[(2, 3)])]);
        let mut begun = log.start();
        begun.coordinates.position = log.position;
        log.transaction(&[(OUTBOX, &[(3, 3)])]).rotate().transaction(&[(OUTBOX, &[(4, 3)])]);

        assert_eq!(found(&log, &begun, &log.start()), [3, 4]);
    }
}
