//! The transaction being read.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::error::TransactionFault;
use crate::{position::Gtid, record::OutboxRecord};

/// What is known of a transaction before its commit event.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) gtid: Option<Gtid>,
    /// Where it was first committed, in microseconds since the epoch.
    pub(super) commit_timestamp_us: u64,
    /// `BEGIN` or `XA START` was read; before it, a statement alone is a whole transaction.
    pub(super) has_begun: bool,
    /// It lies outside of the bounds: what is in it does not count.
    pub(super) is_passed_over: bool,
    /// That is because of its GTID: it may be a branch that is committed within the bounds.
    pub(super) is_out_of_bounds: bool,
    /// The XID's text, if it is a branch of an XA transaction.
    pub(super) xa: Option<String>,
    /// A branch whose rows are more than may be held: they are read again where it is committed.
    pub(super) is_deferred: bool,
    /// What its end means for a branch that is committed apart from its rows.
    pub(super) branch: Option<Branch>,
    /// Read and not yet emitted.
    pub(super) records: Vec<OutboxRecord>,
    /// What `records` cost, see [`super::cost`].
    pub(super) cost: usize,
    /// Outbox rows read that were not rolled back.
    rows: u64,
    /// The first of them that are published, or emitted to be.
    rows_out: u64,
    savepoints: Vec<Savepoint>,
    /// `database.table` of the outbox table that it inserted into last.
    pub(super) last_outbox: Option<Arc<str>>,
    /// `database.table` of an outbox table that it inserted into in statement format: those rows are not
    /// in the binlog.
    pub(super) statement_outbox: Option<Arc<str>>,
}

/// The XID of a branch, and what becomes of it with the transaction.
#[derive(Debug)]
pub(super) enum Branch {
    /// It has outbox rows, and may be committed later.
    Prepared(String),
    /// Committed or rolled back.
    Ended(String),
}

#[derive(Debug)]
struct Savepoint {
    name: Box<[u8]>,
    /// Outbox rows before it.
    rows: u64,
    /// [`Transaction::statement_outbox`] before it.
    statement_outbox: Option<Arc<str>>,
}

impl Transaction {
    /// `rows_out` of its rows were published before the connection was made.
    pub(super) fn new(gtid: Option<Gtid>, commit_timestamp_us: u64, rows_out: u64) -> Self {
        Self {
            gtid,
            commit_timestamp_us,
            has_begun: false,
            is_passed_over: false,
            is_out_of_bounds: false,
            xa: None,
            is_deferred: false,
            branch: None,
            records: Vec::new(),
            cost: 0,
            rows: 0,
            rows_out,
            savepoints: Vec::new(),
            last_outbox: None,
            statement_outbox: None,
        }
    }

    pub(super) fn committed_at(&self) -> Timestamp {
        let microseconds = i64::try_from(self.commit_timestamp_us).unwrap_or(i64::MAX);
        Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn rows_out(&self) -> u64 {
        self.rows_out
    }

    /// Whether the next outbox row is one of those that are out.
    pub(super) fn is_next_row_out(&self) -> bool {
        self.rows < self.rows_out
    }

    /// Passes over a row that is out.
    pub(super) fn pass_over_row(&mut self) {
        assert!(self.is_next_row_out(), "only what is out is passed over");
        self.rows += 1;
    }

    pub(super) fn add(&mut self, record: OutboxRecord, cost: usize) {
        assert!(!self.is_next_row_out(), "what is out is not read again");
        self.records.push(record);
        self.cost += cost;
        self.rows += 1;
    }

    /// Takes what was read, to be emitted before the transaction's end.
    pub(super) fn take_part(&mut self) -> Vec<OutboxRecord> {
        self.rows_out = self.rows;
        self.cost = 0;
        std::mem::take(&mut self.records)
    }

    /// Forgets what was read: it is read again, or never.
    pub(super) fn defer(&mut self) {
        self.is_deferred = true;
        self.records = Vec::new();
        self.cost = 0;
        self.rows = 0;
        self.savepoints.clear();
    }

    pub(super) fn set_savepoint(&mut self, name: &[u8]) {
        self.savepoints.push(Savepoint {
            name: name.into(),
            rows: self.rows,
            statement_outbox: self.statement_outbox.clone(),
        });
    }

    /// SERVER: rows behind a savepoint that was rolled back are not in the binlog, unless the
    /// transaction changed a table that cannot be rolled back; then they are, and so is this.
    pub(super) fn roll_back_to(&mut self, name: &[u8]) -> Result<(), TransactionFault> {
        let Some(at) = self.savepoints.iter().rposition(|savepoint| *savepoint.name == *name)
        else {
            // It was set before anything was written, so it is not in the binlog.
            self.savepoints.clear();
            self.statement_outbox = None;
            return self.forget_rows_from(0);
        };
        self.savepoints.truncate(at + 1);
        let savepoint = self.savepoints.last().expect("the one found is the last");
        let rows = savepoint.rows;
        self.statement_outbox.clone_from(&savepoint.statement_outbox);
        self.forget_rows_from(rows)
    }

    /// The transaction ends in a logged ROLLBACK.
    pub(super) fn roll_back(&mut self) -> Result<(), TransactionFault> {
        if self.rows_out > 0 {
            return Err(TransactionFault::RolledBack { outbox_rows: self.rows_out });
        }
        self.statement_outbox = None;
        self.forget_rows_from(0)
    }

    fn forget_rows_from(&mut self, rows: u64) -> Result<(), TransactionFault> {
        // While rows that are out are passed over, this rollback came before they were emitted.
        if rows < self.rows_out && !self.is_next_row_out() {
            return Err(TransactionFault::RolledBack { outbox_rows: self.rows_out });
        }
        let kept = usize::try_from(rows.saturating_sub(self.rows_out))
            .expect("no more rows than records in memory");
        self.records.truncate(kept);
        self.cost = self.records.iter().map(super::cost).sum();
        self.rows = rows;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: u8) -> OutboxRecord {
        OutboxRecord {
            table: Arc::from("shop.outbox"),
            topic: "t".into(),
            partition: None,
            key: None,
            value: Some(vec![value]),
            headers: Vec::new(),
            timestamp_ms: 0,
            event_type: None,
        }
    }

    fn transaction(rows: u8) -> Transaction {
        let mut transaction = Transaction::new(None, 0, 0);
        for value in 0..rows {
            add(&mut transaction, value);
        }
        transaction
    }

    fn add(transaction: &mut Transaction, value: u8) {
        let record = record(value);
        let cost = super::super::cost(&record);
        transaction.add(record, cost);
    }

    fn values(transaction: &Transaction) -> Vec<u8> {
        transaction.records.iter().map(|record| record.value.as_ref().unwrap()[0]).collect()
    }

    #[test]
    fn rollback_to_a_savepoint_forgets_only_what_came_behind_it() {
        let mut transaction = transaction(2);
        transaction.set_savepoint(b"`a`");
        add(&mut transaction, 7);
        transaction.set_savepoint(b"`b`");
        add(&mut transaction, 8);

        transaction.roll_back_to(b"`a`").unwrap();
        add(&mut transaction, 9);

        assert_eq!(values(&transaction), [0, 1, 9]);
        assert_eq!(transaction.rows(), 3);
        assert_eq!(transaction.cost, 3 * super::super::cost(&record(0)));
    }

    #[test]
    fn savepoint_set_twice_is_the_later_one() {
        let mut transaction = transaction(1);
        transaction.set_savepoint(b"`a`");
        add(&mut transaction, 1);
        transaction.set_savepoint(b"`a`");
        add(&mut transaction, 2);

        transaction.roll_back_to(b"`a`").unwrap();

        assert_eq!(values(&transaction), [0, 1]);
    }

    #[test]
    fn rollback_to_a_savepoint_before_the_first_change_forgets_everything() {
        let mut transaction = transaction(2);

        transaction.roll_back_to(b"`set before BEGIN was written`").unwrap();

        assert!(values(&transaction).is_empty());
    }

    #[test]
    fn rollback_of_what_is_out_is_a_fault() {
        let mut transaction = transaction(2);
        transaction.set_savepoint(b"`a`");
        add(&mut transaction, 2);
        transaction.take_part();
        transaction.set_savepoint(b"`b`");
        add(&mut transaction, 3);

        assert!(transaction.roll_back_to(b"`b`").is_ok());
        assert!(values(&transaction).is_empty());
        assert_eq!(
            transaction.roll_back_to(b"`a`"),
            Err(TransactionFault::RolledBack { outbox_rows: 3 })
        );
    }

    #[test]
    fn rollback_that_came_before_the_part_that_is_out_is_repeated() {
        let mut transaction = Transaction::new(None, 0, 3);
        transaction.pass_over_row();
        transaction.set_savepoint(b"`a`");
        transaction.pass_over_row();

        transaction.roll_back_to(b"`a`").unwrap();

        assert_eq!(transaction.rows(), 1);
        assert_eq!(transaction.roll_back(), Err(TransactionFault::RolledBack { outbox_rows: 3 }));
    }

    #[test]
    fn rows_that_are_out_are_counted_but_not_kept() {
        let mut transaction = Transaction::new(None, 0, 2);

        transaction.pass_over_row();
        transaction.pass_over_row();
        add(&mut transaction, 2);

        assert!(!transaction.is_next_row_out());
        assert_eq!(transaction.rows(), 3);
        assert_eq!(values(&transaction), [2]);
    }
}
