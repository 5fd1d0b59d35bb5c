//! What was written, and deliveries as Kafka makes them on a bad day. For tests of services.
//!
//! They need MySQL, but neither Kafka nor the relay. The rows are read from the table, so the service
//! under test must use [`Rows::Keep`](crate::Rows::Keep).

use serde_json::Value;
use sqlx::{MySql, MySqlPool};

use crate::{Handler, HandlerError, Outcome, Received, headers, inbox};

/// An outbox row as it was appended.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The UUIDv7.
    pub event_id: String,
    /// Of the event.
    pub aggregate_type: String,
    /// Of the event.
    pub aggregate_id: String,
    /// Of the event.
    pub event_type: String,
    /// Of the event.
    pub payload: Value,
    /// Of the event.
    pub headers: crate::Headers,
}

impl Written {
    /// As a consumer gets it from `topic`, if the relay is configured as in the README.
    pub fn received_from(&self, topic: &str, partition: i32, kafka_offset: i64) -> Received {
        let mut received = Received::at(topic, partition, kafka_offset);
        received.key = Some(self.aggregate_id.clone().into_bytes());
        received.payload = Some(self.payload.to_string().into_bytes());
        received.headers = [
            (headers::EVENT_ID, Some(&self.event_id)),
            (headers::EVENT_TYPE, Some(&self.event_type)),
            (headers::TRACEPARENT, self.headers.traceparent.as_ref()),
            (headers::CORRELATION_ID, self.headers.correlation_id.as_ref()),
            (headers::CAUSATION_ID, self.headers.causation_id.as_ref()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.map(|text| text.clone().into_bytes())))
        .collect();
        received.identify();
        received
    }
}

/// The rows of the outbox by their ids, which is the order of appending for rows of one process.
pub async fn written<'c>(
    executor: impl sqlx::Executor<'c, Database = MySql>,
) -> Result<Vec<Written>, sqlx::Error> {
    let rows = sqlx::query(
        "select id, aggregatetype, aggregateid, type, cast(payload as char) as payload, \
         traceparent, correlation_id, causation_id from outbox order by id",
    )
    .fetch_all(executor)
    .await?;
    rows.iter().map(of_row).collect()
}

fn of_row(row: &sqlx::mysql::MySqlRow) -> Result<Written, sqlx::Error> {
    use sqlx::Row as _;
    let payload: Option<String> = row.try_get("payload")?;
    let payload = serde_json::from_str(payload.as_deref().unwrap_or("null"))
        .map_err(|error| sqlx::Error::Decode(error.into()))?;
    Ok(Written {
        event_id: row.try_get("id")?,
        aggregate_type: row.try_get("aggregatetype")?,
        aggregate_id: row.try_get("aggregateid")?,
        event_type: row.try_get("type")?,
        payload,
        headers: crate::Headers {
            traceparent: row.try_get("traceparent")?,
            correlation_id: row.try_get("correlation_id")?,
            causation_id: row.try_get("causation_id")?,
        },
    })
}

/// Exactly these events are in the outbox, in this order: aggregate type, aggregate id, event type.
///
/// # Panics
///
/// With both lists, if it is otherwise; or if the outbox cannot be read.
pub async fn assert_written(pool: &MySqlPool, expected: &[(&str, &str, &str)]) {
    let written = written(pool).await.expect("the outbox can be read");
    let found: Vec<_> = written
        .iter()
        .map(|row| (&*row.aggregate_type, &*row.aggregate_id, &*row.event_type))
        .collect();
    assert_eq!(found, expected, "events in the outbox");
}

/// Delivers an event twice.
///
/// # Panics
///
/// Unless the first delivery is processed and the second recognised.
pub async fn deliver_twice(
    pool: &MySqlPool,
    consumer: &str,
    handler: &impl Handler,
    event: &Received,
) -> Result<(), HandlerError> {
    let first = inbox::process(pool, consumer, handler, event).await?;
    let second = inbox::process(pool, consumer, handler, event).await?;
    assert_eq!((first, second), (Outcome::Processed, Outcome::Duplicate), "{}", event.event_id);
    Ok(())
}

/// Delivers events in the order of `order`, indexes into `events`: `[2, 0, 1, 0]` begins with the
/// last of three and delivers the first twice. Answers as each delivery ended: what comes too early
/// may well be refused, and comes again later.
///
/// # Panics
///
/// If an index is out of bounds.
pub async fn deliver_in_order(
    pool: &MySqlPool,
    consumer: &str,
    handler: &impl Handler,
    events: &[Received],
    order: &[usize],
) -> Vec<Result<Outcome, HandlerError>> {
    let mut outcomes = Vec::with_capacity(order.len());
    for &index in order {
        let event = events.get(index).expect("an index into the events");
        outcomes.push(inbox::process(pool, consumer, handler, event).await);
    }
    outcomes
}
