//! Takes orders, and sees to it that each comes to its end.
//!
//! ```text
//! POST /v1/order ─▶ one transaction: order, saga, outbox row ─▶ the other services
//!                                                                     │
//!            order and saga ◀── handler ◀── topics `order`, replies ◀─┘
//!                  ▲
//!                  └── watchdog: deadlines     desk: retried or compensated by hand
//!
//! each status of an order ─▶ outbox row ─▶ topic `shop.order.status` ─▶ view ─▶ GET /v1/order
//! ```

mod desk; // a person's way to a saga
mod event_log; // who did what, in order
mod handler; // what the other services tell
mod orders; // the table of orders
mod page; // for a person: orders, and their sagas live
mod request; // a client's order → a message
mod routes; // HTTP for clients
mod saga; // where an order stands, and what comes next
mod view; // orders in DynamoDB, for reading
mod watchdog; // what is late

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Parser;
use shop::{Failure, Life, Settings, Style, Topic, consume, database, http, life};

use crate::{
    event_log::EventLog,
    handler::Orders,
    page::{Changes, Elsewhere, Page},
    saga::Deadlines,
    view::{View, ViewSettings},
};

/// The order service of the shop.
#[derive(Debug, Parser)]
#[command(name = "shop-order", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    view: ViewSettings,
    /// How new orders are led through the services. Those that are on their way keep their style.
    #[arg(long, env = "SHOP_SAGA", value_enum, default_value = "choreography")]
    saga: Style,
    /// How long one step may take before it is asked for again.
    #[arg(long, env = "SHOP_STEP_DEADLINE", value_name = "TIME", default_value = "10s",
          value_parser = humantime::parse_duration)]
    step_deadline: Duration,
    /// How long an order may take before it is cancelled. Longer than the payment service's
    /// --charge-deadline, which gives a better reason.
    #[arg(long, env = "SHOP_SAGA_DEADLINE", value_name = "TIME", default_value = "5min",
          value_parser = humantime::parse_duration)]
    saga_deadline: Duration,
    #[command(flatten)]
    elsewhere: Elsewhere,
    /// Where to serve HTTP.
    #[arg(long, env = "SHOP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// A tracing filter, such as shop_order=debug,info.
    #[arg(long, env = "SHOP_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// The service's own, as sql/shop/order makes them.
const TABLES: [&str; 4] = ["customer_order", "item", "saga", "event_log"];

#[tokio::main]
async fn main() -> ExitCode {
    life::exit_code(run(Cli::parse()).await)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { settings, view, saga: style, step_deadline, saga_deadline, elsewhere, listen, log } =
        cli;
    let mut life = Life::begin(&log)?;
    let deadlines = Deadlines { step: step_deadline, saga: saga_deadline };
    let pool = database::connect(&settings.mysql_url, &TABLES).await?;
    consume::spawn_pruner(&mut life, &settings, &pool)?;
    let topic_prefix = settings.topic_prefix.clone();
    let changes = Changes::default();
    let orders = Orders { topic_prefix: topic_prefix.clone(), deadlines, changes: changes.clone() };
    let told = [Topic::Order, Topic::OrderReplies];
    consume::spawn(&mut life, &settings, &pool, "order", &told, orders)?;
    let log = EventLog { topic_prefix, deadlines, changes: changes.clone() };
    consume::spawn(&mut life, &settings, &pool, "order-log", &Topic::ALL, log)?;
    let (watched, stop) = (pool.clone(), life.stop());
    life.spawn(async move {
        watchdog::run(watched, deadlines, stop).await;
        Ok(())
    });
    let page = Page::open(&mut life, pool.clone(), changes, style, &elsewhere)?;
    let view = View::start(&mut life, &settings, &view)?;
    let taking = routes::Taking { pool: pool.clone(), style, deadlines, view: view.clone() };
    let router = routes::router(taking)
        .merge(event_log::router(pool.clone()))
        .merge(desk::router(pool.clone(), deadlines))
        .merge(page.router());
    let also = move || view::readiness(view.clone());
    life.serve(listen, http::with_defaults_and(router, Some(pool), also)).await
}
