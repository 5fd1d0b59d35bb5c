//! Why a table cannot be mapped, or a row is no record.

use std::{fmt, sync::Arc};

use super::TopicNameFault;
use crate::{error::Disposition, source::Malformed};

/// The table does not fit its `[[outbox]]` entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    #[error(
        "table `{table}` has no column `{column}`, which `{setting}` of the [[outbox]] entry \
         `{entry}` names; it has {existing}: {repair}"
    )]
    MissingColumn {
        table: Arc<str>,
        column: String,
        setting: &'static str,
        /// `table` of the entry.
        entry: String,
        existing: ColumnNames,
        repair: &'static str,
    },
}

impl MappingError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::MissingColumn { .. } => Disposition::Halt,
        }
    }
}

/// The row makes no record. Reading it again gives the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error(
        "{row} came without column `{column}`: the row image is not complete, set \
         binlog_row_image=FULL on the source"
    )]
    ColumnAbsent { row: RowName, column: Arc<str> },
    #[error("column `{column}` of {row} cannot be decoded")]
    Undecodable { row: RowName, column: Arc<str>, source: Malformed },
    #[error("column `{column}` of {row} is NULL, but the topic template `{template}` needs it")]
    TopicColumnNull { row: RowName, column: Arc<str>, template: String },
    #[error("{row} goes to topic `{topic}`, which Kafka does not accept")]
    TopicName { row: RowName, topic: String, source: TopicNameFault },
    #[error("column `{column}` of {row} names the partition, but is no integer")]
    PartitionType { row: RowName, column: Arc<str> },
    #[error(
        "column `{column}` of {row} names partition {partition}: partitions run from 0 to {}",
        i32::MAX
    )]
    PartitionRange { row: RowName, column: Arc<str>, partition: i128 },
    #[error(
        "column `{column}` of {row} is the record's timestamp, but is neither DATETIME nor \
         TIMESTAMP nor an integer of milliseconds"
    )]
    TimestampType { row: RowName, column: Arc<str> },
    #[error(
        "column `{column}` of {row} is the record's timestamp, but {milliseconds} ms is not a time \
         that Kafka can hold: they begin in 1970"
    )]
    TimestampRange { row: RowName, column: Arc<str>, milliseconds: i128 },
}

impl RecordError {
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::ColumnAbsent { .. }
            | Self::Undecodable { .. }
            | Self::TopicColumnNull { .. }
            | Self::TopicName { .. }
            | Self::PartitionType { .. }
            | Self::PartitionRange { .. }
            | Self::TimestampType { .. }
            | Self::TimestampRange { .. } => Disposition::Halt,
        }
    }
}

/// By what a person finds the row again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowName {
    /// `database.table`.
    pub table: Arc<str>,
    /// `None`: it is NULL, or not readable itself.
    pub event_id: Option<String>,
}

impl fmt::Display for RowName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.event_id {
            Some(event_id) => write!(f, "outbox row `{event_id}` of `{}`", self.table),
            None => write!(f, "an outbox row without readable event id of `{}`", self.table),
        }
    }
}

/// The columns of a table, for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnNames(pub Vec<String>);

impl fmt::Display for ColumnNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A table may have 4,096 columns; an outbox has a handful.
        const SHOWN_MAX: usize = 40;
        for (place, name) in self.0.iter().take(SHOWN_MAX).enumerate() {
            write!(f, "{}`{name}`", if place > 0 { ", " } else { "" })?;
        }
        match self.0.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            hidden => write!(f, " and {hidden} more"),
        }
    }
}
