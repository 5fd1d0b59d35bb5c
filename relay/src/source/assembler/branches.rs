//! XA branches: held where they are prepared, read again where they are committed.
//!
//! Promises:
//! - of a prepared branch only its place is held, whatever its size, and of small ones that were prepared
//!   lately their events, within limits;
//! - its rows become those of the transaction that commits it, and leave in its place, in parts where
//!   they are many.
//!
//! Before this: `boundaries`, which meets `XA PREPARE`, `XA COMMIT` and `XA ROLLBACK`. After this:
//! `session`, which reads the branch again.

use uuid::Uuid;

use super::{
    super::{
        RawEvent, SourceError,
        error::TransactionFault,
        event::{EventType, QueryEvent, Statement, XaPrepareEvent},
    },
    Assembler, KeptEvent, TableName,
    transaction::Branch,
};
use crate::position::BinlogCoordinates;

/// A branch whose rows are read once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::source) struct Recall {
    pub(in crate::source) xid: String,
    pub(in crate::source) begins_at: BinlogCoordinates,
    /// Its `XA START` was read.
    has_begun: bool,
}

impl Assembler {
    /// The branch that must be read again before the next event is handled.
    pub(in crate::source) fn recall(&self) -> Option<&Recall> {
        self.recall.as_ref()
    }

    /// Whether events belong to a branch, of which what may matter is read.
    pub(super) fn is_in_branch(&self) -> bool {
        self.transaction.as_ref().is_some_and(|open| open.xa.is_some() && !open.is_passed_over)
    }

    /// The events of the branch to be recalled, if it is one of those that are kept.
    pub(in crate::source) fn take_kept(&mut self) -> Option<Vec<KeptEvent>> {
        self.kept.take(&self.recall.as_ref()?.begins_at)
    }

    /// Whose binlog is read.
    pub(in crate::source) fn server_uuid(&self) -> Uuid {
        self.emission.server_uuid()
    }

    /// `XA COMMIT`. The transaction that was announced takes the rows of the branch.
    pub(super) fn commit_branch(&mut self, xid: &[u8]) -> Result<(), SourceError> {
        let xid = String::from_utf8_lossy(xid).into_owned();
        let branch = self.emission.prepared(&xid).cloned();
        let Some(transaction) = &mut self.transaction else {
            return Err(self.headless(EventType::QUERY));
        };
        transaction.branch = Some(Branch::Ended(xid));
        match branch {
            // By GTIDs another server sends it before its commit, unless it has purged it.
            Some(branch)
                if !transaction.is_passed_over
                    && branch.server_uuid != self.emission.server_uuid() =>
            {
                Err(self.gone(branch.xid, branch.begins_at, None))
            }
            Some(branch) if !transaction.is_passed_over => {
                transaction.has_begun = true;
                let (xid, begins_at) = (branch.xid, branch.begins_at);
                self.recall = Some(Recall { xid, begins_at, has_begun: false });
                Ok(())
            }
            // Without outbox rows, out of the bounds, or prepared before reading began.
            Some(_) | None => self.finish(),
        }
    }

    /// The end of a branch: it waits for its commit, or is committed by this very event.
    pub(super) fn end_branch(&mut self, prepare: &XaPrepareEvent) -> Result<(), SourceError> {
        let Some(transaction) = &mut self.transaction else {
            return Err(self.headless(EventType::XA_PREPARE));
        };
        let has_outbox_rows = transaction.last_outbox.is_some() || transaction.is_deferred;
        // Of one that is out of bounds no rows were looked at.
        if !prepare.is_one_phase && (has_outbox_rows || transaction.is_out_of_bounds) {
            transaction.defer();
            transaction.branch = Some(Branch::Prepared(prepare.xid.to_string()));
            self.kept.prepare(self.emission.boundary().clone());
            return self.finish();
        }
        if !transaction.is_passed_over {
            // An earlier one of that XID has ended, though its end may not have been read.
            transaction.branch = Some(Branch::Ended(prepare.xid.to_string()));
        }
        if transaction.is_deferred {
            transaction.is_deferred = false;
            transaction.xa = None;
            let (xid, begins_at) = (prepare.xid.to_string(), self.emission.boundary().clone());
            self.recall = Some(Recall { xid, begins_at, has_begun: false });
            return Ok(());
        }
        self.finish()
    }

    /// Takes in an event of the branch that is [recalled](Self::recall), from its first one on.
    pub(in crate::source) fn handle_recalled(
        &mut self,
        event: &RawEvent<'_>,
    ) -> Result<Option<TableName>, SourceError> {
        let event_type = event.header.event_type;
        match event_type {
            EventType::QUERY => self.recalled_query(event)?,
            EventType::TABLE_MAP => {
                self.ensure_recalled(None)?;
                return self.table_map(event);
            }
            EventType::WRITE_ROWS_V1
            | EventType::UPDATE_ROWS_V1
            | EventType::DELETE_ROWS_V1
            | EventType::WRITE_ROWS
            | EventType::UPDATE_ROWS
            | EventType::DELETE_ROWS
            | EventType::PARTIAL_UPDATE_ROWS => {
                self.ensure_recalled(None)?;
                self.rows(event)?;
            }
            EventType::XA_PREPARE => {
                let prepare = XaPrepareEvent::parse(event.body);
                let prepare = prepare.map_err(|error| self.malformed(event_type, error))?;
                self.ensure_recalled(Some(&prepare.xid.to_string()))?;
                self.recall = None;
                self.finish()?;
            }
            EventType::XID => return Err(self.replaced()),
            // What goes before a transaction, and between its statements.
            _ => {}
        }
        Ok(None)
    }

    fn recalled_query(&mut self, event: &RawEvent<'_>) -> Result<(), SourceError> {
        let event_type = event.header.event_type;
        let query = QueryEvent::parse(event.body);
        let query = query.map_err(|error| self.malformed(event_type, error))?;
        if let Statement::XaStart(xid) = query.statement() {
            let xid = String::from_utf8_lossy(xid);
            return match &mut self.recall {
                Some(recall) if !recall.has_begun && recall.xid == xid => {
                    recall.has_begun = true;
                    Ok(())
                }
                Some(_) | None => Err(self.replaced()),
            };
        }
        self.ensure_recalled(None)?;
        let Some(transaction) = &mut self.transaction else { return Ok(()) };
        let rolled_back = match query.statement() {
            Statement::Savepoint(name) => {
                transaction.set_savepoint(name);
                Ok(())
            }
            Statement::RollbackTo(name) => transaction.roll_back_to(name),
            Statement::XaEnd | Statement::Other => Ok(()),
            Statement::Begin
            | Statement::Commit
            | Statement::Rollback
            | Statement::XaStart(_)
            | Statement::XaCommit(_)
            | Statement::XaRollback(_) => return Err(self.replaced()),
        };
        rolled_back.map_err(|fault| self.fault(fault))
    }

    /// Whether what is read is the branch, and its end the one of `xid`.
    fn ensure_recalled(&self, xid: Option<&str>) -> Result<(), SourceError> {
        let is_it = self
            .recall
            .as_ref()
            .is_some_and(|recall| recall.has_begun && xid.is_none_or(|xid| recall.xid == xid));
        if is_it { Ok(()) } else { Err(self.replaced()) }
    }

    /// Without its rows the commit cannot be published.
    pub(in crate::source) fn gone(
        &self,
        xid: String,
        begins_at: BinlogCoordinates,
        error: Option<SourceError>,
    ) -> SourceError {
        let (place, begins_at) = (self.boxed_place(), Box::new(begins_at));
        SourceError::BranchGone { xid, begins_at, place, error: error.map(Box::new) }
    }

    fn replaced(&self) -> SourceError {
        match &self.recall {
            Some(Recall { xid, begins_at, .. }) => self.fault(TransactionFault::BranchReplaced {
                xid: xid.clone(),
                begins_at: begins_at.clone(),
            }),
            None => self.headless(EventType::XA_PREPARE),
        }
    }
}
