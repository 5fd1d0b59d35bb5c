//! An event → a row of the caller's transaction.
//!
//! Promises:
//! - the row is there if and only if the transaction commits, with everything else it wrote;
//! - events of one transaction leave in the order they were appended;
//! - what the relay could not publish is refused here, where the transaction can still be rolled back.
//!
//! Not promised: that it is published soon. The relay does that, whenever it runs.

use sqlx::{MySql, Transaction};
use uuid::Uuid;

use crate::{
    Disposition, Event, Headers,
    event::{self, InvalidEvent},
    spans::Creating,
};

/// Kafka's own default for a record is 1,048,588 bytes, with key, headers and framing.
pub const PAYLOAD_BYTES_MAX: usize = 1_000_000;

const INSERT: &str = "insert into outbox (id, aggregatetype, aggregateid, type, payload, \
                      traceparent, correlation_id, causation_id) values (?, ?, ?, ?, ?, ?, ?, ?)";
const DELETE: &str = "delete from outbox where id = ?";

/// What becomes of a row once its transaction has committed. The relay does not mind: it reads the
/// insert from the binlog, and a delete says nothing to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rows {
    /// Kept. The table shows what was written, and tests can look at it; it grows until somebody
    /// deletes what the relay's checkpoint is past.
    #[default]
    Keep,
    /// Deleted in the same transaction: the table is always empty, and nothing is to be pruned. Costs
    /// one more statement now instead of a job later. The binlog is then the only place where an
    /// unpublished event exists: a purge that the relay did not survive loses it.
    DeleteAtOnce,
}

/// Appends events to the table `outbox` of the connection's schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    /// What becomes of the rows.
    pub rows: Rows,
    /// Largest payload, as JSON text; keep it below the topic's `max.message.bytes` with some room
    /// for key and headers. At the limit [`AppendError::PayloadTooLarge`].
    pub payload_bytes_max: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { rows: Rows::default(), payload_bytes_max: PAYLOAD_BYTES_MAX }
    }
}

/// Why no row was written. The transaction is as it was before, unless the database says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// It lacks something, or is too long somewhere.
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    /// Kafka would refuse the record, and the relay would halt on it.
    #[error(
        "the payload of a {event_type} has {bytes} bytes; at most {bytes_max} are allowed: keep large \
         content elsewhere and put a reference into the event, or raise `payload_bytes_max` and the \
         topic's `max.message.bytes`"
    )]
    PayloadTooLarge {
        /// Of the event.
        event_type: String,
        /// As JSON text without blanks, which is how the relay writes it.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The type has a form that JSON does not know, such as a map with keys that are no texts.
    #[error("the event cannot be written as JSON: {0}")]
    NoJson(#[source] serde_json::Error),
    /// MySQL refuses or is gone.
    #[error("MySQL refuses a statement, or is gone: {0}")]
    Database(#[from] sqlx::Error),
}

impl AppendError {
    /// What the caller should do.
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Invalid(_) | Self::PayloadTooLarge { .. } | Self::NoJson(_) => Disposition::Halt,
            Self::Database(_) => Disposition::Retry,
        }
    }
}

impl Outbox {
    /// Writes the event into the transaction and returns its id, a UUIDv7. It takes a
    /// [`Transaction`], not a connection: outside of one there would be no promise to make.
    ///
    /// Where the service has set up OpenTelemetry, the row carries a span of its own, which is below
    /// that of the task; else what `headers` name.
    pub async fn append(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &impl Event,
        headers: &Headers,
    ) -> Result<Uuid, AppendError> {
        let creating = Creating::begin(event, headers);
        let traceparent = creating.traceparent();
        let traceparent = traceparent.as_ref().or(headers.traceparent.as_ref());
        let appended = self.insert(transaction, event, headers, traceparent).await;
        match &appended {
            Ok(event_id) => creating.created(&event_id.to_string()),
            Err(_) => creating.failed(),
        }
        appended
    }

    async fn insert(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &impl Event,
        headers: &Headers,
        traceparent: Option<&String>,
    ) -> Result<Uuid, AppendError> {
        event::check(event)?;
        headers.check()?;
        let payload = self.payload(event)?;
        // Of one process they ascend, so that inserts go to the end of the primary key.
        let event_id = Uuid::now_v7();
        let id_text = event_id.to_string();
        sqlx::query(INSERT)
            .bind(&id_text)
            .bind(event.aggregate_type())
            .bind(event.aggregate_id())
            .bind(event.event_type())
            .bind(payload)
            .bind(traceparent)
            .bind(&headers.correlation_id)
            .bind(&headers.causation_id)
            .execute(&mut **transaction)
            .await?;
        if self.rows == Rows::DeleteAtOnce {
            sqlx::query(DELETE).bind(&id_text).execute(&mut **transaction).await?;
        }
        Ok(event_id)
    }

    fn payload(&self, event: &impl Event) -> Result<String, AppendError> {
        let payload = serde_json::to_string(event).map_err(AppendError::NoJson)?;
        let (bytes, bytes_max) = (payload.len(), self.payload_bytes_max);
        if bytes > bytes_max {
            let event_type = event.event_type().to_owned();
            return Err(AppendError::PayloadTooLarge { event_type, bytes, bytes_max });
        }
        Ok(payload)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize)]
    struct Note(String);

    impl Event for Note {
        fn aggregate_type(&self) -> &str {
            "note"
        }
        fn aggregate_id(&self) -> &str {
            "1"
        }
        fn event_type(&self) -> &str {
            "Noted"
        }
    }

    #[test]
    fn payload_at_the_limit_passes_and_one_byte_more_is_refused_by_name() {
        let outbox = Outbox { payload_bytes_max: 12, ..Outbox::default() };

        assert!(outbox.payload(&Note("x".repeat(10))).is_ok());
        let error = outbox.payload(&Note("x".repeat(11))).unwrap_err();

        assert!(matches!(error, AppendError::PayloadTooLarge { bytes: 13, bytes_max: 12, .. }));
        assert!(error.to_string().contains("of a Noted has 13 bytes"), "{error}");
        assert_eq!(error.disposition(), Disposition::Halt);
    }
}
