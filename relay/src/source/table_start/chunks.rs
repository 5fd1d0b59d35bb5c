//! Rows of the tables → chunks that say how far the tables are read.
//!
//! Pure: no connection, no clock. The position of each chunk is where the start was begun; only the last
//! row moves.

use crate::{
    position::{Advance, GtidSet, LastRow, Position, TableStart},
    record::OutboxRecord,
    source::{Chunk, assembler::cost},
};

pub(super) struct Chunks {
    /// Where the binlog begins to count.
    begun: Position,
    table_start: TableStart,
    /// When the tables were as they are read, in microseconds since the epoch.
    read_as_of_us: u64,
    /// A chunk is closed before it costs more.
    cost_max: usize,
    records: Vec<OutboxRecord>,
    cost: usize,
}

impl Chunks {
    /// Goes on behind `begun`, a position with a start that is not finished.
    pub(super) fn new(begun: &Position, read_as_of_us: u64, cost_max: usize) -> Self {
        let table_start = begun.table_start.clone().unwrap_or_default();
        Self {
            begun: begun.clone(),
            table_start,
            read_as_of_us,
            cost_max,
            records: Vec::new(),
            cost: 0,
        }
    }

    pub(super) fn table_start(&self) -> &TableStart {
        &self.table_start
    }

    /// In microseconds since the epoch.
    pub(super) fn read_as_of_us(&self) -> u64 {
        self.read_as_of_us
    }

    pub(super) fn expect_rows(&mut self, rows_about: u64) {
        self.table_start.rows_about = self.table_start.rows.saturating_add(rows_about);
    }

    /// Whether the record fits into the chunk; if not, the chunk is closed before it is added.
    pub(super) fn has_room_for(&self, record: &OutboxRecord) -> bool {
        self.records.is_empty() || self.cost + cost(record) <= self.cost_max
    }

    /// Adds the record of the row behind the last one.
    pub(super) fn add(&mut self, record: OutboxRecord) {
        self.cost += cost(&record);
        self.records.push(record);
    }

    /// The records added since the last chunk, if there are any; `last` is the row of the last of them, or
    /// a later one that was passed over.
    pub(super) fn close(&mut self, last: impl FnOnce() -> LastRow) -> Option<Chunk> {
        if self.records.is_empty() {
            return None;
        }
        self.table_start.rows += self.records.len() as u64;
        self.table_start.last = Some(last());
        Some(self.chunk(Some(self.table_start.clone())))
    }

    /// All rows were added, and left: from here on the binlog counts.
    pub(super) fn finish(mut self) -> Chunk {
        assert!(self.records.is_empty(), "the last rows leave before the end");
        self.chunk(None)
    }

    fn chunk(&mut self, table_start: Option<TableStart>) -> Chunk {
        let records = std::mem::take(&mut self.records);
        self.cost = 0;
        Chunk {
            bytes: records.iter().map(OutboxRecord::bytes).sum(),
            records,
            advance: Advance {
                server_uuid: self.begun.server_uuid,
                coordinates: self.begun.coordinates.clone(),
                file_begun: self.begun.file_begun,
                gtids: self.begun.gtid_set.as_ref().map(|_| GtidSet::default()),
                in_progress: None,
                table_start,
                prepared: self.begun.prepared.clone(),
            },
            commit_timestamp_us: self.read_as_of_us,
            transaction: None,
            permit: None,
        }
    }
}
