//! The assembler on binlogs made by hand.

mod branches;
mod positions;
pub(in crate::source) mod resume_laws;
pub(in crate::source) mod script;
mod statements;
mod transactions;

use std::sync::Arc;

use self::script::{Log, Logged};
use super::Assembler;
use crate::{
    config::{NameCase, OutboxTable},
    position::Position,
    record::OutboxRecord,
    source::{Chunk, SourceError, TransactionFault},
};

/// Large enough for every transaction of a test that is not about size.
pub(in crate::source) const UNLIMITED: usize = 1 << 20;

pub(in crate::source) fn assembler(start: &Position, cost_max: usize) -> Assembler {
    Assembler::new(start, Arc::from(vec![OutboxTable::default()]), NameCase::Sensitive, cost_max)
}

/// Reads all events, and closes a chunk at each whole transaction.
pub(in crate::source) fn read(
    events: &[Logged],
    start: &Position,
    cost_max: usize,
) -> Result<Vec<Chunk>, (SourceError, Vec<Chunk>)> {
    let mut assembler = assembler(start, cost_max);
    let mut chunks = Vec::new();
    for event in events {
        let handled = assembler.handle(&event.event());
        assembler.close();
        while let Some(chunk) = assembler.take_ready() {
            chunks.push(chunk);
        }
        match handled {
            Ok(undescribed) => assert_eq!(undescribed, None, "all tables are described"),
            Err(error) => return Err((error, chunks)),
        }
    }
    assembler.close_position();
    chunks.extend(assembler.take_ready());
    Ok(chunks)
}

fn chunks(log: &Log, cost_max: usize) -> Vec<Chunk> {
    let start = log.start();
    read(&log.serve(&start), &start, cost_max).map_err(|(error, _)| error).unwrap()
}

fn fault(log: &Log, cost_max: usize) -> TransactionFault {
    let start = log.start();
    match read(&log.serve(&start), &start, cost_max) {
        Err((SourceError::Transaction { fault, .. }, _)) => fault,
        other => panic!("no fault: {other:?}"),
    }
}

/// The header `id`, which is the row's id.
pub(in crate::source) fn id(record: &OutboxRecord) -> u64 {
    let value = record.headers[0].value.as_ref().unwrap();
    std::str::from_utf8(value).unwrap().parse().unwrap()
}

pub(in crate::source) fn ids(chunks: &[Chunk]) -> Vec<Vec<u64>> {
    chunks.iter().map(|chunk| chunk.records.iter().map(id).collect()).collect()
}

/// Rows of the given ids whose records cost some 300 each.
fn small(ids: std::ops::Range<u64>) -> Vec<(u64, usize)> {
    ids.map(|id| (id, 20)).collect()
}
