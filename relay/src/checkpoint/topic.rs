//! The checkpoint topic: made when missing, looked at when there.
//!
//! Promises: a topic from which the broker would delete the position is not used.

use std::sync::Once;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    error::KafkaResult,
    types::RDKafkaErrorCode,
};

use super::CheckpointError;
use crate::publish::{self, Context, Fault, REQUEST_TIMEOUT, Session, Settings, passes};

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

/// Makes sure of the topic.
pub(super) fn ensure(session: &Session<'_>) -> Result<(), CheckpointError> {
    let topic = session.settings.checkpoint_topic.as_str();
    match look(session)? {
        TopicFound::Missing => {
            create(session)?;
            tracing::info!(topic, "checkpoint topic created");
        }
        TopicFound::Usable { partitions: 1 } => {}
        TopicFound::Usable { partitions } => advise_one_partition(topic, partitions),
    }
    Ok(())
}

/// Once while the process runs: every attempt looks at the topic again.
fn advise_one_partition(topic: &str, partitions: usize) {
    static ADVISED: Once = Once::new();
    ADVISED.call_once(|| {
        tracing::warn!(
            topic,
            partitions,
            "checkpoint topic has more than one partition; only partition 0 is used"
        );
    });
}

/// An error for a topic from which the broker would delete the position.
pub(super) fn look(session: &Session<'_>) -> Result<TopicFound, CheckpointError> {
    let topic = session.settings.checkpoint_topic.as_str();
    let partitions =
        session.partitions(topic).map_err(|code| CheckpointError::of(session, LOOKING, code))?;
    if partitions == 0 {
        return Ok(TopicFound::Missing);
    }
    check_policy(session)?;
    Ok(TopicFound::Usable { partitions })
}

fn create(session: &Session<'_>) -> Result<(), CheckpointError> {
    let topic = session.settings.checkpoint_topic.as_str();
    let replication_factor = session.settings.replication_factor;
    let new_topic = NewTopic::new(topic, 1, TopicReplication::Fixed(replication_factor))
        .set("cleanup.policy", "compact")
        // The active segment is never compacted: small and short segments keep the topic small.
        .set("segment.bytes", "16777216")
        .set("segment.ms", "3600000");
    let admin = Admin::create(session.settings)?;
    let created = session.retry(|_| {
        let results = admin.ask(|client, options| client.create_topics([&new_topic], options))?;
        match results.into_iter().next() {
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code))) => Err(code),
            None => Err(RDKafkaErrorCode::Unknown),
        }
    });
    created.map_err(|code| {
        let (topic, reason) = (topic.to_owned(), code.to_string());
        if code == RDKafkaErrorCode::InvalidReplicationFactor {
            CheckpointError::ReplicationFactor { topic, replication_factor, reason }
        } else if passes(code) || Fault::of(code) == Fault::AuthenticationFailed {
            CheckpointError::of(session, CREATING, code)
        } else {
            CheckpointError::NotCreated { topic, reason }
        }
    })
}

/// A topic that the broker made by itself, or that somebody made without thinking of it, deletes its
/// records after a week.
fn check_policy(session: &Session<'_>) -> Result<(), CheckpointError> {
    let topic = session.settings.checkpoint_topic.as_str();
    let admin = Admin::create(session.settings)?;
    let resource = ResourceSpecifier::Topic(topic);
    let policy = session.retry(|_| {
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
        Err(code) => Err(CheckpointError::of(session, LOOKING, code)),
    }
}

/// rdkafka's admin client, whose answers are futures, for a thread that blocks.
struct Admin {
    client: AdminClient<Context>,
    runtime: tokio::runtime::Runtime,
}

impl Admin {
    fn create(settings: &Settings) -> Result<Self, CheckpointError> {
        let client = publish::create(&settings.admin(), Context::default())?;
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        Ok(Self { client, runtime })
    }

    fn ask<T, F>(
        &self,
        request: impl FnOnce(&AdminClient<Context>, &AdminOptions) -> F,
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
