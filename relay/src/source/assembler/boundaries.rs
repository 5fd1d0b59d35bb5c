//! Events that begin and end transactions.

use std::sync::Arc;

use super::{
    super::{
        RawEvent, SourceError,
        bounds::Anonymous,
        error::{Place, TransactionFault},
        event::{EventType, GtidEvent, QueryEvent, Statement, XaPrepareEvent},
    },
    Assembler, statements,
    transaction::{Branch, Transaction},
};
use crate::position::BinlogCoordinates;

impl Assembler {
    pub(super) fn gtid(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        self.expect_idle(event_type)?;
        let parsed = GtidEvent::of_type(event_type, event.body);
        let parsed = parsed.map_err(|error| self.malformed(event_type, error))?;
        let position = self.end.get().saturating_sub(u64::from(event.header.event_size));
        self.emission.begin_at(BinlogCoordinates { file: Arc::clone(&self.file), position });
        let commit_timestamp_us = parsed
            .original_commit_us
            .or(parsed.immediate_commit_us)
            .unwrap_or_else(|| seconds_to_us(event.header.timestamp));
        let rows_out = self.emission.rows_out(parsed.gtid.as_ref());
        let mut transaction = Transaction::new(parsed.gtid, commit_timestamp_us, rows_out);
        let admitted = self.bounds.admit(parsed.gtid.as_ref());
        let admitted = admitted.map_err(|Anonymous| self.fault(TransactionFault::Anonymous))?;
        transaction.is_out_of_bounds = !admitted;
        transaction.is_passed_over = !admitted || self.emission.is_published(parsed.gtid.as_ref());
        self.transaction = Some(transaction);
        Ok(())
    }

    pub(super) fn query(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        let query = QueryEvent::parse(event.body);
        let query = query.map_err(|error| self.malformed(event_type, error))?;
        let statement = query.statement();
        let has_begun = self.transaction.as_ref().is_some_and(|open| open.has_begun);
        match statement {
            Statement::Begin | Statement::XaStart(_) if has_begun => {
                return Err(self.fault(TransactionFault::CutShort { found: event_type }));
            }
            Statement::Begin => self.announced(event).has_begun = true,
            Statement::XaStart(xid) => {
                let xid = String::from_utf8_lossy(xid).into_owned();
                let transaction = self.announced(event);
                transaction.has_begun = true;
                transaction.xa = Some(xid);
                self.kept.begin();
                self.kept.add(event);
            }
            Statement::Commit => {
                self.announced(event);
                self.finish()?;
            }
            Statement::Rollback => {
                let rolled_back = self.announced(event).roll_back();
                rolled_back.map_err(|fault| self.fault(fault))?;
                self.finish()?;
            }
            Statement::Savepoint(name) if has_begun => self.announced(event).set_savepoint(name),
            Statement::RollbackTo(name) if has_begun => {
                let rolled_back = self.announced(event).roll_back_to(name);
                rolled_back.map_err(|fault| self.fault(fault))?;
            }
            Statement::XaEnd | Statement::XaCommit(_) | Statement::XaRollback(_) if has_begun => {}
            Statement::XaCommit(xid) => {
                self.announced(event);
                self.commit_branch(xid)?;
            }
            Statement::XaRollback(xid) => {
                let xid = String::from_utf8_lossy(xid).into_owned();
                if let Some(branch) = self.emission.prepared(&xid) {
                    self.kept.forget(&branch.begins_at);
                }
                self.announced(event).branch = Some(Branch::Ended(xid));
                self.finish()?;
            }
            // SERVER: `create table … select` is DDL inside of BEGIN and XID (8.0.21).
            Statement::Other if has_begun => {
                self.tables.forget_described();
                if let Some(transaction) = &mut self.transaction {
                    statements::take_note(&query, &self.tables, transaction);
                }
            }
            Statement::Savepoint(_)
            | Statement::RollbackTo(_)
            | Statement::XaEnd
            | Statement::Other => {
                // A statement outside of BEGIN is a transaction of its own.
                self.tables.forget_described();
                self.announced(event);
                self.finish()?;
            }
        }
        Ok(())
    }

    /// The transaction that a GTID event announced. Servers before 5.7 announce none.
    pub(super) fn announced(&mut self, event: &RawEvent<'_>) -> &mut Transaction {
        let emission = &self.emission;
        self.transaction.get_or_insert_with(|| {
            let commit_timestamp_us = seconds_to_us(event.header.timestamp);
            Transaction::new(None, commit_timestamp_us, emission.rows_out(None))
        })
    }

    pub(super) fn xa_prepare(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        self.begun(event_type)?;
        let prepare = XaPrepareEvent::parse(event.body);
        let prepare = prepare.map_err(|error| self.malformed(event_type, error))?;
        self.end_branch(&prepare)
    }

    /// The transaction has come to its end.
    pub(super) fn finish(&mut self) -> Result<(), SourceError> {
        let transaction = self.transaction.take().expect("only a transaction that began ends");
        let boundary = self.end();
        let gtid = transaction.gtid;
        statements::ensure_rows(&transaction, || Place { gtid, ..self.place() })?;
        self.tables.end_statement();
        self.counts.transactions += 1;
        self.emission.add(transaction, boundary).map_err(|fault| SourceError::Transaction {
            place: Box::new(Place { gtid, ..self.place() }),
            fault,
        })
    }

    pub(super) fn begun(&self, found: EventType) -> Result<&Transaction, SourceError> {
        match &self.transaction {
            Some(transaction) if transaction.has_begun => Ok(transaction),
            Some(_) | None => Err(self.headless(found)),
        }
    }

    pub(super) fn expect_idle(&self, found: EventType) -> Result<(), SourceError> {
        match &self.transaction {
            None => Ok(()),
            Some(_) => Err(self.fault(TransactionFault::CutShort { found })),
        }
    }
}

fn seconds_to_us(seconds: u32) -> u64 {
    u64::from(seconds) * 1_000_000
}
