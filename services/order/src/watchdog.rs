//! Sagas whose step is late → the same message again, or the way back.
//!
//! Promises: it is always safe to remind: a participant acts once and answers as often as it is asked.
//! Several order services may run; each late saga is in the hands of one.

use std::time::Duration;

use rowpost_outbox::{AppendError, CancellationToken, MySqlPool};

use crate::saga::{Deadlines, drive, store};

const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// While the database is away.
const TROUBLE_INTERVAL: Duration = Duration::from_secs(2);

pub(crate) async fn run(pool: MySqlPool, deadlines: Deadlines, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let pause = match remind_one(&pool, deadlines).await {
            Ok(true) => continue,
            Ok(false) => POLL_INTERVAL,
            Err(error) => {
                tracing::warn!(%error, "late sagas cannot be looked after");
                TROUBLE_INTERVAL
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether there was one.
async fn remind_one(pool: &MySqlPool, deadlines: Deadlines) -> Result<bool, AppendError> {
    let mut transaction = pool.begin().await?;
    let Some(saga) = store::locked_late(&mut transaction).await? else { return Ok(false) };
    drive::remind(&mut transaction, saga, deadlines).await?;
    transaction.commit().await?;
    Ok(true)
}
