//! `--dry-run`: what would go where, without Kafka.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    sync::Arc,
};

use jiff::Timestamp;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::feed::RangeFeed;
use crate::{
    config::Config,
    metrics::Metrics,
    pipeline::Feed,
    position::BinlogCoordinates,
    record::OutboxRecord,
    source::{Chunk, Cut, Reading, SourceError},
};

/// What was counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    topics: BTreeMap<Arc<str>, u64>,
    transactions: u64,
    first: Option<Event>,
    last: Option<Event>,
}

/// One event, and the end of its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    id: String,
    topic: Arc<str>,
    committed: Timestamp,
    at: BinlogCoordinates,
}

/// Reads all of it and counts.
pub(super) async fn run(
    feed: &RangeFeed,
    config: &Config,
    metrics: Metrics,
    stop: CancellationToken,
) -> Result<Tally, SourceError> {
    let (chunks, mut received) = mpsc::channel(CHUNKS);
    let in_flight = usize::try_from(config.limits.in_flight_bytes_max.as_u64());
    let in_flight = in_flight.unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
    let follow =
        Reading::follow(feed.start(), chunks, Arc::new(Semaphore::new(in_flight)), metrics, stop);
    // So that each event's place is that of its own transaction.
    let reading = feed.read(Reading { cut: Cut::AfterEachTransaction, ..follow });
    let counting = async {
        let mut tally = Tally::default();
        while let Some(chunk) = received.recv().await {
            tally.count(&chunk);
        }
        tally
    };
    let (read, tally) = tokio::join!(reading, counting);
    read.map(|()| tally)
}

const CHUNKS: usize = 16;

impl Tally {
    fn count(&mut self, chunk: &Chunk) {
        for record in &chunk.records {
            *self.topics.entry(Arc::clone(&record.topic)).or_default() += 1;
        }
        if chunk.advance.in_progress.is_none() && !chunk.records.is_empty() {
            self.transactions += 1;
        }
        if let (None, Some(record)) = (&self.first, chunk.records.first()) {
            self.first = Some(Event::of(record, chunk));
        }
        if let Some(record) = chunk.records.last() {
            self.last = Some(Event::of(record, chunk));
        }
    }

    fn records(&self) -> u64 {
        self.topics.values().sum()
    }
}

impl Event {
    fn of(record: &OutboxRecord, chunk: &Chunk) -> Self {
        let id = record.headers.first().and_then(|header| header.value.as_deref());
        let committed = i64::try_from(chunk.commit_timestamp_us).unwrap_or(i64::MAX);
        Self {
            id: id.unwrap_or_default().escape_ascii().to_string(),
            topic: Arc::clone(&record.topic),
            committed: Timestamp::from_microsecond(committed).unwrap_or(Timestamp::MAX),
            at: chunk.advance.coordinates.clone(),
        }
    }
}

impl Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "dry run: nothing is published; {} records of {} transactions would be",
            self.records(),
            self.transactions
        )?;
        let width = self.topics.keys().map(|topic| topic.len()).max().unwrap_or(0);
        for (topic, records) in &self.topics {
            writeln!(f, "  {topic:width$}  {records}")?;
        }
        for (which, event) in [("first", &self.first), ("last", &self.last)] {
            if let Some(Event { id, topic, committed, at }) = event {
                writeln!(f, "  {which}: {id} to {topic}, committed {committed}, up to {at}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{position::Advance, record::Header};

    fn chunk(topics: &[&str], position: u64) -> Chunk {
        let record = |topic: &&str| OutboxRecord {
            table: Arc::from("shop.outbox"),
            topic: Arc::from(*topic),
            partition: None,
            key: None,
            value: None,
            headers: vec![Header {
                name: Arc::from("id"),
                value: Some(format!("e{position}").into_bytes()),
            }],
            timestamp_ms: 0,
            event_type: None,
        };
        Chunk {
            records: topics.iter().map(record).collect(),
            advance: Advance {
                server_uuid: Uuid::nil(),
                coordinates: BinlogCoordinates { file: "b.000001".into(), position },
                file_begun: None,
                gtids: None,
                in_progress: None,
                table_start: None,
                prepared: Vec::new(),
            },
            bytes: 0,
            commit_timestamp_us: position * 1_000_000,
            transaction: None,
            permit: None,
        }
    }

    #[test]
    fn tally_says_what_would_go_where() {
        let mut tally = Tally::default();
        for chunk in [chunk(&[], 10), chunk(&["a", "long"], 20), chunk(&["a"], 30), chunk(&[], 40)]
        {
            tally.count(&chunk);
        }

        assert_eq!(
            tally.to_string(),
            "dry run: nothing is published; 3 records of 2 transactions would be\n  \
             a     2\n  \
             long  1\n  \
             first: e20 to a, committed 1970-01-01T00:00:20Z, up to b.000001:20\n  \
             last: e30 to a, committed 1970-01-01T00:00:30Z, up to b.000001:30\n"
        );
    }
}
