//! Every event of an order, as it came over Kafka: who did what, in order.
//!
//! `GET /v1/order/{transaction_id}/events`
//!
//! In the choreography this is also how the order service learns where an order stands: it hears the
//! events that the others tell each other.

use std::collections::HashSet;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::get,
};
use rowpost_outbox::{Handler, HandlerError, MySql, MySqlPool, Received, Transaction};
use serde::Serialize;
use serde_json::Value;
use shop::{ApiError, Message, Status, Style, Topic, consume, message::is_transaction_id};

use crate::{
    page::Changes,
    saga::{Deadlines, Progress, drive, store},
};

pub(crate) struct EventLog {
    pub(crate) topic_prefix: String,
    pub(crate) deadlines: Deadlines,
    pub(crate) changes: Changes,
}

impl Handler for EventLog {
    async fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> Result<(), HandlerError> {
        // What it cannot read is a dead letter of the service that it is for.
        let Ok((topic, message)) = consume::read(event, &self.topic_prefix) else {
            tracing::warn!(event_id = event.event_id, topic = event.topic, "event not logged");
            return Ok(());
        };
        insert(transaction, topic, &message, event).await?;
        self.follow(transaction, topic, &message, event).await
    }

    fn committed(&self, event: &Received) {
        self.changes.tell(event);
    }
}

impl EventLog {
    async fn follow(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        topic: Topic,
        message: &Message,
        event: &Received,
    ) -> Result<(), HandlerError> {
        let Some(heard) = heard(topic, message.status) else { return Ok(()) };
        let Some(saga) = store::locked(transaction, &message.transaction_id).await? else {
            return Ok(());
        };
        if saga.style != Style::Choreography {
            return Ok(());
        }
        let progress = match (heard, saga.progress) {
            (Progress::Forward(1), Progress::Forward(0))
            | (Progress::Backward(0), Progress::Forward(_) | Progress::Backward(1)) => heard,
            // Already further, or turned back meanwhile.
            (
                Progress::Forward(_)
                | Progress::Backward(_)
                | Progress::Complete
                | Progress::Cancelled,
                _,
            ) => return Ok(()),
        };
        let headers = consume::headers(message, event);
        let deadlines = self.deadlines;
        Ok(drive::advance(transaction, saga, progress, message, &headers, deadlines).await?)
    }
}

/// What an event between the other services means for the order.
fn heard(topic: Topic, status: Status) -> Option<Progress> {
    match (topic, status) {
        (Topic::Payment, Status::InventoryReserved) => Some(Progress::Forward(1)),
        (Topic::Inventory, Status::OrderCancel) => Some(Progress::Backward(0)),
        (_, _) => None,
    }
}

async fn insert(
    transaction: &mut Transaction<'_, MySql>,
    topic: Topic,
    message: &Message,
    event: &Received,
) -> Result<(), HandlerError> {
    let json = serde_json::to_string(message)?;
    sqlx::query(
        "insert into event_log \
         (event_id, transaction_id, topic, status, causation_id, committed_at, message) \
         values (?, ?, ?, ?, ?, from_unixtime(? / 1000), ?)",
    )
    .bind(&event.event_id)
    .bind(&message.transaction_id)
    .bind(topic.name())
    .bind(message.status.as_str())
    .bind(event.header(rowpost_outbox::headers::CAUSATION_ID))
    .bind(event.timestamp_ms)
    .bind(json)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Who says such a thing on such a topic.
fn actor(topic: &str, status: &str) -> &'static str {
    match (topic, status) {
        ("inventory", "ORDER_CREATED")
        | ("payment", "ORDER_CANCEL")
        | ("shop.inventory.commands" | "shop.payment.commands", _) => "order",
        ("payment", _)
        | ("order", "ORDER_CANCEL")
        | (
            "shop.order.replies",
            "INVENTORY_RESERVED" | "INVENTORY_REFUSED" | "INVENTORY_RELEASED",
        ) => "inventory",
        ("inventory", _)
        | ("order", "PAYMENT_COMPLETE")
        | ("shop.order.replies", "PAYMENT_COMPLETE" | "PAYMENT_REFUSED" | "PAYMENT_REFUNDED") => {
            "payment"
        }
        _ => "unknown",
    }
}

#[derive(Debug, sqlx::FromRow)]
struct Row {
    id: i64,
    event_id: String,
    topic: String,
    status: String,
    causation_id: Option<String>,
    committed_at: Option<String>,
    message: String,
}

/// One line of an order's story.
#[derive(Debug, Serialize)]
pub(crate) struct Logged {
    /// Of the row.
    #[serde(skip)]
    pub(crate) id: i64,
    by: &'static str,
    status: String,
    topic: String,
    at: Option<String>,
    event_id: String,
    caused_by: Option<String>,
    message: Value,
}

pub(crate) fn router(pool: MySqlPool) -> Router {
    Router::new().route("/v1/order/{transaction_id}/events", get(events)).with_state(pool)
}

async fn events(
    State(pool): State<MySqlPool>,
    Path(transaction_id): Path<String>,
) -> Result<Json<Vec<Logged>>, ApiError> {
    let log = of_order(&pool, &transaction_id).await?;
    if log.is_empty() {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "data not found"));
    }
    Ok(Json(log))
}

/// Each event behind its cause; none of an order that is not known.
pub(crate) async fn of_order(
    pool: &MySqlPool,
    transaction_id: &str,
) -> Result<Vec<Logged>, sqlx::Error> {
    if !is_transaction_id(transaction_id) {
        return Ok(Vec::new());
    }
    let rows: Vec<Row> = sqlx::query_as(
        "select id, event_id, topic, status, causation_id, \
                date_format(committed_at, '%Y-%m-%dT%H:%i:%s.%fZ') as committed_at, \
                cast(message as char) as message \
         from event_log where transaction_id = ? order by committed_at, id",
    )
    .bind(transaction_id)
    .fetch_all(pool)
    .await?;
    Ok(in_order(rows).into_iter().map(Logged::from).collect())
}

/// By time, but never an event before its cause: two services may commit within one millisecond.
fn in_order(mut rest: Vec<Row>) -> Vec<Row> {
    let mut ordered: Vec<Row> = Vec::with_capacity(rest.len());
    while !rest.is_empty() {
        let waiting: HashSet<&str> = rest.iter().map(|row| &*row.event_id).collect();
        let is_next =
            |row: &Row| row.causation_id.as_deref().is_none_or(|cause| !waiting.contains(cause));
        // In a circle, which no honest producer makes, the earliest goes first.
        let next = rest.iter().position(is_next).unwrap_or(0);
        ordered.push(rest.remove(next));
    }
    ordered
}

impl From<Row> for Logged {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            by: actor(&row.topic, &row.status),
            message: serde_json::from_str(&row.message).unwrap_or_default(),
            status: row.status,
            topic: row.topic,
            at: row.committed_at,
            event_id: row.event_id,
            caused_by: row.causation_id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event_id: &str, cause: Option<&str>) -> Row {
        Row {
            id: 0,
            event_id: event_id.to_owned(),
            topic: String::new(),
            status: String::new(),
            causation_id: cause.map(str::to_owned),
            committed_at: None,
            message: String::new(),
        }
    }

    #[test]
    fn event_comes_after_its_cause_whatever_the_clocks_say() {
        let rows = vec![
            row("c", Some("b")),
            row("x", None),
            row("b", Some("a")),
            row("a", Some("not logged")),
            row("loop", Some("loop")),
        ];

        let order: Vec<String> = in_order(rows).into_iter().map(|row| row.event_id).collect();

        assert_eq!(order, ["x", "a", "b", "c", "loop"]);
    }

    #[test]
    fn every_event_of_both_styles_has_an_actor() {
        use shop::Topic::{Inventory, Order, OrderReplies, Payment};
        for (topic, status, by) in [
            (Inventory, Status::OrderCreated, "order"),
            (Payment, Status::InventoryReserved, "inventory"),
            (Order, Status::PaymentComplete, "payment"),
            (Inventory, Status::OrderCancel, "payment"),
            (Order, Status::OrderCancel, "inventory"),
            (Payment, Status::OrderCancel, "order"),
            (Topic::InventoryCommands, Status::ReserveInventory, "order"),
            (Topic::PaymentCommands, Status::RefundPayment, "order"),
            (OrderReplies, Status::InventoryReleased, "inventory"),
            (OrderReplies, Status::PaymentRefused, "payment"),
        ] {
            assert_eq!(actor(topic.name(), status.as_str()), by, "{topic:?} {status:?}");
        }
    }
}
