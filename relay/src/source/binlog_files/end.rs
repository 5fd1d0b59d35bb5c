//! A folder → where its last whole transaction ends, and whether those that are asked for lie before
//! that. Blocks.

use std::sync::Arc;

use super::{
    BinlogFilesError, BinlogFolder, folder::BinlogFile, scan::Scan, start::previous_gtids,
};
use crate::{
    position::{BinlogCoordinates, GtidSet},
    source::event::{EventHeader, EventType, GtidEvent, QueryEvent, Statement},
};

/// Where an event stands to the transactions around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    /// Only its GTID event was read.
    Announced,
    Inside,
}

impl BinlogFolder {
    /// Behind the last whole transaction: the file that a server writes to may have been copied while
    /// it wrote one.
    pub fn end(&self) -> Result<BinlogCoordinates, BinlogFilesError> {
        for file in self.files().iter().rev() {
            if let Some(position) = end_of(file)? {
                return Ok(BinlogCoordinates { file: Arc::clone(&file.name), position });
            }
        }
        let file = self.files().first().expect("a folder without files is refused");
        let position = BinlogCoordinates::FIRST_EVENT;
        Ok(BinlogCoordinates { file: Arc::clone(&file.name), position })
    }

    /// All of the set was committed before `end`, which [`Self::end`] has found.
    pub fn ensure_committed(
        &self,
        set: &GtidSet,
        end: &BinlogCoordinates,
    ) -> Result<(), BinlogFilesError> {
        let mut missing = set.clone();
        let up_to_end = self.files().iter().rev().skip_while(|file| file.name != end.file);
        for file in up_to_end {
            let limit = if file.name == end.file { end.position } else { u64::MAX };
            missing.subtract(&gtids_before(file, limit)?);
            if let Some(previous) = previous_gtids(file)? {
                missing.subtract(&previous);
                break;
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(BinlogFilesError::EndBefore { end: end.clone(), missing })
    }
}

/// Of the transactions that begin in the file before a position.
fn gtids_before(file: &BinlogFile, position: u64) -> Result<GtidSet, BinlogFilesError> {
    let mut scan = Scan::open(file)?;
    let mut gtids = GtidSet::default();
    while let Some(header) = scan.next()?
        && scan.position() < position
    {
        if GtidEvent::is_of_type(header.event_type) {
            let event = scan.body(|body| GtidEvent::of_type(header.event_type, body))?;
            gtids.extend(event.and_then(|event| event.gtid));
        }
    }
    Ok(gtids)
}

/// `None` if there is not even one whole event: the server had only just made the file.
fn end_of(file: &BinlogFile) -> Result<Option<u64>, BinlogFilesError> {
    let mut scan = Scan::open(file)?;
    let mut state = State::Between;
    let (mut end, mut last) = (None, 0);
    while let Some(header) = scan.next()? {
        if state == State::Between && last > 0 {
            end = Some(scan.position());
        }
        last = scan.position();
        state = state.behind(&header, &mut scan)?;
    }
    let is_last_whole = last > 0 && scan.end() > last;
    if state == State::Between && is_last_whole {
        end = Some(scan.end());
    }
    Ok(end)
}

impl State {
    fn behind(self, header: &EventHeader, scan: &mut Scan<'_>) -> Result<Self, BinlogFilesError> {
        Ok(match header.event_type {
            EventType::XID | EventType::XA_PREPARE | EventType::TRANSACTION_PAYLOAD => {
                Self::Between
            }
            EventType::QUERY => {
                let what =
                    scan.body(|body| Ok(Self::behind_statement(&QueryEvent::parse(body)?)))?;
                match (what, self) {
                    (Some(Some(state)), _) => state,
                    // A statement outside of BEGIN is a transaction of its own.
                    (Some(None), Self::Announced | Self::Between) => Self::Between,
                    (Some(None), Self::Inside) | (None, _) => self,
                }
            }
            event_type if GtidEvent::is_of_type(event_type) => Self::Announced,
            _ => self,
        })
    }

    /// `None`: it depends on whether it stands in a transaction.
    fn behind_statement(query: &QueryEvent<'_>) -> Option<Self> {
        match query.statement() {
            Statement::Begin | Statement::XaStart(_) => Some(Self::Inside),
            Statement::Commit | Statement::Rollback => Some(Self::Between),
            Statement::Savepoint(_)
            | Statement::RollbackTo(_)
            | Statement::XaEnd
            | Statement::XaCommit(_)
            | Statement::XaRollback(_)
            | Statement::Other => None,
        }
    }
}
