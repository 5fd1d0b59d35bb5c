//! The event: the client's whole request, and what each step adds to it.
//!
//! Promises: what a service does not know is passed on as it came, so that a consumer written for the
//! reference sample still finds everything in it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longest id of an order; it is the text of a UUID.
pub const TRANSACTION_ID_CHARS_MAX: usize = 36;

/// Longest reason that is stored and passed on.
pub const REASON_CHARS_MAX: usize = 255;

/// What has happened to an order, or is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Taken. To `inventory`: reserve.
    OrderCreated,
    /// Stock is set aside. To `payment`: charge.
    InventoryReserved,
    /// Charged. To `order`: the order is complete.
    PaymentComplete,
    /// The order's last status; no event has it.
    OrderComplete,
    /// To `payment`: give the money back; to `inventory`: give the stock back; to `order`: cancelled.
    OrderCancel,
    /// Command.
    ReserveInventory,
    /// Command; compensates `ReserveInventory`.
    ReleaseInventory,
    /// Command.
    ChargePayment,
    /// Command; compensates `ChargePayment`.
    RefundPayment,
    /// Reply: there is not enough.
    InventoryRefused,
    /// Reply: nothing is set aside (any more).
    InventoryReleased,
    /// Reply: nothing was charged.
    PaymentRefused,
    /// Reply: nothing is charged (any more).
    PaymentRefunded,
}

impl Status {
    /// As events write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderCreated => "ORDER_CREATED",
            Self::InventoryReserved => "INVENTORY_RESERVED",
            Self::PaymentComplete => "PAYMENT_COMPLETE",
            Self::OrderComplete => "ORDER_COMPLETE",
            Self::OrderCancel => "ORDER_CANCEL",
            Self::ReserveInventory => "RESERVE_INVENTORY",
            Self::ReleaseInventory => "RELEASE_INVENTORY",
            Self::ChargePayment => "CHARGE_PAYMENT",
            Self::RefundPayment => "REFUND_PAYMENT",
            Self::InventoryRefused => "INVENTORY_REFUSED",
            Self::InventoryReleased => "INVENTORY_RELEASED",
            Self::PaymentRefused => "PAYMENT_REFUSED",
            Self::PaymentRefunded => "PAYMENT_REFUNDED",
        }
    }
}

/// What is bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// `inventory.id`.
    pub id: i32,
    /// Pieces.
    pub quantity: i32,
    /// Whatever else the client said of it.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// What the inventory adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Payment {
    /// Price × quantity.
    pub total_price: i64,
    /// Whatever else is said of it.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// An event, a command or a reply: one form for all, on every topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// The order; also the record key, the saga's id, and the gateway's idempotency key.
    pub transaction_id: String,
    /// What it says.
    pub status: Status,
    /// The customer, as the client sent it.
    pub order: Map<String, Value>,
    /// The item.
    pub inventory: Item,
    /// From the reservation on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// Why it is refused or cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whatever else the client sent.
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

impl Message {
    /// The same with another status.
    #[must_use]
    pub fn with_status(mut self, status: Status) -> Self {
        self.status = status;
        self
    }

    /// The same with a reason, unless there is one: the first says why, the others only that.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<&str>) -> Self {
        self.reason = self.reason.or_else(|| reason.map(cut));
        self
    }

    /// As much of it as can be stored.
    pub fn reason(&self) -> Option<String> {
        self.reason.as_deref().map(cut)
    }

    /// A text of the customer's; empty where there is none.
    pub fn customer(&self, field: &str) -> &str {
        self.order.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Records of other producers may say anything.
    pub fn has_valid_transaction_id(&self) -> bool {
        is_transaction_id(&self.transaction_id)
    }
}

/// Whether an order can have this id. SERVER: no other may be looked for: to compare a column of ASCII
/// with a text that is none is an error.
pub fn is_transaction_id(text: &str) -> bool {
    (1..=TRANSACTION_ID_CHARS_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A reason as it can be stored.
pub fn cut(reason: &str) -> String {
    reason.chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_here_knows_is_passed_on() {
        let event = json!({
            "transaction_id": "a-1", "status": "INVENTORY_RESERVED", "coupon": [1, {"x": null}],
            "order": {"user_id": "user", "gift": true},
            "inventory": {"id": 2, "quantity": 5, "colour": "red"},
            "payment": {"total_price": 150_000, "currency": "KRW"},
        });

        let message: Message = serde_json::from_value(event.clone()).unwrap();

        assert_eq!(message.payment.as_ref().unwrap().total_price, 150_000);
        assert_eq!(serde_json::to_value(&message).unwrap(), event);
    }

    #[test]
    fn every_status_is_written_as_it_is_called() {
        for status in [
            Status::OrderCreated,
            Status::InventoryReserved,
            Status::PaymentComplete,
            Status::OrderComplete,
            Status::OrderCancel,
            Status::ReserveInventory,
            Status::ReleaseInventory,
            Status::ChargePayment,
            Status::RefundPayment,
            Status::InventoryRefused,
            Status::InventoryReleased,
            Status::PaymentRefused,
            Status::PaymentRefunded,
        ] {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn first_reason_stays() {
        let event = json!({"transaction_id": "a", "status": "ORDER_CREATED", "order": {},
            "inventory": {"id": 1, "quantity": 1}});
        let message: Message = serde_json::from_value(event).unwrap();

        let message = message.with_reason(Some("too late")).with_reason(Some("cancelled"));

        assert_eq!(message.reason.as_deref(), Some("too late"));
    }
}
