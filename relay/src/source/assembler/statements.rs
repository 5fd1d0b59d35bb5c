//! Statements that stand in the binlog in place of the rows they wrote → a halt, if they are outbox rows.
//!
//! A session that leaves row format (`set session binlog_format = statement`, or MIXED) logs what it was
//! told instead of what it wrote. Its outbox rows are committed and cannot be published.
//!
//! Promises:
//! - a transaction that inserted into an outbox table by name does not pass; the error holds the place
//!   behind it, which is where reading can go on;
//! - updates and deletes pass as they do in row format, statements for other tables pass, and so does
//!   what was rolled back.
//!
//! Not promised: to tell whether the statement inserted any row at all. One that found nothing to insert
//! halts like the others, and so does one for a temporary table of an outbox's name.

use std::sync::Arc;

use super::{
    super::{
        SourceError,
        error::Place,
        event::{InsertTarget, QueryEvent},
        tables::Tables,
    },
    Transaction,
};

/// Remembers the outbox table that the statement inserted into, until the transaction's end: before
/// that it may be rolled back.
pub(super) fn take_note(query: &QueryEvent<'_>, tables: &Tables, transaction: &mut Transaction) {
    if transaction.is_passed_over {
        return;
    }
    let Some(InsertTarget { database, table }) = query.insert_target() else { return };
    let database = database.unwrap_or_else(|| String::from_utf8_lossy(query.database));
    if tables.asks_for(&database, &table) {
        transaction.statement_outbox = Some(format!("{database}.{table}").into());
    }
}

/// Refuses a transaction of which outbox rows are missing in the binlog. `place` is its end.
pub(super) fn ensure_rows(
    transaction: &Transaction,
    place: impl FnOnce() -> Place,
) -> Result<(), SourceError> {
    match &transaction.statement_outbox {
        None => Ok(()),
        Some(table) => {
            Err(SourceError::StatementFormat { table: Arc::clone(table), place: Box::new(place()) })
        }
    }
}
