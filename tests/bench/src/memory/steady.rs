//! A relay under load for a while, and then without any.

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::{
    delivery::Delivery,
    latency::{Load, load_until, start_writers},
    progress::Step,
    stand::{self, Stand},
};

const COMMITS_PER_SECOND: u32 = 1_000;
/// For what the last commits leave behind: their batch, the last checkpoint.
const SETTLE_SECONDS: u64 = 5;
const KAFKA_CATCHES_UP: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Serialize)]
pub(super) struct Steady {
    pub(super) commits_per_second: u32,
    pub(super) seconds: u64,
    pub(super) cpu_percent: f64,
    pub(super) resident_bytes: u64,
    pub(super) resident_bytes_peak: u64,
    pub(super) idle_seconds: u64,
    pub(super) idle_cpu_percent: f64,
    pub(super) idle_resident_bytes: u64,
}

pub(super) async fn run(stand: &Stand, seconds: u64, idle_seconds: u64) -> Result<Steady> {
    let database = stand.database("steady").await?;
    let target = stand.target("steady").await?;
    let relay = stand.ready_relay(&database, &target, Delivery::ExactlyOnce).await?;
    let watched = stand.watch(relay.id().context("the relay has ended")?).await?;
    let load = Load {
        delivery: Delivery::ExactlyOnce,
        commits_per_second: COMMITS_PER_SECOND,
        seconds,
        warm_up_seconds: 0,
    };

    let writers = start_writers(stand, &database, load, None)?;
    let what = format!("steady: {COMMITS_PER_SECOND} commits/s");
    let busy = load_until(&what, load, watched).await?;
    let resident = relay.resident_bytes()?;
    let ledger = writers.stop().await?;
    let step = Step::new("until all is published", ledger.committed(), "records");
    stand::acknowledged(&relay, ledger.committed(), &step).await?;
    drop(step);
    tokio::time::sleep(KAFKA_CATCHES_UP).await;
    let quiet = Load { seconds: idle_seconds, warm_up_seconds: SETTLE_SECONDS, ..load };
    let idle = load_until("idle", quiet, watched).await?;
    let idle_resident = relay.resident_bytes()?;

    stand.prove(&target, &ledger).await?;
    stand::stop(relay).await?;
    stand.delete(&target).await?;
    stand.drop_database(&database).await?;
    Ok(Steady {
        commits_per_second: COMMITS_PER_SECOND,
        seconds,
        cpu_percent: busy.cpu_percent()?,
        resident_bytes: resident.now,
        resident_bytes_peak: resident.peak,
        idle_seconds,
        idle_cpu_percent: idle.cpu_percent()?,
        idle_resident_bytes: idle_resident.now,
    })
}
