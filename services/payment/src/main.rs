//! Asks the payment gateway to charge for an order, once, and tells what came of it.
//!
//! ```text
//! message ─▶ handler ─▶ payment row: CHARGING ─▶ worker ─▶ gateway      no transaction is open
//!                                                  │                    while the gateway is asked
//!                                                  ▼
//!                        one transaction: COMPLETE or REFUSED, and the event
//! ```
//!
//! A crash leaves the row as it was, or with a lease that runs out: another worker asks the gateway
//! again, which knows the order by its idempotency key. When its answer is not to be had until the
//! deadline, the charge may or may not have been made; then it is reversed under the same key, for as
//! long as that takes, and only then called off.

mod answer; // an outcome → topic and status
mod gateway; // HTTP
mod handler; // messages → work
mod payment; // the table
mod worker; // work → the gateway → outcomes

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::Router;
use clap::Parser;
use shop::{Failure, Life, Settings, Topic, consume, database, http, life};

use crate::{gateway::Gateway, handler::Payments, worker::Worker};

/// The payment service of the shop.
#[derive(Debug, Parser)]
#[command(name = "shop-payment", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    /// The payment gateway.
    #[arg(long, env = "SHOP_GATEWAY", value_name = "URL", default_value = "http://127.0.0.1:8070")]
    gateway: String,
    /// Longest wait for one answer of the gateway.
    #[arg(long, env = "SHOP_GATEWAY_TIMEOUT", value_name = "TIME", default_value = "2s",
          value_parser = humantime::parse_duration)]
    gateway_timeout: Duration,
    /// How long the gateway is asked to charge, before the charge is reversed.
    #[arg(long, env = "SHOP_CHARGE_DEADLINE", value_name = "TIME", default_value = "30s",
          value_parser = humantime::parse_duration)]
    charge_deadline: Duration,
    /// Where to serve health.
    #[arg(long, env = "SHOP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8100")]
    listen: SocketAddr,
    /// A tracing filter, such as shop_payment=debug,info.
    #[arg(long, env = "SHOP_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// The service's own, as sql/shop/payment makes them.
const TABLES: [&str; 1] = ["payment"];

#[tokio::main]
async fn main() -> ExitCode {
    life::exit_code(run(Cli::parse()).await)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { settings, gateway, gateway_timeout, charge_deadline, listen, log } = cli;
    let mut life = Life::begin(&log)?;
    let gateway = Gateway::new(&gateway, gateway_timeout)?;
    let pool = database::connect(&settings.mysql_url, &TABLES).await?;
    consume::spawn_pruner(&mut life, &settings, &pool)?;
    let handler = Payments { topic_prefix: settings.topic_prefix.clone(), charge_deadline };
    let topics = [Topic::Payment, Topic::PaymentCommands];
    consume::spawn(&mut life, &settings, &pool, "payment", &topics, handler)?;
    let worker = Worker::new(pool.clone(), gateway);
    let stop = life.stop();
    life.spawn(async move {
        worker.run(stop).await;
        Ok(())
    });
    life.serve(listen, http::with_defaults(Router::new(), Some(pool))).await
}
