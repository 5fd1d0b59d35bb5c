//! `GET /v1/order/{transaction_id}/events/stream`: an order's events, one by one, as they are logged.
//!
//! | event | data | id |
//! | --- | --- | --- |
//! | `step` | a line of `GET /v1/order/{transaction_id}/events` | for `Last-Event-ID` |
//! | `order` | where the order stands, whenever that has changed | |
//! | `end` | nothing; it has ended, and all has been said | |
//!
//! Promises: every event comes at least once, and after a cut only what had not come. Ids of rows are
//! given before their commits, so a row may appear below one that was sent: the id in the stream is
//! `rows sent`-`highest row`, and where the two do not fit any more all comes again. A step has an
//! `event_id` by which it is known.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{Response, sse::Event},
};
use futures_util::stream;
use rowpost_outbox::MySqlPool;
use shop::ApiError;
use tokio::{
    sync::{OwnedSemaphorePermit, broadcast},
    time::{Instant, sleep_until},
};

use super::{
    Page,
    rows::{self, OrderRow},
    stream::RETRY,
};
use crate::event_log::{self, Logged};

/// Without a hint, each look is followed by one after twice the time: for what came over another
/// order service.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(15);

/// The log's last event may come after the order's end; when it has been quiet for so long, all was
/// said.
const QUIET: Duration = Duration::from_secs(5);

struct Story {
    pool: MySqlPool,
    transaction_id: String,
    hints: broadcast::Receiver<Arc<str>>,
    /// Rows that the client has.
    sent: HashSet<i64>,
    order: Option<OrderRow>,
    pending: VecDeque<Event>,
    pause: Duration,
    look_at: Instant,
    changed_at: Instant,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

pub(super) async fn stream(
    State(page): State<Page>,
    Path(transaction_id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let place = page.streams.place()?;
    // ORDER: listen first, so that nothing falls between the first look and the first hint.
    let hints = page.changes.listen();
    if rows::one(&page.pool, &transaction_id).await?.is_none() {
        return Err(ApiError::new(StatusCode::NOT_FOUND, "data not found"));
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let sent = match last.and_then(parse) {
        Some(last) => {
            let log = event_log::of_order(&page.pool, &transaction_id).await?;
            known(&log.iter().map(|step| step.id).collect::<Vec<_>>(), last)
        }
        None => HashSet::new(),
    };
    let now = Instant::now();
    let story = Story {
        pool: page.pool,
        transaction_id,
        hints,
        sent,
        order: None,
        pending: VecDeque::from([Event::default().retry(RETRY)]),
        pause: FIRST_PAUSE,
        look_at: now,
        changed_at: now,
        is_over: false,
        _place: place,
    };
    let events = stream::unfold(story, async |mut story| {
        let event = story.next().await?;
        Some((event, story))
    });
    Ok(page.streams.answer(events))
}

impl Story {
    /// Cancel safe between events: what was taken from the tables is pending.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            tokio::select! {
                () = sleep_until(self.look_at) => {}
                hint = self.hints.recv() => match hint {
                    Ok(order) if *order != *self.transaction_id => continue,
                    Ok(_) => self.pause = FIRST_PAUSE,
                    // Too many to listen to: ours may have been among them.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
            }
            if let Err(error) = self.look().await {
                tracing::warn!(%error, order = self.transaction_id, "a story cannot be read");
            }
            self.look_at = Instant::now() + self.pause;
            self.pause = (self.pause * 2).min(LAST_PAUSE);
        }
    }

    async fn look(&mut self) -> Result<(), sqlx::Error> {
        // ORDER: first where it stands. What the log has by then belongs to no later state.
        let order = rows::one(&self.pool, &self.transaction_id).await?;
        let log = event_log::of_order(&self.pool, &self.transaction_id).await?;
        for step in log {
            if self.sent.insert(step.id) {
                self.push_step(&step);
            }
        }
        if order != self.order
            && let Some(row) = &order
        {
            self.push(Event::default().event("order").json_data(row));
            self.changed_at = Instant::now();
        }
        let has_ended = order.as_ref().is_some_and(OrderRow::has_ended);
        self.order = order;
        if has_ended && self.changed_at.elapsed() >= QUIET {
            self.pending.push_back(Event::default().event("end").data("{}"));
            self.is_over = true;
        }
        Ok(())
    }

    fn push_step(&mut self, step: &Logged) {
        let highest = self.sent.iter().copied().max().unwrap_or_default();
        let id = format!("{}-{highest}", self.sent.len());
        self.push(Event::default().event("step").id(id).json_data(step));
        self.changed_at = Instant::now();
    }

    fn push(&mut self, event: Result<Event, axum::Error>) {
        match event {
            Ok(event) => self.pending.push_back(event),
            Err(error) => tracing::error!(%error, "an event of a story cannot be written"),
        }
    }
}

fn parse(id: &str) -> Option<(usize, i64)> {
    let (count, highest) = id.split_once('-')?;
    Some((count.parse().ok()?, highest.parse().ok()?))
}

/// Which rows the client has, by the id of the last event that it got. None, if a row has come up
/// below it since.
fn known(rows: &[i64], (count, highest): (usize, i64)) -> HashSet<i64> {
    let known: HashSet<i64> = rows.iter().copied().filter(|row| *row <= highest).collect();
    if known.len() == count { known } else { HashSet::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resumed_stream_goes_on_behind_the_last_event() {
        let rows = [3, 5, 9];

        assert_eq!(known(&rows, (2, 5)), HashSet::from([3, 5]));
        assert_eq!(known(&rows, (3, 9)), HashSet::from([3, 5, 9]));
    }

    #[test]
    fn row_that_came_up_below_the_last_event_is_not_lost() {
        assert_eq!(known(&[3, 4, 5], (2, 5)), HashSet::new());
    }

    #[test]
    fn id_of_another_kind_is_none() {
        assert_eq!(parse("2-5"), Some((2, 5)));
        for id in ["", "5", "-", "a-1", "1-b", "-1-2"] {
            assert_eq!(parse(id), None, "{id}");
        }
    }
}
