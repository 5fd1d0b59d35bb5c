//! What the other services tell → the order's saga.

use rowpost_outbox::{Handler, HandlerError, MySql, Received, Transaction};
use shop::{Message, Status, Style, Topic, consume};

use crate::{
    page::Changes,
    saga::{Deadlines, Progress, drive, store},
};

pub(crate) struct Orders {
    pub(crate) topic_prefix: String,
    pub(crate) deadlines: Deadlines,
    pub(crate) changes: Changes,
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
        if saga.style != topic.style() {
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
        let headers = consume::headers(&message, event);
        Ok(drive::advance(transaction, saga, progress, &message, &headers, self.deadlines).await?)
    }

    fn committed(&self, event: &Received) {
        self.changes.tell(event);
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
