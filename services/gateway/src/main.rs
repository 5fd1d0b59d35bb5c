//! Stands for the external payment provider: HTTP, an idempotency key, and every way to misbehave.
//!
//! In memory: charges are gone when it ends, as no real provider's would be. What the shop relies on
//! is what providers do promise: the same key is charged once, and gets the same answer.

mod behaviour; // how it misbehaves
mod ledger; // charges by their keys
mod routes; // HTTP

use std::{net::SocketAddr, process::ExitCode};

use clap::Parser;
use shop::{Failure, Life, http, life};

/// The payment provider of the shop, for demonstration and tests. Charges are kept in memory.
#[derive(Debug, Parser)]
#[command(name = "shop-gateway", version, max_term_width = 100)]
struct Cli {
    /// Where to serve HTTP.
    #[arg(long, env = "SHOP_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8070")]
    listen: SocketAddr,
    /// A tracing filter, such as shop_gateway=debug,info.
    #[arg(long, env = "SHOP_LOG", value_name = "FILTER", default_value = "info")]
    log: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    life::exit_code(run(Cli::parse()).await)
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let life = Life::begin(&cli.log)?;
    let router = http::with_defaults(routes::router(), None);
    life.serve(cli.listen, router).await
}
