//! Running servers and a relay's binary → a story on the terminal that ends with its verdicts: what the
//! relay has done with rows, and what the shop with orders.
//!
//! Promises:
//! - nothing is played: writers, relay, servers and consumer are those of the tests;
//! - the verdicts rest on what is read in the end (every topic from its beginning, stock, charges), not on
//!   what was shown;
//! - relay and services die with this process.
//!
//! Not promised: a measurement. Everything shares one machine, and the relay is built for a quick
//! first run.

mod closing; // the relay stopped, everything read again, the verdict

mod insert; // one row by hand

mod keep; // what is to go on after the run

mod load; // many rows, and the relay killed in the middle

mod phases; // latencies before, across and after the kill

mod shop; // orders through the services, in both styles of saga

mod singly; // one row at a time

mod stage; // tables, topics, relay, consumer

mod tail; // records as they arrive

mod text; // numbers and lines for people

mod track; // commits and arrivals → latencies

mod verdict; // the one line

use std::path::PathBuf;

use anyhow::Result;

pub use self::insert::{Insert, insert};
use self::stage::Stage;
use crate::{Setup, shop::Style};

/// The database whose table `outbox` is written.
pub const DATABASE: &str = "demo";

/// Servers that are there already.
#[derive(Debug, Clone)]
pub struct Servers {
    pub setup: Setup,
    /// As root.
    pub mysql_url: String,
    pub kafka: String,
}

/// One run of the demo.
#[derive(Debug)]
pub struct Run {
    pub servers: Servers,
    /// The binary `rowpost`.
    pub relay: PathBuf,
    /// How long the writers write under load.
    pub seconds: u32,
    /// Rows that they write in a second.
    pub rate: u32,
    /// Where to write down how to start what shall go on.
    pub keep_in: Option<PathBuf>,
    /// Each style of saga in which orders are led through the shop.
    pub styles: Vec<Style>,
}

/// Tells the story; true when the verdict is good.
pub async fn run(run: &Run) -> Result<bool> {
    let mut stage = Stage::set(run).await?;
    let singly = singly::show(&mut stage).await?;
    let load = load::show(&mut stage, run).await?;
    let relay = stage.relay.config().clone();
    let is_good = closing::judge(stage, &singly, load).await?;
    let (shop, is_shop_good) = shop::show(run).await?;
    if let Some(folder) = &run.keep_in {
        keep::write(folder, &run.relay, relay, shop.as_ref())?;
    }
    Ok(is_good && is_shop_good)
}
