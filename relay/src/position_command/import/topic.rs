//! A compacted topic → the newest record of each key.
//!
//! Promises: committed records only, each partition to its end; a tombstone takes its key away.

use std::{collections::BTreeMap, ops::ControlFlow};

use rdkafka::{Message, types::RDKafkaErrorCode};

use super::{entry::Raw, error::ImportError};
use crate::publish::{Fault, Session, Settings};

const READING: &str = "reading the offsets to import";

/// What a key's newest record says; `None`: a tombstone.
struct Newest {
    value: Option<Vec<u8>>,
    timestamp_ms: Option<i64>,
    partition: i32,
    offset: i64,
}

/// Reads the whole topic. Blocks.
pub(super) fn newest(settings: &Settings, topic: &str) -> Result<Vec<Raw>, ImportError> {
    let session = Session::open(settings, &settings.checkpoint_reader())?;
    let failed = |code| of(&session, topic, code);
    let partitions = session.partitions(topic).map_err(failed)?;
    if partitions == 0 {
        return Err(ImportError::NoTopic { topic: topic.to_owned() });
    }
    let mut found: BTreeMap<Vec<u8>, Newest> = BTreeMap::new();
    for partition in 0..i32::try_from(partitions).unwrap_or(i32::MAX) {
        let (low, high) = session.watermarks(topic, partition).map_err(failed)?;
        if low >= high {
            continue;
        }
        let scanned = session.scan(topic, partition, low, |record| {
            if let Some(key) = record.key() {
                let newest = Newest {
                    value: record.payload().map(<[u8]>::to_vec),
                    timestamp_ms: record.timestamp().to_millis(),
                    partition,
                    offset: record.offset(),
                };
                // A key is in two partitions only where some were added since.
                let is_older = |known: &Newest| {
                    known.partition != partition && known.timestamp_ms > newest.timestamp_ms
                };
                if !found.get(key).is_some_and(is_older) {
                    found.insert(key.to_vec(), newest);
                }
            }
            ControlFlow::<()>::Continue(())
        });
        scanned.map_err(failed)?;
    }
    let raw = |(key, newest): (Vec<u8>, Newest)| {
        let Newest { value, partition, offset, .. } = newest;
        let place = format!("topic {topic}, partition {partition}, offset {offset}");
        Some(Raw { key, value: value?, place })
    };
    Ok(found.into_iter().filter_map(raw).collect())
}

fn of(session: &Session<'_>, topic: &str, code: RDKafkaErrorCode) -> ImportError {
    if Fault::of(code) == Fault::TopicDenied {
        return ImportError::TopicDenied { topic: topic.to_owned() };
    }
    session.error(READING, code).into()
}
