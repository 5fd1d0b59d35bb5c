//! Messages to the inventory → stock → answers.
//!
//! Nothing here knows how the shop is configured: an event is answered as in the choreography, a
//! command as the orchestrator expects it.

use rowpost_outbox::{Handler, HandlerError, MySql, Received, Transaction};
use serde_json::Map;
use shop::{Message, Payment, Status, Topic, consume};

use crate::stock::{self, Reservation};

pub(crate) struct Inventory {
    pub(crate) topic_prefix: String,
}

impl Handler for Inventory {
    async fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> Result<(), HandlerError> {
        let (topic, message) = consume::read(event, &self.topic_prefix)?;
        let order = &message.transaction_id;
        let is_command = topic == Topic::InventoryCommands;
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are for somebody else")]
        let reservation = match (topic, message.status) {
            (Topic::Inventory, Status::OrderCreated)
            | (Topic::InventoryCommands, Status::ReserveInventory) => {
                stock::reserve(transaction, order, &message.inventory).await?
            }
            // Refused before, it is as good as released.
            (Topic::Inventory, Status::OrderCancel)
            | (Topic::InventoryCommands, Status::ReleaseInventory) => {
                match stock::release(transaction, order, message.reason.as_deref()).await? {
                    Reservation::Refused { reason } => {
                        Reservation::Released { reason: Some(reason) }
                    }
                    released => released,
                }
            }
            _ => return Err(consume::misplaced(topic, &message)),
        };
        tracing::info!(order, ?reservation, "stock");
        let (topic, answer) = answer(message, reservation, is_command);
        consume::append(transaction, topic, &answer, event).await?;
        Ok(())
    }
}

/// Where the answer goes, and what it says.
fn answer(message: Message, reservation: Reservation, is_command: bool) -> (Topic, Message) {
    let (said, reason, asked) = match reservation {
        Reservation::Reserved { total_price } => {
            let payment = Payment { total_price, rest: Map::new() };
            let message = Message { payment: Some(payment), ..message };
            (Status::InventoryReserved, None, message)
        }
        Reservation::Refused { reason } => (Status::InventoryRefused, Some(reason), message),
        Reservation::Released { reason } => (Status::InventoryReleased, reason, message),
    };
    let (topic, status) = match (is_command, said) {
        (true, said) => (Topic::OrderReplies, said),
        (false, Status::InventoryReserved) => (Topic::Payment, said),
        (false, _) => (Topic::Order, Status::OrderCancel),
    };
    (topic, asked.with_status(status).with_reason(reason.as_deref()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn message() -> Message {
        serde_json::from_value(json!({
            "transaction_id": "a", "status": "ORDER_CREATED", "order": {"user_id": "u"},
            "inventory": {"id": 2, "quantity": 5},
        }))
        .unwrap()
    }

    #[test]
    fn reserved_stock_goes_to_payment_with_its_price_and_to_the_orchestrator_if_it_asked() {
        for (is_command, expected) in [(false, Topic::Payment), (true, Topic::OrderReplies)] {
            let reserved = Reservation::Reserved { total_price: 150_000 };

            let (topic, answer) = answer(message(), reserved, is_command);

            assert_eq!((topic, answer.status), (expected, Status::InventoryReserved));
            assert_eq!(answer.payment.unwrap().total_price, 150_000);
        }
    }

    #[test]
    fn refusal_ends_the_choreography_at_once_and_says_why() {
        let refused = || Reservation::Refused { reason: "out of stock".to_owned() };

        let (topic, event) = answer(message(), refused(), false);
        let (reply_topic, reply) = answer(message(), refused(), true);

        assert_eq!((topic, event.status), (Topic::Order, Status::OrderCancel));
        assert_eq!((reply_topic, reply.status), (Topic::OrderReplies, Status::InventoryRefused));
        assert_eq!(event.reason.as_deref(), Some("out of stock"));
        assert_eq!(reply.reason, event.reason);
    }
}
