//! Where the binlog begins to count.
//!
//! Promises: everything before it is in the tables for whoever looks at them later; writers wait for a
//! moment at most, and with GTIDs not at all.
//!
//! SERVER: a transaction is in the binlog before the tables show it. Its GTID counts as executed only when
//! they do, so with GTIDs the executed set is such a place. The end of the binlog is not: what stands
//! before it may still be on its way into the tables, for as long as a semi-synchronous replica takes to
//! acknowledge it. But a transaction holds its lock on the table's name until it is through, so while the
//! outbox tables are locked for reading there is none on its way.

use super::{TableStartError, catalog, statement::identifier};
use crate::{
    config::{NameCase, OutboxTable},
    position::BinlogCoordinates,
    source::{
        SourceError,
        mysql::{Connection, ConnectionError},
        server,
    },
};

/// The end of the binlog, at a moment in which no transaction with outbox rows is between binlog and
/// tables. For a server without GTIDs; needs LOCK TABLES on the outbox tables' databases.
pub(in crate::source) async fn settled_end(
    connection: &mut Connection,
    entries: &[OutboxTable],
    names: NameCase,
) -> Result<BinlogCoordinates, SourceError> {
    // SERVER: who waits for this lock makes others wait, so not for long.
    connection.query("set session lock_wait_timeout = 1").await?;
    loop {
        let tables = catalog::list(connection, entries, names).await?;
        let locks: Vec<String> = tables
            .iter()
            .map(|(database, table, _)| {
                format!("{}.{} read", identifier(database), identifier(table))
            })
            .collect();
        if !locks.is_empty() {
            let lock = format!("lock tables {}", locks.join(", "));
            connection.query(&lock).await.map_err(refused)?;
        }
        let end = server::end_of_binlog(connection).await;
        connection.query("unlock tables").await?;
        let end = end?;
        // ORDER: behind the end. A table that was created since the list was made was not locked, and what
        // is in it may be before the end.
        let now = catalog::list(connection, entries, names).await?;
        let is_locked = |(database, table, _): &(String, String, u64)| {
            tables.iter().any(|(own, name, _)| (own, name) == (database, table))
        };
        if now.iter().all(is_locked) {
            return Ok(end);
        }
    }
}

fn refused(error: ConnectionError) -> SourceError {
    const ACCESS_DENIED: [u16; 2] = [1044, 1142];
    const LOCK_WAIT_TIMEOUT: u16 = 1205;
    let ConnectionError::Refused(refused) = &error else { return error.into() };
    match refused.code {
        LOCK_WAIT_TIMEOUT => TableStartError::Busy.into(),
        code if ACCESS_DENIED.contains(&code) => {
            TableStartError::LockDenied { reason: refused.message.clone() }.into()
        }
        _ => error.into(),
    }
}
