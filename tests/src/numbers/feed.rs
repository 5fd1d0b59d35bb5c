//! Numbers → chunks, at a pace.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use rowpost::{
    position::{Advance, BinlogCoordinates, Position},
    record::{Header, OutboxRecord},
    source::Chunk,
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::KEYS;
use crate::Random;

/// How many numbers come how fast.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Where the numbers end.
    pub end: u64,
    /// Numbers per second; 0: as fast as they are taken.
    pub rate: u64,
    /// Numbers of one chunk at most; each chunk draws its size.
    pub chunk_max: u32,
}

/// Sends chunks until the numbers end or nobody takes them any more.
pub struct Feed {
    pub topic: Arc<str>,
    pub pace: Pace,
    pub random: Random,
}

impl Feed {
    pub fn run(mut self, start: u64, chunks: &mpsc::Sender<Chunk>) {
        let started = Instant::now();
        let mut next = start;
        while next < self.pace.end {
            let size = u64::from(self.random.below(self.pace.chunk_max) + 1);
            let end = (next + size).min(self.pace.end);
            if self.pace.rate > 0 {
                let due = Duration::from_secs_f64((next - start) as f64 / self.pace.rate as f64);
                thread::sleep(due.saturating_sub(started.elapsed()));
            }
            if chunks.blocking_send(chunk(&self.topic, next, end)).is_err() {
                return;
            }
            next = end;
        }
    }
}

/// The numbers from `start` up to and without `end`.
pub fn chunk(topic: &Arc<str>, start: u64, end: u64) -> Chunk {
    let (id, table): (Arc<str>, Arc<str>) = (Arc::from("id"), Arc::from("numbers"));
    let records: Vec<_> = (start..end)
        .map(|number| OutboxRecord {
            table: Arc::clone(&table),
            topic: Arc::clone(topic),
            partition: None,
            key: Some((number % KEYS).to_string().into_bytes()),
            value: Some(number.to_string().into_bytes()),
            headers: vec![Header {
                name: Arc::clone(&id),
                value: Some(number.to_string().into_bytes()),
            }],
            timestamp_ms: i64::try_from(now_us() / 1_000).expect("the clock is near the epoch"),
            event_type: None,
        })
        .collect();
    Chunk {
        bytes: records.iter().map(OutboxRecord::bytes).sum(),
        records,
        advance: Advance {
            server_uuid: Uuid::nil(),
            coordinates: coordinates(end),
            file_begun: None,
            gtids: None,
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        },
        commit_timestamp_us: now_us(),
        transaction: None,
        permit: None,
    }
}

/// Everything below `number` is out.
pub fn position(number: u64) -> Position {
    Position {
        server_uuid: Uuid::nil(),
        coordinates: coordinates(number),
        file_begun: None,
        gtid_set: None,
        in_progress: None,
        table_start: None,
        prepared: Vec::new(),
    }
}

fn coordinates(number: u64) -> BinlogCoordinates {
    BinlogCoordinates { file: "numbers".into(), position: number }
}

fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}
