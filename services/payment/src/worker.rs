//! Payments that are due → the gateway → outcomes with their events.
//!
//! Promises: no transaction is open while the gateway is asked; an outcome and its event are one
//! transaction; what a worker had in hand when it died is due again when the lease has run out.

use std::{sync::Arc, time::Duration};

use opentelemetry::{
    Context, KeyValue,
    context::FutureExt as _,
    trace::{SpanKind, TraceContextExt as _},
};
use rowpost_outbox::{AppendError, CancellationToken, MySqlPool, TraceContext};
use shop::{consume, traces};
use tokio::sync::Semaphore;

use crate::{
    answer::{self, Outcome},
    gateway::{Charged, Gateway, Unclear},
    payment::{self, Payment, State},
};

/// Calls of the gateway at the same time.
const CALLS_MAX: u32 = 32;

/// How long a new payment may lie before it is seen.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// While the database is away.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(1);

const BACKOFF_FIRST: Duration = Duration::from_millis(200);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// Beyond the longest call: for the transactions around it.
const LEASE_MARGIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Worker {
    pool: MySqlPool,
    gateway: Gateway,
}

impl Worker {
    pub(crate) fn new(pool: MySqlPool, gateway: Gateway) -> Self {
        Self { pool, gateway }
    }

    /// Until `stop`; then what is in hand is finished.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let calls = Arc::new(Semaphore::new(CALLS_MAX as usize));
        let lease = self.gateway.timeout() + LEASE_MARGIN;
        while !stop.is_cancelled() {
            let free = u32::try_from(calls.available_permits()).unwrap_or(CALLS_MAX);
            let pause = match payment::claim(&self.pool, free, lease).await {
                Ok(claimed) => {
                    for payment in claimed {
                        self.start(payment, &calls).await;
                    }
                    POLL_INTERVAL
                }
                Err(error) => {
                    tracing::warn!(%error, "payments cannot be claimed");
                    TROUBLE_INTERVAL
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        // All permits: nothing is in hand any more. It fails only if closed, which nobody does.
        let _all = calls.acquire_many(CALLS_MAX).await;
    }

    async fn start(&self, payment: Payment, calls: &Arc<Semaphore>) {
        let Ok(permit) = Arc::clone(calls).acquire_owned().await else { return };
        let worker = self.clone();
        tokio::spawn(async move {
            let span = span(&payment);
            if let Err(error) = worker.work(&payment).with_context(span.clone()).await {
                traces::fail(&span, "outcome not written");
                let order = &payment.message.transaction_id;
                tracing::warn!(order, %error, "outcome not written; the payment is due again soon");
            }
            span.span().end();
            drop(permit);
        });
    }

    async fn work(&self, payment: &Payment) -> Result<(), AppendError> {
        match payment.state {
            // The lease keeps it from being asked at the very end of its time.
            State::Charging if payment.is_late => {
                self.reverse(payment, "the payment gateway has not answered in time").await
            }
            State::Charging => self.charge(payment).await,
            State::Reversing => match self.gateway.refund(&payment.message).await {
                Ok(()) => self.end(payment, Outcome::Reversed, None).await,
                Err(unclear) => self.postpone(payment, &unclear).await,
            },
            State::Ended(_) => Ok(()),
        }
    }

    async fn charge(&self, payment: &Payment) -> Result<(), AppendError> {
        let Some(asked) = &payment.message.payment else {
            return self.end(payment, Outcome::Refused, Some("there is no price")).await;
        };
        match self.gateway.charge(&payment.message, asked.total_price).await {
            Ok(Charged::Yes) => self.end(payment, Outcome::Complete, None).await,
            Ok(Charged::No { reason }) => self.end(payment, Outcome::Refused, Some(&reason)).await,
            Ok(Charged::Reversed) => {
                self.end(payment, Outcome::Reversed, Some("the charge was reversed")).await
            }
            Ok(Charged::Impossible { reason }) => self.reverse(payment, &reason).await,
            Err(unclear) => self.postpone(payment, &unclear).await,
        }
    }

    /// Outcome and event, unless somebody else has written one.
    async fn end(
        &self,
        payment: &Payment,
        outcome: Outcome,
        reason: Option<&str>,
    ) -> Result<(), AppendError> {
        let order = &payment.message.transaction_id;
        let mut transaction = self.pool.begin().await?;
        let to = State::Ended(outcome);
        if !payment::pass(&mut transaction, order, payment.state, to, reason).await? {
            return Ok(());
        }
        // ORDER: read behind the update, which holds the lock: a refund may have been asked for while
        // the gateway was.
        let Payment { style, is_refund_asked, message, headers, reason, .. } =
            payment::locked(&mut transaction, order).await?;
        let (topic, answer) =
            answer::compose(message, style, outcome, is_refund_asked, reason.as_deref());
        consume::append_with(&mut transaction, topic, &answer, &headers).await?;
        transaction.commit().await?;
        tracing::info!(order, ?outcome, reason, "payment ended");
        Ok(())
    }

    /// Whether it was charged is not known; from now on it is to be nothing.
    async fn reverse(&self, payment: &Payment, reason: &str) -> Result<(), AppendError> {
        let order = &payment.message.transaction_id;
        let mut transaction = self.pool.begin().await?;
        let (from, to) = (payment.state, State::Reversing);
        payment::pass(&mut transaction, order, from, to, Some(reason)).await?;
        transaction.commit().await?;
        tracing::warn!(order, reason, "payment reversed");
        Ok(())
    }

    async fn postpone(&self, payment: &Payment, unclear: &Unclear) -> Result<(), AppendError> {
        let pause = backoff(payment.attempts);
        let order = &payment.message.transaction_id;
        tracing::warn!(order, ?pause, error = %unclear, "the gateway is asked again");
        let span = Context::current();
        traces::fail(&span, "unclear");
        let pause_ms = i64::try_from(pause.as_millis()).unwrap_or(i64::MAX);
        span.span().add_event("retry", vec![KeyValue::new("shop.pause_ms", pause_ms)]);
        Ok(payment::postpone(&self.pool, order, payment.state, pause).await?)
    }
}

/// One attempt: below the record that asked for it, however long ago that was.
fn span(payment: &Payment) -> Context {
    let name = match payment.state {
        State::Charging if payment.is_late => "give up charge",
        State::Charging => "charge",
        State::Reversing => "refund",
        State::Ended(_) => "nothing to do",
    };
    let order = payment.message.transaction_id.clone();
    let attributes = vec![
        KeyValue::new("shop.order.id", order),
        KeyValue::new("shop.attempt", i64::from(payment.attempts) + 1),
    ];
    let asked = payment.headers.traceparent.as_deref().and_then(TraceContext::parse);
    traces::span(name, SpanKind::Internal, asked, attributes)
}

/// `failures` before this one.
fn backoff(failures: u32) -> Duration {
    BACKOFF_FIRST.saturating_mul(1 << failures.min(16)).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pause_doubles_up_to_the_longest() {
        let pauses: Vec<u128> = (0..6).map(|failures| backoff(failures).as_millis()).collect();

        assert_eq!(pauses, [200, 400, 800, 1_600, 3_200, 5_000]);
        assert_eq!(backoff(u32::MAX), BACKOFF_MAX);
    }
}
