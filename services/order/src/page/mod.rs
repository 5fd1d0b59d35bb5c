//! The page at `/`: a person places an order and sees its saga's steps arrive.
//!
//! | request | answers |
//! | --- | --- |
//! | `GET /`, `/page/….css`, `/page/….js` | the page; it needs nothing from elsewhere |
//! | `GET /page/settings` | the style of new orders, and what of the below is configured |
//! | `GET /page/orders/stream` | server-sent: the recent orders and the stuck ones, whenever they change |
//! | `GET /v1/order/{id}/events/stream` | server-sent: an order's events, one by one, and where it stands |
//! | `GET /page/inventory` | the inventory's `GET /v1/inventory` |
//! | `GET`, `PUT /page/gateway` | the gateway's `/v1/behaviour` |
//!
//! Promises: a stream that was cut goes on behind the last event that arrived; a client that does not
//! read holds a bounded amount of memory and no database connection; streams end with the service.
//!
//! ```text
//! consumers ─ after the commit ─▶ Changes ─▶ streams of single orders ─▶ their rows
//!                                    │  ▲
//!                                    ▼  └── what other order services have moved
//!                        overview: one look at the tables for all who watch
//! ```

mod assets; // the files
mod changes; // "look again"
mod elsewhere; // the inventory and the gateway, passed on
mod overview; // recent and stuck orders, for all who watch
mod rows; // an order as the page shows it
mod story; // one order, event by event
mod stream; // what the streams have in common

use axum::{Json, Router, extract::State, routing::get};
use rowpost_outbox::MySqlPool;
use serde::Serialize;
use shop::{Failure, Life, Style};

pub(crate) use self::{changes::Changes, elsewhere::Elsewhere};
use self::{elsewhere::Upstream, overview::Overview, stream::Streams};

/// What its requests need.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pool: MySqlPool,
    style: Style,
    changes: Changes,
    overview: Overview,
    streams: Streams,
    upstream: Upstream,
}

#[derive(Debug, Serialize)]
struct Settings {
    style: Style,
    has_inventory: bool,
    has_gateway: bool,
}

impl Page {
    /// Begins to look after the overview.
    pub(crate) fn open(
        life: &mut Life,
        pool: MySqlPool,
        changes: Changes,
        style: Style,
        elsewhere: &Elsewhere,
    ) -> Result<Self, Failure> {
        let upstream = Upstream::new(elsewhere)?;
        let (overview, streams) = (Overview::default(), Streams::until(life.stop()));
        let watching = overview.clone().watch(pool.clone(), changes.clone(), life.stop());
        life.spawn(async move {
            watching.await;
            Ok(())
        });
        Ok(Self { pool, style, changes, overview, streams, upstream })
    }

    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/page/settings", get(settings))
            .route("/page/orders/stream", get(overview::stream))
            .route("/v1/order/{transaction_id}/events/stream", get(story::stream))
            .route("/page/inventory", get(elsewhere::inventory))
            .route("/page/gateway", get(elsewhere::behaviour).put(elsewhere::behave))
            .with_state(self)
            .merge(assets::router())
    }
}

async fn settings(State(page): State<Page>) -> Json<Settings> {
    let (has_inventory, has_gateway) = page.upstream.is_configured();
    Json(Settings { style: page.style, has_inventory, has_gateway })
}
