//! The checkpoint topic: made when missing, looked at when there.
//!
//! Promises: a topic from which the broker would delete the position is not used.

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaResult,
    types::RDKafkaErrorCode,
};

use super::{
    CheckpointError,
    client::{Context, Deadline, REQUEST_TIMEOUT, passes},
};
use crate::publish::{self, Fault, Settings, SettingsError};

const LOOKING: &str = "looking for the checkpoint topic";
const CREATING: &str = "creating the checkpoint topic";

/// What there is of the checkpoint topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicFound {
    Missing,
    /// Only partition 0 is used.
    Usable {
        partitions: usize,
    },
}

/// Makes sure of the topic; `reader` is any client that does not create topics by asking.
pub(super) fn ensure(
    settings: &Settings,
    reader: &BaseConsumer<Context>,
    deadline: Deadline,
) -> Result<(), CheckpointError> {
    let topic = settings.checkpoint_topic.as_str();
    match look(settings, reader, deadline)? {
        TopicFound::Missing => {
            create(settings, deadline)?;
            tracing::info!(topic, "checkpoint topic created");
        }
        TopicFound::Usable { partitions: 1 } => {}
        TopicFound::Usable { partitions } => tracing::warn!(
            topic,
            partitions,
            "checkpoint topic has more than one partition; only partition 0 is used"
        ),
    }
    Ok(())
}

/// An error for a topic from which the broker would delete the position.
pub(super) fn look(
    settings: &Settings,
    reader: &BaseConsumer<Context>,
    deadline: Deadline,
) -> Result<TopicFound, CheckpointError> {
    let topic = settings.checkpoint_topic.as_str();
    let partitions = deadline
        .retry(|| partitions(reader, topic))
        .map_err(|code| deadline.error(LOOKING, topic, code))?;
    if partitions == 0 {
        return Ok(TopicFound::Missing);
    }
    check_policy(settings, deadline)?;
    Ok(TopicFound::Usable { partitions })
}

/// Number of partitions; 0 when there is no such topic.
fn partitions(reader: &BaseConsumer<Context>, topic: &str) -> Result<usize, RDKafkaErrorCode> {
    let metadata = reader
        .fetch_metadata(Some(topic), REQUEST_TIMEOUT)
        .map_err(|error| publish::code_of(&error))?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
        return Ok(0);
    };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(found.partitions().len()),
        Some(code) if Fault::of(code) == Fault::UnknownTopic => Ok(0),
        Some(code) => Err(code),
    }
}

fn create(settings: &Settings, deadline: Deadline) -> Result<(), CheckpointError> {
    let topic = settings.checkpoint_topic.as_str();
    let replication_factor = settings.replication_factor;
    let new_topic = NewTopic::new(topic, 1, TopicReplication::Fixed(replication_factor))
        .set("cleanup.policy", "compact")
        // The active segment is never compacted: small and short segments keep the topic small.
        .set("segment.bytes", "16777216")
        .set("segment.ms", "3600000");
    let admin = Admin::create(settings)?;
    let created = deadline.retry(|| {
        let results = admin.ask(|client, options| client.create_topics([&new_topic], options))?;
        match results.into_iter().next() {
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(code),
            None => Err(RDKafkaErrorCode::Unknown),
        }
    });
    created.map_err(|code| {
        let (topic, reason) = (topic.to_owned(), code.to_string());
        match code {
            RDKafkaErrorCode::InvalidReplicationFactor => {
                CheckpointError::ReplicationFactor { topic, replication_factor, reason }
            }
            code if passes(code) => deadline.error(CREATING, &topic, code),
            _ => CheckpointError::NotCreated { topic, reason },
        }
    })
}

/// A topic that the broker made by itself, or that somebody made without thinking of it, deletes its
/// records after a week.
fn check_policy(settings: &Settings, deadline: Deadline) -> Result<(), CheckpointError> {
    let topic = settings.checkpoint_topic.as_str();
    let admin = Admin::create(settings)?;
    let resource = ResourceSpecifier::Topic(topic);
    let policy = deadline.retry(|| {
        let results = admin.ask(|client, options| client.describe_configs([&resource], options))?;
        let described = results.into_iter().next().ok_or(RDKafkaErrorCode::Unknown)??;
        Ok(described.get("cleanup.policy").and_then(|entry| entry.value.clone()))
    });
    match policy {
        Ok(Some(policy)) if policy != "compact" => {
            Err(CheckpointError::Deletes { topic: topic.to_owned(), policy })
        }
        Ok(_) => Ok(()),
        // Reading a topic's configuration is a right of its own, which the relay does not need.
        Err(code) if matches!(Fault::of(code), Fault::TopicDenied | Fault::ClusterDenied) => {
            tracing::debug!(topic, "cleanup.policy of the checkpoint topic may not be read");
            Ok(())
        }
        Err(code) => Err(deadline.error(LOOKING, topic, code)),
    }
}

/// rdkafka's admin client, whose answers are futures, for a thread that blocks.
struct Admin {
    client: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    fn create(settings: &Settings) -> Result<Self, CheckpointError> {
        let client = settings.admin().create().map_err(SettingsError::from_creation)?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { client, runtime })
    }

    fn ask<T, F>(
        &self,
        request: impl FnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> F,
    ) -> Result<T, RDKafkaErrorCode>
    where
        F: Future<Output = KafkaResult<T>>,
    {
        let options = AdminOptions::new()
            .request_timeout(Some(REQUEST_TIMEOUT))
            .operation_timeout(Some(REQUEST_TIMEOUT));
        self.runtime
            .block_on(request(&self.client, &options))
            .map_err(|error| publish::code_of(&error))
    }
}
