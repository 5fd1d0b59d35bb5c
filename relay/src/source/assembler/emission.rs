//! Committed rows and positions → chunks.

use std::collections::VecDeque;

use uuid::Uuid;

use super::{
    super::{Chunk, ChunkTransaction, error::TransactionFault},
    transaction::{Branch, Transaction},
};
use crate::{
    position::{Advance, BinlogCoordinates, Gtid, GtidSet, InProgress, Position, PreparedBranch},
    record::OutboxRecord,
};

/// What a record takes besides its bytes: the structures around them, and what the allocator adds.
/// Without it a million records of ten bytes each would count as 10 MB and take 250.
const RECORD_OVERHEAD: usize = 256;

/// What a record counts against the limits on chunks and on in-flight memory.
pub(crate) fn cost(record: &OutboxRecord) -> usize {
    record.bytes() + RECORD_OVERHEAD
}

/// Whole transactions that wait to be emitted, and chunks that are ready.
#[derive(Debug)]
pub(super) struct Emission {
    server_uuid: Uuid,
    /// A chunk is closed before it costs more.
    cost_max: usize,
    /// A chunk is closed after each transaction, and says which it is.
    singly: bool,
    /// Of the records, where they are closed singly.
    transaction: Option<ChunkTransaction>,
    /// The end of the last whole transaction.
    boundary: BinlogCoordinates,
    /// When the boundary's file was begun.
    boundary_begun: Option<u32>,
    /// When the file being read was begun.
    file_begun: Option<u32>,
    /// Transactions that are out wherever they come: the position's, where coordinates decide what the
    /// server sends.
    published: GtidSet,
    /// Of the whole transactions since the last chunk; `None` where the position has no GTIDs.
    gtids: Option<GtidSet>,
    /// Of whole transactions, in commit order.
    records: Vec<OutboxRecord>,
    cost: usize,
    commit_timestamp_us: u64,
    /// The boundary moved over a transaction or into another file since the last chunk.
    has_moved: bool,
    /// Reading has come to where the position ends. By GTIDs it begins before, in a file whose
    /// transactions are out already: those coordinates are nothing to move to.
    is_at_position: bool,
    /// A transaction that is partly out, and not yet read to its end.
    in_progress: Option<InProgress>,
    /// XA branches with outbox rows that may still be committed.
    prepared: Vec<PreparedBranch>,
    ready: VecDeque<Chunk>,
}

impl Emission {
    pub(super) fn new(start: &Position, cost_max: usize) -> Self {
        Self {
            server_uuid: start.server_uuid,
            cost_max,
            singly: false,
            transaction: None,
            boundary: start.coordinates.clone(),
            boundary_begun: start.file_begun,
            file_begun: None,
            published: GtidSet::default(),
            gtids: start.gtid_set.as_ref().map(|_| GtidSet::default()),
            records: Vec::new(),
            cost: 0,
            commit_timestamp_us: 0,
            has_moved: false,
            is_at_position: start.gtid_set.is_none(),
            in_progress: start.in_progress.clone(),
            prepared: start.prepared.clone(),
            ready: VecDeque::new(),
        }
    }

    /// The server sends everything behind the coordinates, also what is in `published` already.
    pub(super) fn by_coordinates(&mut self, published: Option<GtidSet>) {
        self.is_at_position = true;
        self.published = published.unwrap_or_default();
    }

    /// Whether the transaction is out wherever it comes.
    pub(super) fn is_published(&self, transaction: Option<&Gtid>) -> bool {
        transaction.is_some_and(|gtid| self.published.contains(gtid))
    }

    pub(super) fn cost_max(&self) -> usize {
        self.cost_max
    }

    pub(super) fn singly(&mut self) {
        self.singly = true;
    }

    /// Another file is read from here on.
    pub(super) fn leave_file(&mut self) {
        self.file_begun = None;
    }

    /// The first event of `file` was read, which is the one being read.
    pub(super) fn enter_file(&mut self, file: &str, begun: u32) {
        self.file_begun = (begun > 0).then_some(begun);
        if *self.boundary.file == *file {
            self.boundary_begun = self.file_begun;
        }
    }

    /// The next transaction begins here. With GTIDs that is not always where the last one ended: the
    /// server passes over transactions that are out already.
    pub(super) fn begin_at(&mut self, boundary: BinlogCoordinates) {
        self.move_boundary(boundary);
        self.is_at_position = true;
    }

    /// Reading goes on here, between two transactions.
    pub(super) fn rotate_to(&mut self, boundary: BinlogCoordinates) {
        if self.is_at_position && self.boundary != boundary {
            self.move_boundary(boundary);
            self.has_moved = true;
        }
    }

    fn move_boundary(&mut self, boundary: BinlogCoordinates) {
        self.boundary = boundary;
        self.boundary_begun = self.file_begun;
    }

    /// How many of the transaction's first rows are out, and whether it is the one in progress.
    pub(super) fn rows_out(&self, transaction: Option<&Gtid>) -> u64 {
        match &self.in_progress {
            _ if self.is_published(transaction) => 0,
            Some(InProgress { gtid: None, outbox_rows }) => *outbox_rows,
            Some(InProgress { gtid: Some(gtid), outbox_rows }) if Some(gtid) == transaction => {
                *outbox_rows
            }
            Some(_) | None => 0,
        }
    }

    /// Whether this transaction is the one that is partly out.
    fn is_in_progress(&self, transaction: &Transaction) -> bool {
        match &self.in_progress {
            Some(InProgress { gtid: None, .. }) => true,
            Some(InProgress { gtid, .. }) => *gtid == transaction.gtid,
            None => false,
        }
    }

    /// Emits what was read of a transaction whose end was not.
    pub(super) fn emit_part(
        &mut self,
        transaction: &mut Transaction,
    ) -> Result<(), TransactionFault> {
        if let Some(InProgress { gtid: Some(gtid), .. }) = &self.in_progress
            && !self.is_in_progress(transaction)
        {
            return Err(TransactionFault::SecondInProgress { gtid: Box::new(*gtid) });
        }
        // ORDER: the transactions before this one leave first, with a position that is not inside it.
        self.close();
        self.records = transaction.take_part();
        self.tell(transaction.gtid, transaction.rows_out());
        self.in_progress =
            Some(InProgress { gtid: transaction.gtid, outbox_rows: transaction.rows_out() });
        self.commit_timestamp_us = transaction.commit_timestamp_us;
        self.push();
        Ok(())
    }

    /// Adds a transaction that was read to its end at `boundary`.
    pub(super) fn add(
        &mut self,
        mut transaction: Transaction,
        boundary: BinlogCoordinates,
    ) -> Result<(), TransactionFault> {
        if transaction.rows() < transaction.rows_out() {
            return Err(TransactionFault::Shorter {
                published: transaction.rows_out(),
                found: transaction.rows(),
            });
        }
        if self.cost + transaction.cost > self.cost_max {
            self.close();
        }
        if self.is_in_progress(&transaction) {
            self.in_progress = None;
        }
        self.cost += transaction.cost;
        if self.records.is_empty() {
            self.records = std::mem::take(&mut transaction.records);
        } else {
            self.records.append(&mut transaction.records);
        }
        match transaction.branch.take() {
            // Its GTID stays out until the branch has ended: by GTIDs it is read again then.
            Some(Branch::Prepared(xid)) => self.hold(xid, &transaction),
            Some(Branch::Ended(xid)) => {
                self.release(&xid);
                self.insert_gtid(transaction.gtid.as_ref());
            }
            None => self.insert_gtid(transaction.gtid.as_ref()),
        }
        self.tell(transaction.gtid, transaction.rows());
        self.commit_timestamp_us = transaction.commit_timestamp_us;
        self.move_boundary(boundary);
        self.has_moved = true;
        if self.singly {
            self.close();
        }
        Ok(())
    }

    /// Where the branch lies that has this XID.
    pub(super) fn prepared(&self, xid: &str) -> Option<&PreparedBranch> {
        self.prepared.iter().find(|branch| branch.xid == xid)
    }

    /// Where the transaction being read begins.
    pub(super) fn boundary(&self) -> &BinlogCoordinates {
        &self.boundary
    }

    /// Whose binlog is read.
    pub(super) fn server_uuid(&self) -> Uuid {
        self.server_uuid
    }

    /// The branch that was read just now, and begins at the boundary. It may have been read before; another
    /// one of its XID has ended, though that is not in the binlog: a server that died may lose a branch.
    fn hold(&mut self, xid: String, transaction: &Transaction) {
        if self.prepared(&xid).is_some_and(|known| known.gtid != transaction.gtid) {
            self.release(&xid);
        }
        self.prepared.retain(|branch| branch.xid != xid);
        self.prepared.push(PreparedBranch {
            xid,
            gtid: transaction.gtid,
            server_uuid: self.server_uuid,
            begins_at: self.boundary.clone(),
            prepared_at: transaction.committed_at(),
        });
    }

    /// The branch was committed or rolled back: nothing of it will be read again.
    fn release(&mut self, xid: &str) {
        let Some(at) = self.prepared.iter().position(|branch| branch.xid == xid) else { return };
        let branch = self.prepared.remove(at);
        self.insert_gtid(branch.gtid.as_ref());
    }

    fn insert_gtid(&mut self, gtid: Option<&Gtid>) {
        if let (Some(gtids), Some(gtid)) = (&mut self.gtids, gtid) {
            gtids.insert(gtid);
        }
    }

    /// Notes whose the records are, `rows` of which were read so far. The boundary is still its begin.
    fn tell(&mut self, gtid: Option<Gtid>, rows: u64) {
        if self.singly && !self.records.is_empty() {
            let records = u64::try_from(self.records.len()).unwrap_or(u64::MAX);
            let rows_before = rows.saturating_sub(records);
            let begins_at = self.boundary.clone();
            self.transaction = Some(ChunkTransaction { gtid, begins_at, rows_before });
        }
    }

    /// Makes a chunk of the whole transactions, if they have records.
    pub(super) fn close(&mut self) {
        if !self.records.is_empty() {
            self.push();
        }
    }

    /// Makes a chunk if the position moved, with records or without.
    pub(super) fn close_position(&mut self) {
        if self.has_moved || !self.records.is_empty() {
            self.push();
        }
    }

    fn push(&mut self) {
        let records = std::mem::take(&mut self.records);
        let bytes = records.iter().map(OutboxRecord::bytes).sum();
        self.ready.push_back(Chunk {
            bytes,
            records,
            advance: Advance {
                server_uuid: self.server_uuid,
                coordinates: self.boundary.clone(),
                file_begun: self.boundary_begun,
                gtids: self.gtids.as_mut().map(std::mem::take),
                in_progress: self.in_progress.clone(),
                table_start: None,
                prepared: self.prepared.clone(),
            },
            commit_timestamp_us: self.commit_timestamp_us,
            transaction: self.transaction.take(),
            permit: None,
        });
        self.cost = 0;
        self.has_moved = false;
    }

    pub(super) fn take_ready(&mut self) -> Option<Chunk> {
        self.ready.pop_front()
    }
}
