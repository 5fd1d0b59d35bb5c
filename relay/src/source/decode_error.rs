//! Why a table map or a rows event could not be decoded.

use std::sync::Arc;

use thiserror::Error;

use super::bytes::Malformed;

/// A table map or rows event that cannot be decoded. It will not get better by reading it again.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("table map event is malformed in its {part}")]
    TableMap { part: &'static str, source: Malformed },
    #[error("rows event is malformed in its {part}")]
    Rows { part: &'static str, source: Malformed },
    #[error("value of column `{column}` is malformed")]
    Value { column: Arc<str>, source: Malformed },
    #[error("column {ordinal} has type {code}, which this version of rowpost does not know")]
    ColumnType { ordinal: usize, code: u8 },
    #[error(
        "column `{column}` has character set {charset}, which is not decoded: convert the column \
         to utf8mb4, or store the bytes in a BLOB"
    )]
    Charset { column: Arc<str>, charset: Arc<str> },
    #[error(
        "nothing is known of the {missing} of column `{column}`: the server writes no column \
         metadata into the binlog, so the table has to be described first"
    )]
    NotDescribed { column: Arc<str>, missing: &'static str },
    #[error("column `{column}` holds {kind} member {index}, but has only {members}")]
    Member { column: Arc<str>, kind: &'static str, index: u64, members: usize },
    #[error(
        "column `{column}` holds member {index}, whose text information_schema cannot show: set \
         binlog_row_metadata=FULL, or rename the member"
    )]
    MemberText { column: Arc<str>, index: u64 },
    #[error("rows event has {rows_event} columns, its table map {table_map}")]
    ColumnCount { rows_event: usize, table_map: usize },
    #[error(
        "row image holds no column at all, so its rows cannot be told apart: set \
         binlog_row_image=FULL"
    )]
    NoColumns,
    #[error(
        "rows event holds partial JSON updates, which are not decoded: set \
         binlog_row_value_options=''"
    )]
    PartialUpdate,
    #[error("event type {code} is not a rows event")]
    EventType { code: u8 },
}

impl DecodeError {
    pub(crate) fn table_map(part: &'static str) -> impl Fn(Malformed) -> Self {
        move |source| Self::TableMap { part, source }
    }

    pub(crate) fn rows(part: &'static str) -> impl Fn(Malformed) -> Self {
        move |source| Self::Rows { part, source }
    }
}
