//! The view: orders as items of a DynamoDB table, from which `GET /v1/order` is answered.
//!
//! ```text
//! order taken or ended: one transaction with an outbox row ─▶ topic `shop.order.status`
//!                                                                       │
//!   GET /v1/order ◀── item, if there is one ◀── table ◀── projection ◀──┘
//!                 ◀── else MySQL
//! ```
//!
//! Promises:
//! - an order's item never goes back: it is written only where the version is higher, so that events
//!   that come twice, late or all over again do no harm;
//! - a store that is away or throttles loses no event and makes no dead letter;
//! - whoever has just placed an order finds it: what the view does not have (yet), MySQL answers, and
//!   that is also so while the store is away.
//!
//! Not promised: that an item is as new as the row. It is as old as the projection is behind; where
//! that matters, the row in MySQL is what counts.

mod client; // settings → a client of the store
mod item; // an order ↔ an item
mod projection; // events → items
mod status; // what an order has come to → an event
mod table; // there, and with the right key

use std::time::Duration;

use serde_json::{Map, Value, json};
use shop::{Failure, Life, Settings};

pub(crate) use self::{client::ViewSettings, status::tell};
use crate::orders::Order;

/// A client would rather be answered by MySQL than wait any longer.
const READ_WITHIN: Duration = Duration::from_secs(1);
/// Like the database's readiness.
const READY_WITHIN: Duration = Duration::from_secs(2);

/// The table of orders, in a store that may be away.
#[derive(Debug, Clone)]
pub(crate) struct View {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl View {
    /// `None` where none is configured. Makes the table and keeps it up to date until the service
    /// stops; a store that is away does not keep the service from starting.
    pub(crate) fn start(
        life: &mut Life,
        settings: &Settings,
        view: &ViewSettings,
    ) -> Result<Option<Self>, Failure> {
        let Some(view) = view.open().map_err(|error| Failure::Service(error.to_string()))? else {
            return Ok(None);
        };
        let (projection, settings, stop) = (view.clone(), settings.clone(), life.stop());
        life.spawn(async move { projection::run(projection, &settings, stop).await });
        Ok(Some(view))
    }

    /// `None` where the view has no such order, or the store does not answer: MySQL is to be asked.
    pub(crate) async fn find(&self, transaction_id: &str, user_id: &str) -> Option<Order> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(item::key(transaction_id, user_id)))
            // Of two answers the second is not the older one.
            .consistent_read(true)
            .send();
        match tokio::time::timeout(READ_WITHIN, request).await {
            Ok(Ok(answer)) => item::order(answer.item?),
            Ok(Err(error)) => {
                let error = client::in_words(&error);
                tracing::warn!(table = self.table, error, "view not read, MySQL answers");
                None
            }
            Err(_) => {
                tracing::warn!(table = self.table, ?READ_WITHIN, "view too slow, MySQL answers");
                None
            }
        }
    }

    async fn standing(&self) -> Value {
        let looked = table::look(&self.client, &self.table);
        match tokio::time::timeout(READY_WITHIN, looked).await {
            Ok(Ok(table::Standing::Ready)) => json!({ "status": "ready", "table": self.table }),
            Ok(Ok(standing)) => json!({ "status": standing.as_str(), "table": self.table }),
            Ok(Err(error)) => json!({ "status": "away", "error": error.to_string() }),
            Err(_) => {
                let error = format!("the store has not answered within {READY_WITHIN:?}");
                json!({ "status": "away", "error": error })
            }
        }
    }
}

/// What `/readyz` says of the view. The service does without it, so this makes nothing unready.
pub(crate) async fn readiness(view: Option<View>) -> Map<String, Value> {
    let mut said = Map::new();
    if let Some(view) = view {
        said.insert("view".to_owned(), view.standing().await);
    }
    said
}
