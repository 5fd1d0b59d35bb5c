//! Old rows: which, and away with them, a few at a time.
//!
//! Promises:
//! - a transaction deletes no more than a batch;
//! - a handler that has its transaction open does not wait for it, nor it for the handler: rows are
//!   looked for without locks and deleted one by one.

use std::time::{Duration, SystemTime};

use sqlx::MySqlPool;

/// Keys that are read at once, and deleted in batches of fewer.
pub(super) const KEYS_MAX: u32 = 10_000;

/// Outbox rows whose ids are older than `retention`, oldest first. The table has no index by time: the
/// ids have it, being UUIDv7.
pub(super) async fn old_outbox_ids(
    pool: &MySqlPool,
    retention: Duration,
) -> Result<Vec<String>, sqlx::Error> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    sqlx::query_scalar("select id from outbox where id < ? order by id limit ?")
        .bind(first_id_at(now.saturating_sub(retention)))
        .bind(KEYS_MAX)
        .fetch_all(pool)
        .await
}

/// What every UUIDv7 of this millisecond and later is larger than, as text.
fn first_id_at(since_epoch: Duration) -> String {
    let milliseconds = since_epoch.as_millis();
    format!("{:08x}-{:04x}-", milliseconds >> 16, milliseconds & 0xffff)
}

/// The consumer and the event id of inbox rows that are older than `retention`, oldest first.
pub(super) async fn old_inbox_keys(
    pool: &MySqlPool,
    retention: Duration,
) -> Result<Vec<(String, String)>, sqlx::Error> {
    sqlx::query_as(
        "select consumer, event_id from inbox \
         where processed_at < now(6) - interval ? second order by processed_at limit ?",
    )
    .bind(retention.as_secs())
    .bind(KEYS_MAX)
    .fetch_all(pool)
    .await
}

// SERVER: one row to a statement, by its whole primary key, locks that row and nothing else. For a list
// of keys the server may choose to read the table or a part of it instead, `force index` or not, and
// then waits at every row that somebody has just inserted.

pub(super) async fn delete_outbox(pool: &MySqlPool, ids: &[String]) -> Result<u64, sqlx::Error> {
    let (mut transaction, mut deleted) = (pool.begin().await?, 0);
    for id in ids {
        let delete = sqlx::query("delete from outbox where id = ?").bind(id);
        deleted += delete.execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    Ok(deleted)
}

pub(super) async fn delete_inbox(
    pool: &MySqlPool,
    keys: &[(String, String)],
) -> Result<u64, sqlx::Error> {
    let (mut transaction, mut deleted) = (pool.begin().await?, 0);
    for (consumer, event_id) in keys {
        let delete = sqlx::query("delete from inbox where consumer = ? and event_id = ?");
        let delete = delete.bind(consumer).bind(event_id);
        deleted += delete.execute(&mut *transaction).await?.rows_affected();
    }
    transaction.commit().await?;
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use uuid::{NoContext, Timestamp, Uuid};

    use super::*;

    #[test]
    fn bound_lies_between_ids_of_its_millisecond_and_older_ones() {
        let at = Duration::from_millis(0x0198_abcd_ef12);
        let id = |at: Duration| {
            let timestamp = Timestamp::from_unix(NoContext, at.as_secs(), at.subsec_nanos());
            Uuid::new_v7(timestamp).to_string()
        };

        for _ in 0..100 {
            assert!(first_id_at(at) < id(at));
            assert!(id(at - Duration::from_millis(1)) < first_id_at(at));
        }
    }
}
