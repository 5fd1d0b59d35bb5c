//! A saga moves: its row, its order, and the message that follows, in the caller's transaction.

use std::time::Duration;

use rowpost_outbox::{AppendError, Headers, MySql, Transaction};
use shop::{Message, Style, consume};

use super::{Deadlines, Progress, store, store::Saga};
use crate::{orders, view};

/// Longest pause between two attempts at a step that gets no reply, in step deadlines.
const PAUSE_MAX: u32 = 8;

/// Whether somebody still has to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// The orchestrator, or whoever tries again.
    Next,
    /// In the choreography the services tell each other.
    Nobody,
}

/// To `progress`, by a message that a participant has sent.
pub(crate) async fn advance(
    transaction: &mut Transaction<'_, MySql>,
    saga: Saga,
    progress: Progress,
    message: &Message,
    headers: &Headers,
    deadlines: Deadlines,
) -> Result<(), AppendError> {
    let tell = match saga.style {
        Style::Choreography => Tell::Nobody,
        Style::Orchestration => Tell::Next,
    };
    // What the step has added is kept, and why it turned back.
    let mut known = saga.message;
    known.payment = message.payment.clone().or(known.payment);
    if progress != Progress::Complete {
        known = known.with_reason(message.reason.as_deref());
    }
    let saga = Saga { progress, message: known, late: 0, ..saga };
    write(transaction, saga, deadlines.step, tell, headers).await
}

/// Once more, because a deadline has passed: the same, or backwards.
pub(crate) async fn remind(
    transaction: &mut Transaction<'_, MySql>,
    saga: Saga,
    deadlines: Deadlines,
) -> Result<(), AppendError> {
    let back = saga.progress.turned_back().filter(|_| saga.is_past_deadline);
    let saga = match back {
        Some(progress) => {
            let message =
                saga.message.with_reason(Some("the order has not come to its end in time"));
            Saga { progress, message, ..saga }
        }
        None => saga,
    };
    let doublings = saga.late.min(PAUSE_MAX);
    let pause = deadlines.step.saturating_mul((1 << doublings).min(PAUSE_MAX));
    let saga = Saga { late: saga.late.saturating_add(1), ..saga };
    again(transaction, saga, pause).await
}

/// By hand: what is in progress is asked for again.
pub(crate) async fn retry(
    transaction: &mut Transaction<'_, MySql>,
    saga: Saga,
    deadlines: Deadlines,
) -> Result<(), AppendError> {
    again(transaction, saga, deadlines.step).await
}

/// By hand: it is given up. `saga.progress` was turned back.
pub(crate) async fn compensate(
    transaction: &mut Transaction<'_, MySql>,
    saga: Saga,
    reason: &str,
    deadlines: Deadlines,
) -> Result<(), AppendError> {
    let message = saga.message.with_reason(Some(reason));
    again(transaction, Saga { message, late: 0, ..saga }, deadlines.step).await
}

async fn again(
    transaction: &mut Transaction<'_, MySql>,
    saga: Saga,
    due_in: Duration,
) -> Result<(), AppendError> {
    let headers = Headers::of_process(&saga.message.transaction_id);
    write(transaction, saga, due_in, Tell::Next, &headers).await
}

async fn write(
    transaction: &mut Transaction<'_, MySql>,
    saga: Saga,
    due_in: Duration,
    tell: Tell,
    headers: &Headers,
) -> Result<(), AppendError> {
    let Saga { style, progress, message, late, .. } = &saga;
    store::update(transaction, &saga, due_in).await?;
    if let Some(status) = progress.order_status()
        && orders::end(transaction, &message.transaction_id, status).await?
    {
        view::tell(transaction, &message.transaction_id, headers).await?;
    }
    if tell == Tell::Next
        && let Some((topic, outgoing)) = progress.outgoing(*style, message)
    {
        consume::append_with(transaction, topic, &outgoing, headers).await?;
    }
    let order = &message.transaction_id;
    tracing::info!(order, ?progress, late, reason = message.reason.as_deref(), "saga");
    Ok(())
}
