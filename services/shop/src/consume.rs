//! The outbox library on the shop's topics: records → messages, and messages → outbox rows.

use rowpost_outbox::{
    AppendError, Consumer, ConsumerConfig, Handler, HandlerError, Headers, MySql, MySqlPool,
    Outbox, PruneConfig, Pruner, Received, RelayCheckpoint, Transaction,
};

use crate::{Failure, Life, Message, Outgoing, Settings, Topic};

/// Runs a consumer until the service stops. `name` is the group's behind the prefix.
pub fn spawn(
    life: &mut Life,
    settings: &Settings,
    pool: &MySqlPool,
    name: &str,
    topics: &[Topic],
    handler: impl Handler + 'static,
) -> Result<(), Failure> {
    let prefix = &settings.topic_prefix;
    let topics = topics.iter().map(|topic| format!("{prefix}{}", topic.name()));
    let config = ConsumerConfig::new(format!("{prefix}{name}"), topics);
    let consumer = Consumer::new(&settings.kafka_client(), pool.clone(), config, handler)?;
    let stop = life.stop();
    life.spawn(async move { Ok(consumer.run(stop).await?) });
    Ok(())
}

/// Deletes old inbox rows, and where the relay's source is known outbox rows that it has published.
pub fn spawn_pruner(life: &mut Life, settings: &Settings, pool: &MySqlPool) -> Result<(), Failure> {
    let (pool, config) = (pool.clone(), PruneConfig::default());
    let pruner = match &settings.relay_source {
        Some(source) => {
            let checkpoint = RelayCheckpoint::of_source(&settings.kafka_client(), source)?;
            Pruner::new(pool, config, checkpoint)
        }
        None => Pruner::of_inbox(pool, config),
    };
    let stop = life.stop();
    life.spawn(async move {
        pruner.run(stop).await;
        Ok(())
    });
    Ok(())
}

/// What a record says. Not only our own services write to the topics: what no service could work with
/// is refused here, for good.
pub fn read(record: &Received, prefix: &str) -> Result<(Topic, Message), HandlerError> {
    let topic = Topic::of(&record.topic, prefix).ok_or_else(|| {
        HandlerError::permanent(format!("`{}` is none of the shop's topics", record.topic))
    })?;
    let message: Message = record.json()?;
    if !message.has_valid_transaction_id() {
        let id = &message.transaction_id;
        return Err(HandlerError::permanent(format!("`{id}` cannot be the id of an order")));
    }
    Ok((topic, message))
}

/// For a message that its topic is not for.
pub fn misplaced(topic: Topic, message: &Message) -> HandlerError {
    let (status, topic) = (message.status.as_str(), topic.name());
    HandlerError::permanent(format!("{status} means nothing on the topic `{topic}`"))
}

/// Appends what follows from `cause`.
pub async fn append(
    transaction: &mut Transaction<'_, MySql>,
    topic: Topic,
    message: &Message,
    cause: &Received,
) -> Result<(), AppendError> {
    append_with(transaction, topic, message, &headers(message, cause)).await
}

/// Of what follows from `cause`. The process is the order, also where a foreign producer has named none.
pub fn headers(message: &Message, cause: &Received) -> Headers {
    let correlation_id = Some(message.transaction_id.clone());
    Headers { correlation_id, ..Headers::caused_by(cause) }
}

/// The same for what no record has caused.
pub async fn append_with(
    transaction: &mut Transaction<'_, MySql>,
    topic: Topic,
    message: &Message,
    headers: &Headers,
) -> Result<(), AppendError> {
    Outbox::default().append(transaction, &Outgoing { topic, message }, headers).await?;
    Ok(())
}
