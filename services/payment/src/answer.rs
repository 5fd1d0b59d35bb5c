//! What a payment has come to → the message that says so.

use shop::{Message, Status, Style, Topic};

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Charged.
    Complete,
    /// Never charged: the gateway said no.
    Refused,
    /// Not charged any more, or never to be.
    Reversed,
}

/// `is_refund_asked`: the message was not "charge" but "give back".
pub(crate) fn address(style: Style, outcome: Outcome, is_refund_asked: bool) -> (Topic, Status) {
    match (style, outcome, is_refund_asked) {
        (Style::Choreography, Outcome::Complete, _) => (Topic::Order, Status::PaymentComplete),
        (Style::Choreography, Outcome::Refused | Outcome::Reversed, _) => {
            (Topic::Inventory, Status::OrderCancel)
        }
        (Style::Orchestration, Outcome::Complete, _) => {
            (Topic::OrderReplies, Status::PaymentComplete)
        }
        (Style::Orchestration, Outcome::Refused | Outcome::Reversed, true) => {
            (Topic::OrderReplies, Status::PaymentRefunded)
        }
        (Style::Orchestration, Outcome::Refused | Outcome::Reversed, false) => {
            (Topic::OrderReplies, Status::PaymentRefused)
        }
    }
}

/// The message that asked, as an answer.
pub(crate) fn compose(
    asked: Message,
    style: Style,
    outcome: Outcome,
    is_refund_asked: bool,
    reason: Option<&str>,
) -> (Topic, Message) {
    let (topic, status) = address(style, outcome, is_refund_asked);
    let reason = reason.filter(|_| outcome != Outcome::Complete);
    (topic, asked.with_status(status).with_reason(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_that_never_answered_is_a_refusal_unless_a_refund_was_asked_for() {
        let reversed =
            |is_refund_asked| address(Style::Orchestration, Outcome::Reversed, is_refund_asked).1;

        assert_eq!(reversed(false), Status::PaymentRefused);
        assert_eq!(reversed(true), Status::PaymentRefunded);
    }

    #[test]
    fn choreography_tells_the_order_of_success_and_the_inventory_of_all_else() {
        let told = |outcome| address(Style::Choreography, outcome, false);

        assert_eq!(told(Outcome::Complete), (Topic::Order, Status::PaymentComplete));
        assert_eq!(told(Outcome::Refused), (Topic::Inventory, Status::OrderCancel));
        assert_eq!(told(Outcome::Reversed), (Topic::Inventory, Status::OrderCancel));
    }
}
