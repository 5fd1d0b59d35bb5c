//! A first start → the XA branches that are prepared before it, and may be committed behind it.
//!
//! Promises: a branch that the server knows to be prepared is found where its binlog still has it; of those in
//! the file that the start is in, also one that is committed meanwhile.
//!
//! Not promised: to find those of other files without the right to `XA RECOVER` (XA_RECOVER_ADMIN, from 8.0
//! on). Whether branches have outbox rows is not looked at: of one that has none, none are published.
//!
//! Before this: `start`. After this: `reader`, for which they are branches as any other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use tracing::{info, warn};
use uuid::Uuid;

use super::{
    RawEvent, SourceError,
    event::{EventError, EventType, GtidEvent, QueryEvent, Statement, XaPrepareEvent},
    mysql::{Connection, ConnectionError, Refusal},
    probe::Probe,
    server::ServerFacts,
};
use crate::position::{BinlogCoordinates, Gtid, Position, PreparedBranch};

/// Adds to the position the branches that are prepared before its coordinates.
pub(super) async fn add_prepared(
    connection: &mut Connection,
    probe: &Probe,
    start: &mut Position,
    server: &ServerFacts,
) -> Result<(), SourceError> {
    let known = recover(connection).await?;
    let is_used = known.as_ref().is_some_and(|known| !known.is_empty())
        || has_prepared_since_its_start(connection).await?;
    if !is_used {
        return Ok(());
    }
    let mut wanted = known.unwrap_or_default();
    let mut found = Vec::new();
    let before = server.files.iter().map(|file| &file.name);
    let before: Vec<_> = before.take_while(|name| **name != start.coordinates.file).collect();
    let mut until = Some(start.coordinates.position);
    for file in std::iter::once(&start.coordinates.file).chain(before.into_iter().rev()) {
        let is_in_starts_file = until.is_some();
        let look = probe.prepared_in(file, until.take(), server.server_uuid).await?;
        let branches = look.prepared.into_values();
        // XID by XID the latest counts.
        for branch in branches {
            if wanted.remove(&branch.xid) || is_in_starts_file {
                found.push(branch);
            }
        }
        if wanted.is_empty() {
            break;
        }
    }
    for xid in wanted {
        warn!(xid, "an XA branch is prepared of which the binlog has nothing before the start");
    }
    found.sort_by_key(|branch| branch.prepared_at);
    if let Some(first) = found.first() {
        info!(branches = found.len(), first = %first, "XA branches are prepared before the start");
    }
    if let Some(set) = &mut start.gtid_set {
        set.subtract(&found.iter().filter_map(|branch| branch.gtid).collect());
    }
    start.prepared = found;
    Ok(())
}

/// XIDs of prepared branches, as the binlog writes them; `None` without the right to ask.
async fn recover(connection: &mut Connection) -> Result<Option<BTreeSet<String>>, SourceError> {
    let rows = match connection.query("xa recover convert xid").await {
        Ok(rows) => rows,
        Err(ConnectionError::Refused(error)) if error.refusal() == Refusal::Permanent => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Some(rows.iter().filter_map(|row| xid(row.get(0)?, row.get(1)?, row.get(3)?)).collect()))
}

/// `1`, `2`, `0x676862` → `X'6768',X'62',1`.
fn xid(format_id: &str, global_length: &str, data: &str) -> Option<String> {
    let digits = data.strip_prefix("0x")?.to_lowercase();
    let (global, branch) = digits.split_at_checked(2 * global_length.parse::<usize>().ok()?)?;
    Some(format!("X'{global}',X'{branch}',{format_id}"))
}

async fn has_prepared_since_its_start(connection: &mut Connection) -> Result<bool, SourceError> {
    let answer = connection.query("show global status like 'Com_xa_prepare'").await?;
    let count = answer.first().and_then(|row| row.get(1)).unwrap_or_default();
    Ok(!matches!(count, "" | "0"))
}

/// One file, read up to where the look ends.
#[derive(Debug)]
pub(super) struct Look {
    server_uuid: Uuid,
    file: Arc<str>,
    /// The transaction being read: where it begins, its GTID, when it was committed.
    open: Option<(BinlogCoordinates, Option<Gtid>, Timestamp)>,
    /// By XID.
    pub(super) prepared: BTreeMap<String, PreparedBranch>,
}

impl Look {
    pub(super) fn new(server_uuid: Uuid, file: Arc<str>) -> Self {
        Self { server_uuid, file, open: None, prepared: BTreeMap::new() }
    }

    /// Takes in an event that begins at `position`.
    pub(super) fn take(&mut self, event: &RawEvent<'_>, position: u64) -> Result<(), EventError> {
        match event.header.event_type {
            event_type @ (EventType::GTID | EventType::GTID_TAGGED | EventType::ANONYMOUS_GTID) => {
                let parsed = GtidEvent::of_type(event_type, event.body)?;
                let begins_at = BinlogCoordinates { file: Arc::clone(&self.file), position };
                let at = Timestamp::from_second(i64::from(event.header.timestamp));
                self.open = Some((begins_at, parsed.gtid, at.unwrap_or(Timestamp::UNIX_EPOCH)));
            }
            EventType::QUERY => {
                let query = QueryEvent::parse(event.body)?;
                if let Statement::XaCommit(xid) | Statement::XaRollback(xid) = query.statement() {
                    self.prepared.remove(&*String::from_utf8_lossy(xid));
                }
            }
            EventType::XA_PREPARE => {
                let XaPrepareEvent { xid, is_one_phase } = XaPrepareEvent::parse(event.body)?;
                let xid = xid.to_string();
                self.prepared.remove(&xid);
                if let Some((begins_at, gtid, prepared_at)) = self.open.take()
                    && !is_one_phase
                {
                    let server_uuid = self.server_uuid;
                    let branch = PreparedBranch { xid, gtid, server_uuid, begins_at, prepared_at };
                    self.prepared.insert(branch.xid.clone(), branch);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        position::EndPosition,
        source::assembler::tests::script::{Log, OUTBOX, SOURCE},
    };

    #[test]
    fn xid_is_written_as_in_the_binlog() {
        assert_eq!(xid("1", "2", "0x67C862").as_deref(), Some("X'67c8',X'62',1"));
        assert_eq!(xid("7", "1", "0x67").as_deref(), Some("X'67',X'',7"));
        assert_eq!(xid("7", "2", "0x67"), None);
    }

    fn branch(log: &mut Log, is_one_phase: bool) {
        log.gtid().query("XA START X'67',X'',1").insert(OUTBOX, &[(1, 10)]);
        log.query("XA END X'67',X'',1").xa_prepare(is_one_phase);
    }

    fn found(log: &Log) -> Vec<String> {
        let mut look = Look::new(SOURCE, "bin-log.000001".into());
        let mut end = EndPosition::new(4);
        for logged in &log.events {
            look.take(&logged.event(), end.get()).unwrap();
            end.advance(logged.header.event_size, logged.header.log_pos);
        }
        look.prepared.into_values().map(|branch| branch.begins_at.to_string()).collect()
    }

    #[test]
    fn branches_that_have_not_ended_are_found_where_they_begin() {
        let mut log = Log::new(true);
        log.transaction(&[(OUTBOX, &[(2, 10)])]);
        branch(&mut log, true);
        assert_eq!(found(&log), [""; 0]);
        let begin = log.position;
        branch(&mut log, false);
        assert_eq!(found(&log), [format!("bin-log.000001:{begin}")]);
        log.ddl("XA ROLLBACK X'67',X'',1");
        assert_eq!(found(&log), [""; 0]);
    }
}
