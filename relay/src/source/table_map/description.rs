//! `information_schema` → what a table map without metadata does not say.
//!
//! Promises: a description that does not fit the table map is refused, with the column's name and
//! both types; what the event itself says is never overwritten.
//!
//! Not promised: ZEROFILL and the display width of FLOAT(M,D); values are decoded without them,
//! whether described or not.
//!
//! Before this: a query that the source runs. After this: [`TableMap`] with everything known.

use std::sync::Arc;

use thiserror::Error;

use super::{Charset, Column, ColumnKind, Encoding, Members, TableMap, column_type::ColumnType};

/// Answers one [`ColumnDescription`] a row, in the table's order; parameters: database, table.
/// Valid from MySQL 5.7 on. The connection must use utf8mb4.
pub const DESCRIBE_TABLE_SQL: &str = "select column_name, column_type, character_set_name \
     from information_schema.columns where table_schema = ? and table_name = ? \
     order by ordinal_position";

/// One row of [`DESCRIBE_TABLE_SQL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    pub name: String,
    /// For example `bigint(20) unsigned` or `enum('a','b')`.
    pub column_type: String,
    /// `None`: not a text column.
    pub character_set: Option<String>,
}

/// A description that is not of the table the table map is of: the table was altered in between, or
/// dropped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DescribeError {
    #[error("table `{database}`.`{table}` has {described} columns now, {table_map} in the binlog")]
    ColumnCount { database: String, table: String, table_map: usize, described: usize },
    #[error("column `{column}` is {described} now, {table_map:?} in the binlog")]
    ColumnType { column: String, table_map: ColumnKind, described: String },
    #[error("column {ordinal} is called `{described}` now, `{table_map}` in the binlog")]
    ColumnName { ordinal: usize, table_map: Arc<str>, described: String },
}

impl TableMap {
    /// Fills in what the event left unknown. On an error nothing is changed.
    pub fn describe(&mut self, descriptions: &[ColumnDescription]) -> Result<(), DescribeError> {
        if descriptions.len() != self.columns.len() {
            return Err(DescribeError::ColumnCount {
                database: self.database.clone(),
                table: self.table.clone(),
                table_map: self.columns.len(),
                described: descriptions.len(),
            });
        }
        let mut columns = self.columns.clone();
        for (index, (column, description)) in columns.iter_mut().zip(descriptions).enumerate() {
            match &column.name {
                Some(name) if **name != description.name => {
                    return Err(DescribeError::ColumnName {
                        ordinal: index.saturating_add(1),
                        table_map: Arc::clone(name),
                        described: description.name.clone(),
                    });
                }
                Some(_) | None => column.describe(description)?,
            }
        }
        self.columns = columns;
        Ok(())
    }
}

impl Column {
    fn describe(&mut self, description: &ColumnDescription) -> Result<(), DescribeError> {
        let charset = match &description.character_set {
            Some(name) => Charset::named(name),
            None => Charset::Binary,
        };
        let bytes_per_character = match &charset {
            Charset::Binary => Some(1),
            Charset::Text(encoding) => Some(encoding.bytes_per_character()),
            Charset::Other(_) => None,
        };
        let column_type = ColumnType::parse(&description.column_type)
            .filter(|column_type| column_type.is_of(self.kind, bytes_per_character))
            .ok_or_else(|| DescribeError::ColumnType {
                column: description.name.clone(),
                table_map: self.kind,
                described: description.column_type.clone(),
            })?;

        if self.name.is_none() {
            self.name = Some(Arc::from(description.name.as_str()));
        }
        if self.kind.is_numeric() && self.unsigned.is_none() {
            self.unsigned = Some(column_type.unsigned);
        }
        if self.kind.has_members() && self.members.is_none() {
            self.members = Some(members(column_type.members, &charset));
        }
        if (self.kind.is_character() || self.kind.has_members()) && self.charset.is_none() {
            self.charset = Some(charset);
        }
        Ok(())
    }
}

fn members(texts: Vec<String>, charset: &Charset) -> Members {
    Members {
        charset: Charset::Text(Encoding::Utf8mb4),
        texts: texts.into_iter().map(|text| text.into_bytes().into_boxed_slice()).collect(),
        // SERVER: information_schema shows type texts in utf8mb3; what does not fit becomes `?`
        // (seen on 5.7 and 9.7). These character sets always fit.
        lossy: !matches!(
            charset,
            Charset::Binary | Charset::Text(Encoding::Utf8mb3 | Encoding::Latin1 | Encoding::Ascii)
        ),
    }
}
