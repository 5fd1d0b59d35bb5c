//! What the other services tell → the order's saga.

use rowpost_outbox::{Handler, HandlerError, Headers, MySql, Received, Transaction};
use shop::{Message, Status, Topic, consume};

use crate::saga::{
    Deadlines, Progress, Style,
    drive::{self, DriveError},
    store,
};

pub(crate) struct Orders {
    pub(crate) topic_prefix: String,
    pub(crate) deadlines: Deadlines,
}

impl Handler for Orders {
    async fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> Result<(), HandlerError> {
        let (topic, message) = consume::read(event, &self.topic_prefix)?;
        let order = &message.transaction_id;
        let Some(saga) = store::locked(transaction, order).await? else {
            return Err(HandlerError::permanent(format!("there is no order {order}")));
        };
        let expected = match topic {
            Topic::OrderReplies => Style::Orchestration,
            Topic::Order
            | Topic::Inventory
            | Topic::Payment
            | Topic::InventoryCommands
            | Topic::PaymentCommands => Style::Choreography,
        };
        if saga.style != expected {
            return Err(consume::misplaced(topic, &message));
        }
        let next = match saga.style {
            Style::Orchestration => saga.progress.after(message.status),
            Style::Choreography => ended(saga.progress, topic, &message)?,
        };
        let Some(progress) = next else {
            // A second answer, after a retry: the first one counted.
            tracing::debug!(order, status = message.status.as_str(), "nothing follows");
            return Ok(());
        };
        let headers = Headers { correlation_id: Some(order.clone()), ..Headers::caused_by(event) };
        Ok(drive::advance(transaction, saga, progress, &message, &headers, self.deadlines).await?)
    }
}

/// The choreography's last event.
fn ended(
    progress: Progress,
    topic: Topic,
    message: &Message,
) -> Result<Option<Progress>, HandlerError> {
    match (message.status, progress) {
        (Status::PaymentComplete, Progress::Forward(_)) => Ok(Some(Progress::Complete)),
        // The order was given up meanwhile; the payment is being given back.
        (Status::PaymentComplete, _) => Ok(None),
        (Status::OrderCancel, Progress::Forward(_) | Progress::Backward(_)) => {
            Ok(Some(Progress::Cancelled))
        }
        (Status::OrderCancel, Progress::Complete | Progress::Cancelled) => Ok(None),
        _ => Err(consume::misplaced(topic, message)),
    }
}

impl From<DriveError> for HandlerError {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Database(error) => error.into(),
            DriveError::Append(error) => error.into(),
        }
    }
}

impl From<DriveError> for shop::ApiError {
    fn from(error: DriveError) -> Self {
        match error {
            DriveError::Database(error) => error.into(),
            DriveError::Append(error) => error.into(),
        }
    }
}
