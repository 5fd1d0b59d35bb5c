//! What an order has come to → an event that carries all of it.
//!
//! Promises: there is one for every status of every order, in the transaction that gives it; it needs
//! no other event to be understood, so that the last one of an order is enough to build its item.
//!
//! It is written whether or not a view is configured: a view that is added later finds it. The topics
//! of the saga do not change by it.

use rowpost_outbox::{AppendError, Event, Headers, MySql, Outbox, Transaction};
use serde::Serialize;

use crate::orders::{self, Versioned};

/// The topic, behind the prefix. May be compacted: the key is the order.
pub(crate) const TOPIC: &str = "shop.order.status";

#[derive(Debug, Serialize)]
#[serde(transparent)]
struct OrderStatus(Versioned);

impl Event for OrderStatus {
    fn aggregate_type(&self) -> &str {
        TOPIC
    }
    fn aggregate_id(&self) -> &str {
        &self.0.order.transaction_id
    }
    fn event_type(&self) -> &str {
        &self.0.order.status
    }
}

/// Appends what the order's row now says. `headers` are those of what has changed it.
pub(crate) async fn tell(
    transaction: &mut Transaction<'_, MySql>,
    transaction_id: &str,
    headers: &Headers,
) -> Result<(), AppendError> {
    let event = OrderStatus(orders::versioned(transaction, transaction_id).await?);
    Outbox::default().append(transaction, &event, headers).await?;
    Ok(())
}
