//! What is sent to Kafka for one outbox row.

use std::sync::Arc;

/// One Kafka record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRecord {
    /// `database.table` of the row, for messages.
    pub table: Arc<str>,
    pub topic: Arc<str>,
    /// `None`: the producer hashes the key (Java-compatible murmur2).
    pub partition: Option<i32>,
    pub key: Option<Vec<u8>>,
    /// `None`: a tombstone.
    pub value: Option<Vec<u8>>,
    pub headers: Vec<Header>,
    /// Milliseconds since the epoch; the transaction's commit time unless a column says otherwise.
    pub timestamp_ms: i64,
    /// What kind of event it is, where somebody wants to choose by it. Not sent.
    pub event_type: Option<Vec<u8>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub name: Arc<str>,
    /// `None`: a header without a value (SQL NULL).
    pub value: Option<Vec<u8>>,
}

impl OutboxRecord {
    /// Bytes of key, value and headers: what the limits on batches and in-flight memory count.
    pub fn bytes(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|header| header.name.len() + header.value.as_ref().map_or(0, Vec::len))
            .sum();
        self.key.as_ref().map_or(0, Vec::len) + self.value.as_ref().map_or(0, Vec::len) + headers
    }
}
