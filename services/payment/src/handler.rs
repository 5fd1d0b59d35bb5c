//! Messages to the payment service → work for the gateway, or an answer that is known already.

use std::time::Duration;

use rowpost_outbox::{Handler, HandlerError, MySql, Received, Transaction};
use shop::{Message, Status, Style, Topic, consume};

use crate::{
    answer::{self, Outcome},
    payment::{self, State},
};

pub(crate) struct Payments {
    pub(crate) topic_prefix: String,
    pub(crate) charge_deadline: Duration,
}

impl Handler for Payments {
    async fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> Result<(), HandlerError> {
        let (topic, message) = consume::read(event, &self.topic_prefix)?;
        match (topic, message.status) {
            (Topic::Payment, Status::InventoryReserved)
            | (Topic::PaymentCommands, Status::ChargePayment) => {
                self.charge(transaction, topic.style(), message, event).await
            }
            (Topic::Payment, Status::OrderCancel)
            | (Topic::PaymentCommands, Status::RefundPayment) => {
                self.refund(transaction, topic.style(), message, event).await
            }
            _ => Err(consume::misplaced(topic, &message)),
        }
    }
}

impl Payments {
    async fn charge(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        style: Style,
        message: Message,
        event: &Received,
    ) -> Result<(), HandlerError> {
        if message.payment.is_none() {
            return Err(HandlerError::permanent("payment.total_price is missing"));
        }
        let deadline = self.charge_deadline;
        if payment::insert(transaction, State::Charging, style, &message, event, deadline).await? {
            return Ok(());
        }
        // Asked again. Work in progress will answer; an end is told again.
        let known = payment::locked(transaction, &message.transaction_id).await?;
        match known.state {
            State::Charging | State::Reversing => Ok(()),
            State::Ended(outcome) => {
                let reason = known.reason.as_deref();
                let (topic, answer) = answer::compose(message, style, outcome, false, reason);
                Ok(consume::append(transaction, topic, &answer, event).await?)
            }
        }
    }

    async fn refund(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        style: Style,
        message: Message,
        event: &Received,
    ) -> Result<(), HandlerError> {
        // Before it was asked to charge: this row keeps it from charging later.
        let never = State::Ended(Outcome::Reversed);
        let deadline = self.charge_deadline;
        let outcome =
            if payment::insert(transaction, never, style, &message, event, deadline).await? {
                Outcome::Reversed
            } else {
                match payment::locked(transaction, &message.transaction_id).await?.state {
                    State::Ended(outcome @ (Outcome::Refused | Outcome::Reversed)) => outcome,
                    State::Charging | State::Reversing | State::Ended(Outcome::Complete) => {
                        return Ok(payment::ask_refund(transaction, style, &message, event).await?);
                    }
                }
            };
        let (topic, answer) = answer::compose(message, style, outcome, true, None);
        Ok(consume::append(transaction, topic, &answer, event).await?)
    }
}
