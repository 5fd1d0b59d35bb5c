//! A range of the binlog → the events in it that are meant.
//!
//! Before this: `range`. After this: `kafka`, which looks where they went.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{
    config::Config,
    metrics::Metrics,
    position::{BinlogCoordinates, Gtid},
    progress::Moment,
    range::{Range, Selection},
    record::{Header, OutboxRecord},
    source::{self, Chunk, ChunkTransaction, Cut, Origin, PresentColumns, Reading, SourceError},
};

/// Chunks that wait to be looked at; the bytes in flight bound them too.
const CHUNKS: usize = 16;

/// An outbox row, the record that it becomes, and its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) record: OutboxRecord,
    pub(super) gtid: Option<Gtid>,
    pub(super) begins_at: BinlogCoordinates,
    pub(super) ends_at: BinlogCoordinates,
    pub(super) committed_at: Timestamp,
    /// Outbox rows of its transaction that stand before it.
    pub(super) rows_before: u64,
}

/// What was found, and what was looked at for it.
#[derive(Debug, Default)]
pub(super) struct Search {
    pub(super) events: Vec<Event>,
    /// Outbox rows that were looked at, by table.
    pub(super) tables: BTreeMap<Arc<str>, u64>,
    /// Behind the last transaction that was looked at, where that is not all.
    pub(super) stopped_at: Option<BinlogCoordinates>,
}

/// What is searched, and how.
pub(super) struct Asked {
    pub(super) config: Config,
    pub(super) origin: Origin,
    pub(super) present_columns: PresentColumns,
    pub(super) range: Range,
    pub(super) selection: Selection,
    /// So many events are enough.
    pub(super) events_max: usize,
}

/// How far the search is.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<(Instant, BinlogCoordinates, u64)>>);

impl Pace {
    fn note(&self, at: &BinlogCoordinates, rows: u64) {
        let mut pace = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, reached, counted) = pace.get_or_insert_with(|| (Instant::now(), at.clone(), 0));
        reached.clone_from(at);
        *counted += rows;
    }

    pub(super) fn moment(&self) -> Option<Moment> {
        let pace = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (began, at, counted) = pace?;
        // The display needs no more than that.
        let rows = u32::try_from(counted).unwrap_or(u32::MAX);
        let per_second = f64::from(rows) / began.elapsed().as_secs_f64().max(0.001);
        Some(Moment { at, counted, per_second })
    }
}

impl Asked {
    /// Reads up to the end of the range, or until enough is found.
    pub(super) async fn search(self, metrics: Metrics, pace: &Pace) -> Result<Search, SourceError> {
        let Self { config, origin, present_columns, range, selection, events_max } = self;
        let (chunks, mut received) = mpsc::channel(CHUNKS);
        let in_flight = usize::try_from(config.limits.in_flight_bytes_max.as_u64());
        let in_flight = in_flight.unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        let follow = Reading::follow(
            range.start(),
            chunks,
            Arc::new(Semaphore::new(in_flight)),
            metrics,
            CancellationToken::new(),
        );
        let reading = Reading {
            origin,
            bounds: range.bounds(),
            // So that each event's place is that of its own transaction.
            cut: Cut::AfterEachTransaction,
            present_columns,
            ..follow
        };
        let choosing = async move {
            let mut search = Search::default();
            while let Some(chunk) = received.recv().await {
                pace.note(&chunk.advance.coordinates, rows(&chunk));
                if search.is_enough_with(chunk, &selection, events_max) {
                    // Nobody listens any more: reading ends.
                    break;
                }
            }
            search
        };
        let (read, search) = tokio::join!(source::run(config, reading), choosing);
        read.map(|()| search)
    }
}

impl Search {
    /// Whether nothing behind the chunk is wanted.
    fn is_enough_with(&mut self, chunk: Chunk, selection: &Selection, events_max: usize) -> bool {
        let Chunk { records, advance, commit_timestamp_us, transaction, .. } = chunk;
        let ends_at = advance.coordinates;
        // The transaction's last chunk says where it ends, also to those found in its first ones.
        for event in self.events.iter_mut().rev() {
            let is_same = transaction
                .as_ref()
                .is_some_and(|transaction| transaction.begins_at == event.begins_at);
            if !is_same {
                break;
            }
            event.ends_at.clone_from(&ends_at);
        }
        let ChunkTransaction { gtid, begins_at, rows_before } = transaction.unwrap_or_else(|| {
            ChunkTransaction { gtid: None, begins_at: ends_at.clone(), rows_before: 0 }
        });
        let committed = i64::try_from(commit_timestamp_us).unwrap_or(i64::MAX);
        let committed_at = Timestamp::from_microsecond(committed).unwrap_or(Timestamp::MAX);
        for (rows_before, record) in (rows_before..).zip(records) {
            match self.tables.get_mut(&record.table) {
                Some(rows) => *rows += 1,
                None => drop(self.tables.insert(Arc::clone(&record.table), 1)),
            }
            if self.events.len() < events_max && selection.admits(&record) {
                self.events.push(Event {
                    record,
                    gtid,
                    begins_at: begins_at.clone(),
                    ends_at: ends_at.clone(),
                    committed_at,
                    rows_before,
                });
            }
        }
        let is_enough = self.events.len() >= events_max && advance.in_progress.is_none();
        if is_enough {
            self.stopped_at = Some(ends_at);
        }
        is_enough
    }
}

fn rows(chunk: &Chunk) -> u64 {
    u64::try_from(chunk.records.len()).unwrap_or(u64::MAX)
}

impl Event {
    /// The header that carries the event's id is the first, whatever its name.
    pub(super) fn id_header(&self) -> Option<&Header> {
        self.record.headers.first()
    }

    pub(super) fn id(&self) -> Option<&[u8]> {
        self.id_header()?.value.as_deref()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::position::{Advance, InProgress};

    pub(in crate::find) fn record(id: &str, key: &str) -> OutboxRecord {
        OutboxRecord {
            table: Arc::from("shop.outbox"),
            topic: Arc::from("outbox.event.order"),
            partition: None,
            key: Some(key.into()),
            value: None,
            headers: vec![Header { name: Arc::from("id"), value: Some(id.into()) }],
            timestamp_ms: 7,
            event_type: None,
        }
    }

    fn at(position: u64) -> BinlogCoordinates {
        BinlogCoordinates { file: "b.000001".into(), position }
    }

    /// Of the transaction that begins at `begin`; `part` rows of it are out and it goes on.
    fn chunk(begin: u64, end: u64, rows_before: u64, ids: &[&str], part: Option<u64>) -> Chunk {
        Chunk {
            records: ids.iter().map(|id| record(id, "k")).collect(),
            advance: Advance {
                server_uuid: Uuid::nil(),
                coordinates: at(if part.is_some() { begin } else { end }),
                file_begun: None,
                gtids: None,
                in_progress: part.map(|outbox_rows| InProgress { gtid: None, outbox_rows }),
                table_start: None,
                prepared: Vec::new(),
            },
            bytes: 0,
            commit_timestamp_us: 5_000_000,
            transaction: Some(ChunkTransaction { gtid: None, begins_at: at(begin), rows_before }),
            permit: None,
        }
    }

    fn ids(search: &Search) -> Vec<(String, u64, u64)> {
        let event = |event: &Event| {
            let id = String::from_utf8(event.id().unwrap().to_vec()).unwrap();
            (id, event.rows_before, event.ends_at.position)
        };
        search.events.iter().map(event).collect()
    }

    #[test]
    fn event_in_the_first_part_of_a_transaction_ends_where_the_transaction_does() {
        let selection = Selection { id: vec!["b".to_owned()], ..Selection::default() };
        let mut search = Search::default();

        assert!(!search.is_enough_with(chunk(4, 90, 0, &["x"], None), &selection, 1));
        assert!(!search.is_enough_with(chunk(90, 200, 0, &["a", "b"], Some(2)), &selection, 1));
        assert!(search.is_enough_with(chunk(90, 200, 2, &["c"], None), &selection, 1));

        assert_eq!(ids(&search), [("b".to_owned(), 1, 200)]);
        assert_eq!(search.stopped_at, Some(at(200)));
        assert_eq!(search.tables["shop.outbox"], 4);
    }

    #[test]
    fn no_more_events_are_kept_than_are_asked_for() {
        let selection = Selection { key: vec!["k".to_owned()], ..Selection::default() };
        let mut search = Search::default();

        assert!(search.is_enough_with(chunk(4, 90, 0, &["a", "b", "c"], None), &selection, 2));

        assert_eq!(ids(&search), [("a".to_owned(), 0, 90), ("b".to_owned(), 1, 90)]);
    }
}
