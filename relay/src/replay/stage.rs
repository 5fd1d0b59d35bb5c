//! Chunks as they were published → chunks as they are replayed: chosen, marked, and not too fast.
//!
//! Promises: positions pass as they are, whatever becomes of the records, so that what was left out is
//! left out once.

use std::{collections::HashMap, num::NonZeroU32, sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    range::Selection,
    record::{Header, OutboxRecord},
    source::Chunk,
};

/// The header that replayed records have more than others; its value is the replay's name.
pub(crate) const MARK: &str = "replayed";

pub(super) struct Stage {
    selection: Selection,
    topics: Option<Topics>,
    mark: Header,
    pace: Option<Pace>,
}

impl Stage {
    pub(super) fn new(
        name: &str,
        selection: Selection,
        topic_prefix: Option<&str>,
        rate: Option<NonZeroU32>,
    ) -> Self {
        Self {
            selection,
            topics: topic_prefix.map(Topics::new),
            mark: Header { name: Arc::from(MARK), value: Some(name.as_bytes().to_vec()) },
            pace: rate.map(Pace::new),
        }
    }

    /// Until there are no more chunks, until nobody takes them, or until `stop`.
    pub(super) async fn run(
        mut self,
        mut received: mpsc::Receiver<Chunk>,
        chunks: mpsc::Sender<Chunk>,
        stop: CancellationToken,
    ) {
        while let Some(mut chunk) = received.recv().await {
            self.apply(&mut chunk);
            if let Some(pace) = &mut self.pace {
                tokio::select! {
                    biased;
                    // What waits for its turn is read again by the next one.
                    () = stop.cancelled() => return,
                    () = pace.pass(chunk.records.len()) => {}
                }
            }
            if chunks.send(chunk).await.is_err() {
                return;
            }
        }
    }

    fn apply(&mut self, chunk: &mut Chunk) {
        chunk.records.retain(|record| self.selection.admits(record));
        for record in &mut chunk.records {
            if let Some(topics) = &mut self.topics {
                record.topic = topics.prefixed(&record.topic);
            }
            record.headers.push(self.mark.clone());
        }
        chunk.bytes = chunk.records.iter().map(OutboxRecord::bytes).sum();
        if chunk.records.is_empty() {
            // It may wait long for its turn, and what it stood for is gone.
            chunk.records = Vec::new();
            chunk.permit = None;
        }
    }
}

/// Topics with the prefix before them.
struct Topics {
    prefix: String,
    known: HashMap<Arc<str>, Arc<str>>,
}

impl Topics {
    /// A template may make a topic for each tenant.
    const KNOWN_MAX: usize = 1_024;

    fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), known: HashMap::new() }
    }

    fn prefixed(&mut self, topic: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.known.get(topic) {
            return Arc::clone(known);
        }
        if self.known.len() >= Self::KNOWN_MAX {
            self.known.clear();
        }
        let prefixed: Arc<str> = format!("{}{topic}", self.prefix).into();
        self.known.insert(Arc::clone(topic), Arc::clone(&prefixed));
        prefixed
    }
}

/// So many records in a second, on average: a chunk leaves whole.
struct Pace {
    per_second: NonZeroU32,
    next: Instant,
}

impl Pace {
    fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, next: Instant::now() }
    }

    async fn pass(&mut self, records: usize) {
        if records == 0 {
            return;
        }
        sleep_until(self.next).await;
        let records = u32::try_from(records).unwrap_or(u32::MAX);
        let takes = Duration::from_secs(1).saturating_mul(records) / self.per_second.get();
        self.next = self.next.max(Instant::now()) + takes;
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::position::Advance;

    fn record(key: &str) -> OutboxRecord {
        OutboxRecord {
            table: Arc::from("shop.outbox"),
            topic: Arc::from("outbox.event.order"),
            partition: Some(3),
            key: Some(key.into()),
            value: Some(b"v".to_vec()),
            headers: vec![Header { name: Arc::from("id"), value: Some(b"1".to_vec()) }],
            timestamp_ms: 7,
            event_type: None,
        }
    }

    fn chunk(keys: &[&str]) -> Chunk {
        Chunk {
            records: keys.iter().map(|key| record(key)).collect(),
            advance: Advance {
                server_uuid: Uuid::nil(),
                coordinates: "b.000001:700".parse().unwrap(),
                file_begun: None,
                gtids: None,
                in_progress: None,
                table_start: None,
                prepared: Vec::new(),
            },
            bytes: 1_000,
            commit_timestamp_us: 5,
            transaction: None,
            permit: None,
        }
    }

    fn stage(choices: &[&str], prefix: Option<&str>) -> Stage {
        let choices: Vec<String> = choices.iter().map(|choice| (*choice).to_owned()).collect();
        Stage::new("r1", Selection::parse(&choices).unwrap(), prefix, None)
    }

    #[test]
    fn record_is_what_it_was_with_one_header_more() {
        let mut chunk = chunk(&["a"]);

        stage(&[], None).apply(&mut chunk);

        let mut expected = record("a");
        expected.headers.push(Header { name: Arc::from("replayed"), value: Some(b"r1".to_vec()) });
        assert_eq!(chunk.bytes, expected.bytes());
        assert_eq!(chunk.records, [expected]);
    }

    #[test]
    fn chunk_of_which_nothing_is_chosen_still_moves_the_position() {
        let mut chunk = chunk(&["a", "b"]);
        let advance = chunk.advance.clone();

        stage(&["key=c"], None).apply(&mut chunk);

        assert!(chunk.records.is_empty());
        assert_eq!((chunk.bytes, chunk.advance), (0, advance));
    }

    #[test]
    fn prefix_stands_before_the_topic() {
        let mut chunk = chunk(&["a", "b"]);

        stage(&["key=a"], Some("again.")).apply(&mut chunk);

        let topics: Vec<&str> = chunk.records.iter().map(|record| &*record.topic).collect();
        assert_eq!(topics, ["again.outbox.event.order"]);
    }

    #[tokio::test(start_paused = true)]
    async fn rate_holds_over_chunks_of_any_size() {
        let mut pace = Pace::new(NonZeroU32::new(100).unwrap());
        let started = Instant::now();
        for records in [0, 1, 50, 149, 0, 100] {
            pace.pass(records).await;
        }

        // The last one leaves when those before it have had their time.
        assert_eq!(started.elapsed(), Duration::from_secs(2));
    }
}
