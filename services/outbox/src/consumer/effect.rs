//! A delivery → its effect: in MySQL behind the inbox, or elsewhere without one.
//!
//! Promises: an effect in MySQL comes once. One elsewhere comes at least once, in the order of its
//! partition; that it does no harm when it comes twice is the [`Projection`]'s own promise.

use std::time::Duration;

use sqlx::MySqlPool;

use crate::{Handler, HandlerError, Outcome, Received, inbox};

/// A database that takes longer to say that it is there counts as away.
const DATABASE_ANSWER_MAX: Duration = Duration::from_secs(5);

/// Brings a store that is not the service's MySQL up to what an event says: a read model, a search
/// index, a cache.
///
/// No transaction covers both that store and an inbox, so there is no inbox: the store itself must know
/// what is new. Give the events a version that only goes up, and write on the condition that the
/// store's is lower; then a delivery that comes twice, late or once more from the beginning changes
/// nothing that it should not.
pub trait Projection: Send + Sync {
    /// `Ok` once the store has it, or has something newer. [`HandlerError::Unavailable`] where the store
    /// is away or takes no more for now; [`HandlerError::Permanent`] where the event is at fault.
    fn project(&self, event: &Received) -> impl Future<Output = Result<(), HandlerError>> + Send;
}

/// What a [`Consumer`](super::Consumer) does with a delivery; the library's own two kinds.
pub trait Effect: Send + Sync + sealed::Sealed {
    /// One attempt.
    fn process(
        &self,
        consumer: &str,
        event: &Received,
    ) -> impl Future<Output = Result<Outcome, HandlerError>> + Send;

    /// Whether the failure of an attempt is to be blamed on the event, not on the database.
    fn is_at_hand(&self) -> impl Future<Output = bool> + Send;
}

mod sealed {
    pub trait Sealed {}
    impl<H> Sealed for super::Inboxed<H> {}
    impl<P> Sealed for super::Elsewhere<P> {}
}

/// A [`Handler`]'s, in one transaction with the inbox row.
#[derive(Debug)]
pub struct Inboxed<H> {
    pub(super) pool: MySqlPool,
    pub(super) handler: H,
}

impl<H: Handler> Effect for Inboxed<H> {
    async fn process(&self, consumer: &str, event: &Received) -> Result<Outcome, HandlerError> {
        inbox::process(&self.pool, consumer, &self.handler, event).await
    }

    async fn is_at_hand(&self) -> bool {
        let asked = sqlx::query("select 1").execute(&self.pool);
        matches!(tokio::time::timeout(DATABASE_ANSWER_MAX, asked).await, Ok(Ok(_)))
    }
}

/// A [`Projection`]'s.
#[derive(Debug)]
pub struct Elsewhere<P> {
    pub(super) projection: P,
}

impl<P: Projection> Effect for Elsewhere<P> {
    async fn process(&self, _consumer: &str, event: &Received) -> Result<Outcome, HandlerError> {
        self.projection.project(event).await?;
        Ok(Outcome::Processed)
    }

    /// The projection itself has said what is not the event's fault.
    async fn is_at_hand(&self) -> bool {
        true
    }
}
