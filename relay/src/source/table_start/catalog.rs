//! `information_schema` → the outbox tables that are there, with their columns and indexes.
//!
//! Before this: a connection. After this: `plan`, which says how each is read.

use super::statement::text_literal;
use crate::{
    config::{NameCase, OutboxTable},
    source::mysql::{Connection, ConnectionError, Rows},
};

/// An outbox table that is there, as the server describes it.
#[derive(Debug)]
pub(in crate::source) struct Described {
    pub(in crate::source) database: String,
    pub(in crate::source) table: String,
    /// By the server's estimate.
    pub(super) rows_about: u64,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<IndexColumn>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) data_type: String,
    pub(super) nullable: bool,
}

/// In the order of the indexes' names and their columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct IndexColumn {
    pub(super) index: String,
    pub(super) column: String,
    /// Of a part of the column only, or in descending order.
    pub(super) partial: bool,
}

/// Databases and names of the outbox tables that the account can see, with the server's estimate of their
/// rows; in the order in which they are read.
pub(super) async fn list(
    connection: &mut Connection,
    entries: &[OutboxTable],
    names: NameCase,
) -> Result<Vec<(String, String, u64)>, ConnectionError> {
    const TABLES: &str = "select table_schema, table_name, table_rows from information_schema.tables \
         where table_type = 'BASE TABLE' and table_schema not in \
         ('mysql', 'sys', 'performance_schema', 'information_schema')";
    let rows = connection.query(TABLES).await?;
    let mut tables: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let rows = row.get(2).and_then(|rows| rows.parse().ok()).unwrap_or(0);
            Some((row.get(0)?.to_owned(), row.get(1)?.to_owned(), rows))
        })
        .filter(|(database, table, _)| {
            entries.iter().any(|entry| entry.table.matches(database, table, names))
        })
        .collect();
    tables.sort();
    Ok(tables)
}

/// Asks for columns and indexes of each of the tables.
pub(in crate::source) async fn describe(
    connection: &mut Connection,
    entries: &[OutboxTable],
    names: NameCase,
) -> Result<Vec<Described>, ConnectionError> {
    let mut described = Vec::new();
    for (database, table, rows_about) in list(connection, entries, names).await? {
        let of_table = format!(
            "where table_schema = {} and table_name = {}",
            text_literal(database.as_bytes()),
            text_literal(table.as_bytes())
        );
        let columns = format!(
            "select column_name, data_type, is_nullable from information_schema.columns {of_table} \
             order by ordinal_position"
        );
        let indexes = format!(
            "select index_name, column_name, sub_part is not null or collation <> 'A', index_type \
             from information_schema.statistics {of_table} order by index_name, seq_in_index"
        );
        let columns = columns_of(&connection.query(&columns).await?);
        let indexes = indexes_of(&connection.query(&indexes).await?);
        // Dropped in between.
        if !columns.is_empty() {
            described.push(Described { database, table, rows_about, columns, indexes });
        }
    }
    Ok(described)
}

fn columns_of(rows: &Rows) -> Vec<Column> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    rows.iter()
        .map(|row| Column {
            name: text(row.get(0)),
            data_type: text(row.get(1)).to_lowercase(),
            nullable: row.get(2) != Some("NO"),
        })
        .collect()
}

fn indexes_of(rows: &Rows) -> Vec<IndexColumn> {
    rows.iter()
        .map(|row| IndexColumn {
            index: row.get(0).unwrap_or_default().to_owned(),
            // An index on an expression has none.
            column: row.get(1).unwrap_or_default().to_owned(),
            partial: row.get(2) != Some("0") || row.get(3) != Some("BTREE"),
        })
        .collect()
}
