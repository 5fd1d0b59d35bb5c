//! Outbox row → outbox record.
//!
//! The mapping is the convention the field already uses (Debezium's outbox router): columns `id`,
//! `aggregatetype`, `aggregateid`, `type`, `payload`; topic `outbox.event.<aggregatetype>`; key
//! `aggregateid`; header `id`. Every name and template is configuration, per outbox table.
//!
//! Promises: the same row gives byte for byte the same record, today and at a replay.
//!
//! Before this: `source`. After this: `publish`.

mod column_value;
mod error;
mod mapping;
mod outbox_record;
mod outbox_row;
mod template;
mod topic_name;

pub(crate) use self::topic_name::check_topic_name;
pub use self::{
    error::{ColumnNames, MappingError, RecordError, RowName},
    mapping::Mapping,
    outbox_record::{Header, OutboxRecord},
    template::{InvalidTopicTemplate, TopicTemplate},
    topic_name::TopicNameFault,
};

#[cfg(test)]
mod tests;
