//! What the source hands to the publisher.

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    position::{Advance, BinlogCoordinates, Gtid},
    record::OutboxRecord,
};

/// A run of outbox records in commit order, and the position that is reached once they are out.
///
/// A transaction up to the chunk limit comes whole in one chunk, after its commit event was read; a
/// larger one comes in several, all but the last with [`Advance::in_progress`] set. A chunk without
/// records moves the checkpoint on a quiet outbox.
#[derive(Debug)]
pub struct Chunk {
    pub records: Vec<OutboxRecord>,
    pub advance: Advance,
    /// Sum of [`OutboxRecord::bytes`].
    pub bytes: usize,
    /// When the (last) transaction was committed on the source, in microseconds since the epoch.
    pub commit_timestamp_us: u64,
    /// The transaction that all its records are of, where chunks end with each transaction
    /// (`Cut::AfterEachTransaction`).
    pub transaction: Option<ChunkTransaction>,
    /// Share of the in-flight memory limit; given back when the chunk is dropped, which the
    /// publisher does when librdkafka has copied its records.
    pub permit: Option<OwnedSemaphorePermit>,
}

/// Which transaction, and which part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkTransaction {
    pub gtid: Option<Gtid>,
    pub begins_at: BinlogCoordinates,
    /// Outbox rows of it that stand before the chunk's.
    pub rows_before: u64,
}
