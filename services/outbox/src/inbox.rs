//! A received event → its effect, once.
//!
//! Promises:
//! - inbox row, effect and outgoing outbox rows are one transaction: all are there or none;
//! - of several deliveries of one event id, also at the same moment on two machines, one has an
//!   effect.
//!
//! Not promised: effects outside of the database. A call to another service may be made twice; give it
//! the event id as its idempotency key. What only keeps a store elsewhere up to date needs no inbox: it
//! is a [`Projection`](crate::Projection).

use std::error::Error;

use sqlx::{MySql, MySqlPool, Transaction};

use crate::{AppendError, Disposition, Received};

/// Longest name of a consumer.
pub const CONSUMER_CHARS_MAX: usize = 100;

const INSERT: &str = "insert into inbox (consumer, event_id) values (?, ?)";

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was new, and its effect is committed.
    Processed,
    /// It had been processed before; nothing was written.
    Duplicate,
}

/// What a service does about an event.
pub trait Handler: Send + Sync {
    /// Writes the effect, and with [`Outbox::append`](crate::Outbox::append) what follows from it,
    /// into `transaction`, which is committed once this has returned `Ok`. An event of no concern is
    /// `Ok` without a write.
    ///
    /// Every error of the database must be returned: after a deadlock the server has rolled back all
    /// that was written, and what a handler wrote on would be committed alone.
    fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> impl Future<Output = Result<(), HandlerError>> + Send;

    /// Called after the commit of what `handle` has written: for hints to parts of the same process,
    /// such as "look again". A crash between the two loses it, so nothing may rest on it.
    fn committed(&self, event: &Received) {
        let _is_of_no_concern = event;
    }
}

/// Why an event has had no effect.
#[derive(Debug, thiserror::Error)]
pub enum HandlerError {
    /// It may pass: a deadlock, a service that does not answer. The event is delivered again.
    #[error("{0}")]
    Transient(#[source] Box<dyn Error + Send + Sync>),
    /// Not the event's fault: what its effect needs is away, or takes no more for now. The event is
    /// delivered again as often as it takes, and is never a dead letter for it.
    #[error("{0}")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// It will not: the event cannot be read, or means nothing here. It goes to the dead letters at
    /// once.
    #[error("{0}")]
    Permanent(#[source] Box<dyn Error + Send + Sync>),
}

impl HandlerError {
    /// For a text or any error.
    pub fn transient(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Transient(reason.into())
    }

    /// For a text or any error.
    pub fn unavailable(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(reason.into())
    }

    /// For a text or any error.
    pub fn permanent(reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Permanent(reason.into())
    }

    /// What the consumer does.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Transient(_) | Self::Unavailable(_) => Disposition::Retry,
            Self::Permanent(_) => Disposition::Halt,
        }
    }

    /// Whether a failed attempt may be one of those after which the event is given up.
    pub(crate) fn may_be_the_events_fault(&self) -> bool {
        match self {
            Self::Transient(_) | Self::Permanent(_) => true,
            Self::Unavailable(_) => false,
        }
    }
}

impl From<sqlx::Error> for HandlerError {
    /// Transient, whatever it is: most are, and the retry limit ends the others.
    fn from(error: sqlx::Error) -> Self {
        Self::Transient(error.into())
    }
}

impl From<serde_json::Error> for HandlerError {
    fn from(error: serde_json::Error) -> Self {
        Self::Permanent(error.into())
    }
}

impl From<AppendError> for HandlerError {
    fn from(error: AppendError) -> Self {
        match error.disposition() {
            Disposition::Retry => Self::Transient(error.into()),
            Disposition::Halt => Self::Permanent(error.into()),
        }
    }
}

/// One transaction: the inbox row, and if it is new, what the handler writes.
///
/// `consumer` has at most [`CONSUMER_CHARS_MAX`] ASCII characters.
pub async fn process(
    pool: &MySqlPool,
    consumer: &str,
    handler: &impl Handler,
    event: &Received,
) -> Result<Outcome, HandlerError> {
    let mut transaction = pool.begin().await?;
    let outcome = admit(&mut transaction, consumer, &event.event_id).await?;
    match outcome {
        Outcome::Processed => {
            handler.handle(&mut transaction, event).await?;
            // Lost on the way, its answer may hide a commit: the next delivery finds the row.
            transaction.commit().await?;
            handler.committed(event);
        }
        Outcome::Duplicate => transaction.rollback().await?,
    }
    Ok(outcome)
}

/// Inserts the inbox row: `Processed` if there was none, and the caller is to write the effect into
/// the same transaction. For services that have a loop of their own; else [`process`].
///
/// It waits while another transaction has the same event in hand, and answers as that one ends.
pub async fn admit(
    transaction: &mut Transaction<'_, MySql>,
    consumer: &str,
    event_id: &str,
) -> Result<Outcome, sqlx::Error> {
    // Not `insert ignore`, which takes every other fault of the row for a warning too.
    let inserted =
        sqlx::query(INSERT).bind(consumer).bind(event_id).execute(&mut **transaction).await;
    match inserted {
        Ok(_) => Ok(Outcome::Processed),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(Outcome::Duplicate),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_database_are_tried_again_and_those_of_the_event_are_not() {
        let gone = HandlerError::from(sqlx::Error::PoolTimedOut);
        let unreadable = HandlerError::from(Received::at("order", 0, 0).json::<u32>().unwrap_err());
        let too_large = HandlerError::from(AppendError::PayloadTooLarge {
            event_type: "Noted".to_owned(),
            bytes: 2,
            bytes_max: 1,
        });
        let append_gone = HandlerError::from(AppendError::Database(sqlx::Error::PoolTimedOut));

        let throttled = HandlerError::unavailable("too many requests");

        assert_eq!(gone.disposition(), Disposition::Retry);
        assert_eq!(throttled.disposition(), Disposition::Retry);
        assert!(gone.may_be_the_events_fault() && !throttled.may_be_the_events_fault());
        assert_eq!(append_gone.disposition(), Disposition::Retry);
        assert_eq!(unreadable.disposition(), Disposition::Halt);
        assert_eq!(too_large.disposition(), Disposition::Halt);
    }
}
