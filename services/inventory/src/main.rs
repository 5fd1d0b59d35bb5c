//! Keeps the stock: reserves it for orders, and takes it back.

mod handler; // messages → answers
mod routes; // HTTP
mod stock; // the tables

use std::{net::SocketAddr, process::ExitCode};

use clap::Parser;
use shop::{Failure, Life, Settings, Topic, consume, database, http, life};

use crate::handler::Inventory;

/// The inventory of the shop.
#[derive(Debug, Parser)]
#[command(name = "shop-inventory", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    settings: Settings,
    /// Where to serve HTTP.
    #[arg(long, env = "SHOP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// A tracing filter, such as shop_inventory=debug,info.
    #[arg(long, env = "SHOP_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

/// The service's own, as sql/shop/inventory makes them.
const TABLES: [&str; 3] = ["inventory", "inventory_history", "reservation"];

#[tokio::main]
async fn main() -> ExitCode {
    life::exit_code(run(Cli::parse()).await)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let Cli { settings, listen, log } = cli;
    let mut life = Life::begin(&log)?;
    let pool = database::connect(&settings.mysql_url, &TABLES).await?;
    consume::spawn_pruner(&mut life, &settings, &pool)?;
    let handler = Inventory { topic_prefix: settings.topic_prefix.clone() };
    let topics = [Topic::Inventory, Topic::InventoryCommands];
    consume::spawn(&mut life, &settings, &pool, "inventory", &topics, handler)?;
    life.serve(listen, http::with_defaults(routes::router(pool.clone()), Some(pool))).await
}
