//! The recent orders and the stuck ones: one look at the tables for all who watch.
//!
//! Promises: the tables are read once per change and not once per client, at most ten times a second,
//! and not at all while nobody watches; a slow client skips to the newest state.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::{Response, sse::Event},
};
use futures_util::stream;
use rowpost_outbox::{CancellationToken, MySqlPool};
use serde::Serialize;
use shop::ApiError;
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

use super::{
    Changes, Page,
    rows::{self, OrderRow},
    stream::RETRY,
};

/// Changes come in flocks.
const PAUSE: Duration = Duration::from_millis(100);
/// Safety net: for what another order service has moved, and for hints that were lost.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Default)]
pub(super) struct Overview {
    /// JSON. Empty: not looked yet.
    shown: watch::Sender<Arc<str>>,
    newcomer: Arc<Notify>,
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Shown {
    recent: Vec<OrderRow>,
    stuck: Vec<OrderRow>,
}

impl Overview {
    /// Until the service stops.
    pub(super) async fn watch(self, pool: MySqlPool, changes: Changes, stop: CancellationToken) {
        let work = async move {
            let mut hints = changes.listen();
            let mut last = Shown::default();
            loop {
                tokio::select! {
                    // Whatever the hint was, and if it was one too many: look.
                    _ = hints.recv() => {}
                    () = self.newcomer.notified() => {}
                    () = sleep(LOOK_INTERVAL) => {}
                }
                sleep(PAUSE).await;
                // The rest of the flock. ORDER: before the look, which a later hint must follow.
                hints = hints.resubscribe();
                if self.shown.receiver_count() > 0 {
                    self.look(&pool, &changes, &mut last).await;
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = work => {}
        }
    }

    async fn look(&self, pool: &MySqlPool, changes: &Changes, last: &mut Shown) {
        let now = match look(pool).await {
            Ok(now) => now,
            Err(error) => {
                tracing::warn!(%error, "the page's orders cannot be read");
                return;
            }
        };
        if now == *last && !self.shown.borrow().is_empty() {
            return;
        }
        for order in moved(last, &now) {
            changes.tell_of(order);
        }
        match serde_json::to_string(&now) {
            Ok(json) => drop(self.shown.send_replace(json.into())),
            Err(error) => tracing::error!(%error, "the page's orders cannot be written"),
        }
        *last = now;
    }
}

async fn look(pool: &MySqlPool) -> Result<Shown, sqlx::Error> {
    Ok(Shown { recent: rows::recent(pool).await?, stuck: rows::stuck(pool).await? })
}

/// Orders whose own streams may not have heard of it.
fn moved<'s>(before: &Shown, now: &'s Shown) -> Vec<&'s str> {
    let all = |shown: &'s Shown| shown.recent.iter().chain(&shown.stuck);
    let before: HashMap<&str, &OrderRow> =
        before.recent.iter().chain(&before.stuck).map(|row| (&*row.transaction_id, row)).collect();
    all(now)
        .filter(|row| before.get(&*row.transaction_id) != Some(row))
        .map(|row| &*row.transaction_id)
        .collect()
}

/// `GET /page/orders/stream`. Each event is the whole; so a stream that was cut misses nothing.
pub(super) async fn stream(State(page): State<Page>) -> Result<Response, ApiError> {
    let place = page.streams.place()?;
    let mut shown = page.overview.shown.subscribe();
    // What is there already is seen at once.
    shown.mark_changed();
    page.overview.newcomer.notify_one();
    let events = stream::unfold((shown, place), async |(mut shown, place)| {
        loop {
            // Ends with the service.
            shown.changed().await.ok()?;
            let json = Arc::clone(&shown.borrow_and_update());
            if !json.is_empty() {
                let event = Event::default().event("orders").retry(RETRY).data(&*json);
                return Some((event, (shown, place)));
            }
        }
    });
    Ok(page.streams.answer(events))
}
