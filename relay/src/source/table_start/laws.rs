//! The rule against random commits, deletions and kills: a table, a binlog, and lives that end anywhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;
use uuid::Uuid;

use super::{
    chunks::Chunks,
    newer::{Newer, RowId},
};
use crate::{
    position::{KeyPart, LastRow, Position, TableStart},
    record::OutboxRecord,
    source::row::Value,
};

#[derive(Debug, Clone, Copy)]
enum Change {
    Insert(u64),
    Delete(u64),
}

/// What was committed, in order: the binlog. A key is inserted once, and deleted at most once behind that.
fn binlog() -> impl Strategy<Value = Vec<Change>> {
    // Random keys, as UUIDv4 are; some of them are deleted some time later.
    prop::collection::btree_map(any::<u64>(), prop::option::of(0_usize..40), 0..80)
        .prop_map(|rows| rows.into_iter().collect::<Vec<_>>())
        .prop_shuffle()
        .prop_map(|rows| {
            let mut changes = BTreeMap::new();
            for (place, (key, deleted)) in rows.into_iter().enumerate() {
                changes.insert((place, 0, key), Change::Insert(key));
                if let Some(later) = deleted {
                    changes.insert((place + later, 1, key), Change::Delete(key));
                }
            }
            changes.into_values().collect()
        })
}

/// One life: how much is committed until it looks at the tables, how much until it has read what is newer,
/// and how many chunks it gets out.
fn lives() -> impl Strategy<Value = Vec<(usize, usize, usize)>> {
    prop::collection::vec((0_usize..30, 0_usize..5, 0_usize..6), 0..6)
}

fn table(changes: &[Change]) -> BTreeSet<u64> {
    let mut table = BTreeSet::new();
    for change in changes {
        match change {
            Change::Insert(key) => table.insert(*key),
            Change::Delete(key) => table.remove(key),
        };
    }
    table
}

fn inserted(changes: &[Change]) -> impl Iterator<Item = u64> {
    changes.iter().filter_map(|change| match change {
        Change::Insert(key) => Some(*key),
        Change::Delete(_) => None,
    })
}

fn id(key: u64) -> RowId {
    RowId::of("shop", "outbox", [Value::UInt(key)].iter()).unwrap()
}

fn record(key: u64) -> OutboxRecord {
    OutboxRecord {
        table: Arc::from("shop.outbox"),
        topic: Arc::from("t"),
        partition: None,
        event_type: None,
        key: Some(key.to_be_bytes().to_vec()),
        value: None,
        headers: Vec::new(),
        timestamp_ms: 0,
    }
}

fn last_row(key: u64) -> LastRow {
    let part = KeyPart { column: "id".to_owned(), text: key.to_be_bytes().to_vec() };
    LastRow { database: "shop".to_owned(), table: "outbox".to_owned(), key: vec![part] }
}

fn last_key(position: &Position) -> Option<u64> {
    let last = position.table_start.as_ref()?.last.as_ref()?;
    Some(u64::from_be_bytes(last.key[0].text.clone().try_into().unwrap()))
}

/// Reads the tables as they were after `seen` of the changes; of those up to `scanned` it knows which are
/// behind the position. Stops after `chunks_max`.
fn live(
    position: &mut Position,
    published: &mut Vec<u64>,
    [begun, seen, scanned]: [&[Change]; 3],
    (per_chunk, chunks_max): (usize, usize),
) {
    let mut newer = Newer::default();
    for key in inserted(&scanned[begun.len()..]) {
        newer.insert(id(key)).unwrap();
    }
    let cost_max = per_chunk * crate::source::assembler::cost(&record(0));
    let mut chunks = Chunks::new(position, 0, cost_max);
    let after = last_key(position);
    let mut sent = 0;
    let mut publish = |chunk: crate::source::Chunk| {
        let is_out = sent < chunks_max;
        if is_out {
            let key =
                |record: OutboxRecord| u64::from_be_bytes(record.key.unwrap().try_into().unwrap());
            published.extend(chunk.records.into_iter().map(key));
            position.apply(&chunk.advance);
        }
        sent += 1;
        is_out
    };
    let mut last = None;
    let rows = table(seen);
    for key in rows.into_iter().filter(|key| after.is_none_or(|after| *key > after)) {
        if !newer.contains(&id(key)) {
            if !chunks.has_room_for(&record(key))
                && let Some(chunk) = chunks.close(|| last_row(last.unwrap()))
                && !publish(chunk)
            {
                return;
            }
            chunks.add(record(key));
        }
        last = Some(key);
    }
    if let Some(chunk) = chunks.close(|| last_row(last.unwrap()))
        && !publish(chunk)
    {
        return;
    }
    publish(chunks.finish());
}

proptest! {
    #[test]
    fn nothing_is_lost_or_doubled_however_often_a_life_ends(
        changes in binlog(),
        begun in 0_usize..60,
        lives in lives(),
        per_chunk in 1_usize..6,
    ) {
        let up_to = |end: usize| &changes[..end.min(changes.len())];
        let begun = up_to(begun);
        let mut position = Position {
            server_uuid: Uuid::nil(),
            coordinates: "bin-log.000001:4".parse().unwrap(),
            file_begun: None,
            gtid_set: None,
            in_progress: None,
            table_start: Some(TableStart::default()),
            prepared: Vec::new(),
        };
        let mut published = Vec::new();
        let mut now = begun.len();
        // The last life is let through.
        for (wait, scan, chunks_max) in lives.into_iter().chain([(7, 2, usize::MAX)]) {
            if position.table_start.is_none() {
                break;
            }
            now += wait;
            let changes = [begun, up_to(now), up_to(now + scan)];
            live(&mut position, &mut published, changes, (per_chunk, chunks_max));
        }

        prop_assert!(position.table_start.is_none(), "the start is finished");
        prop_assert!(published.is_sorted(), "rows of the table come in its order");
        let mut times = BTreeMap::new();
        for key in published.into_iter().chain(inserted(&changes[begun.len()..])) {
            *times.entry(key).or_insert(0) += 1;
        }
        let left = table(up_to(now));
        for key in inserted(&changes) {
            let count = times.remove(&key).unwrap_or(0);
            let is_behind = inserted(&changes[begun.len()..]).any(|own| own == key);
            // What was there before, and is deleted before it is read, is not promised.
            let may_be_missing = !is_behind && !left.contains(&key);
            prop_assert!(count == 1 || (count == 0 && may_be_missing), "{key} came {count} times");
        }
        prop_assert!(times.is_empty(), "rows that nobody inserted");
    }
}
