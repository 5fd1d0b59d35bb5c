//! One backlog, one publisher, one empty topic → the figures of one drain.

use std::{process::Stdio, thread, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use rowpost_servers::{process::ProcessId, usage::ResidentBytes};
use rowpost_tests::{Ledger, ledger::Extent};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::Backlog;
use crate::{
    ceiling,
    delivery::Delivery,
    processes::{Sampler, Timeline},
    progress::Step,
    stand::{self, Stand, Target},
};

/// A ceiling below some hundred records a second is none.
const LIMIT: Duration = Duration::from_secs(900);

/// Who drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Publisher {
    /// librdkafka alone, the same records from memory.
    Ceiling,
    ExactlyOnce,
    AtLeastOnce,
}

/// What one drain came to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Drain {
    pub(super) publisher: Publisher,
    pub(super) round: u32,
    pub(super) records: u64,
    pub(super) records_per_second: f64,
    /// Of the publisher, in user and system mode.
    pub(super) cpu_us_per_record: Option<f64>,
    /// `None` for a broker that is not our process.
    pub(super) broker_cpu_us_per_record: Option<f64>,
    /// `None` for the ceiling, which holds the whole backlog.
    pub(super) resident_bytes_peak: Option<u64>,
    /// Key, value and headers.
    pub(super) bytes_per_record: f64,
    pub(super) records_per_batch: Option<f64>,
    /// CPU that other programs used meanwhile, of all cores together.
    pub(super) others_percent: Option<f64>,
}

/// What is known when the last record is acknowledged.
struct Finished {
    timeline: Timeline,
    resident: Option<ResidentBytes>,
    batches: f64,
}

impl Publisher {
    pub(super) const ALL: [Self; 3] = [Self::Ceiling, Self::ExactlyOnce, Self::AtLeastOnce];

    /// `None` where no relay is at work.
    fn delivery(self) -> Option<Delivery> {
        match self {
            Self::Ceiling => None,
            Self::ExactlyOnce => Some(Delivery::ExactlyOnce),
            Self::AtLeastOnce => Some(Delivery::AtLeastOnce),
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.delivery().map_or("ceiling", Delivery::name)
    }
}

pub(super) async fn run(
    stand: &Stand,
    backlog: &Backlog,
    publisher: Publisher,
    round: u32,
) -> Result<Drain> {
    let rows = backlog.rows();
    let turn = if round == 0 { "warming up".to_owned() } else { format!("round {round}") };
    let step = Step::new(format!("{turn}: {}", publisher.name()), rows, "records");
    let target = stand.target(publisher.name()).await?;
    let (finished, extent) = match publisher.delivery() {
        Some(delivery) => {
            let finished = relay(stand, backlog, &target, delivery, &step).await?;
            (finished, stand.prove(&target, &backlog.ledger).await?)
        }
        None => ceiling(stand, backlog, &target).await?,
    };
    stand.delete(&target).await?;
    Drain::new(publisher, round, &finished, extent)
}

async fn relay(
    stand: &Stand,
    backlog: &Backlog,
    target: &Target,
    delivery: Delivery,
    step: &Step,
) -> Result<Finished> {
    let relay = stand.relay(&backlog.database, target, &backlog.start, delivery).await?;
    let id = relay.id().context("the relay ended at once")?;
    let sampler = Sampler::start(stand.watch(id).await?);
    stand::acknowledged(&relay, backlog.rows(), step).await?;
    let timeline = sampler.finish()?;
    let resident = Some(relay.resident_bytes()?);
    let batches = stand::metric(&relay, "rowpost_batch_records_count").await?;
    stand::stop(relay).await?;
    Ok(Finished { timeline, resident, batches })
}

async fn ceiling(stand: &Stand, backlog: &Backlog, target: &Target) -> Result<(Finished, Extent)> {
    let options = ceiling::Options {
        bootstrap: stand.kafka.bootstrap().to_owned(),
        source: target.source.clone(),
        topic: target.topic.clone(),
        run: backlog.ledger.run(),
        rows: backlog.rows(),
        payload_bytes: backlog.shape.payload_bytes,
    };
    let compacted = [("cleanup.policy", "compact")];
    stand.kafka.create_topic(&target.checkpoint_topic(), 1, &compacted).await?;
    let mut child = tokio::process::Command::new(std::env::current_exe()?)
        .arg("ceiling")
        .args(options.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the ceiling")?;
    let id = child.id().and_then(ProcessId::of).context("the ceiling ended at once")?;
    let sampler = Sampler::start(stand.watch(id).await?);
    let mut answers = BufReader::new(child.stdout.take().context("no standard output")?).lines();
    let answer = tokio::time::timeout(LIMIT, answers.next_line())
        .await
        .with_context(|| format!("the ceiling is not done within {LIMIT:?}"))??;
    let answer = answer.context("the ceiling failed; what it said is above")?;
    let outcome: ceiling::Outcome = serde_json::from_str(&answer)?;
    let timeline = sampler.finish()?;
    // It ends when its standard input does.
    drop(child.stdin.take());
    let status = child.wait().await?;
    ensure!(status.success(), "the ceiling ended with {status}");
    let ledger: Ledger = ceiling::ledger(&options);
    let extent = stand.prove(target, &ledger).await?;
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^53")]
    let batches = outcome.kafka_transactions as f64;
    Ok((Finished { timeline, resident: None, batches }, extent))
}

impl Drain {
    #[expect(clippy::cast_precision_loss, reason = "counts and times far below 2^53")]
    fn new(publisher: Publisher, round: u32, finished: &Finished, extent: Extent) -> Result<Self> {
        let records = extent.records;
        let (first_ms, last_ms) = (extent.first_ms as f64, extent.last_ms as f64);
        ensure!(
            last_ms > first_ms,
            "all was appended within one millisecond: take more --rows than {records}"
        );
        let seconds = (last_ms - first_ms) / 1_000.0;
        let used = finished.timeline.between(first_ms, last_ms)?;
        let us_per_record = |cpu_seconds: f64| cpu_seconds * 1e6 / records as f64;
        let machine_seconds = seconds * thread::available_parallelism()?.get() as f64;
        Ok(Self {
            publisher,
            round,
            records,
            records_per_second: records as f64 / seconds,
            cpu_us_per_record: used.publisher.map(us_per_record),
            broker_cpu_us_per_record: used.broker.map(us_per_record),
            resident_bytes_peak: finished.resident.map(|resident| resident.peak),
            bytes_per_record: extent.bytes as f64 / records as f64,
            records_per_batch: (finished.batches > 0.0).then(|| records as f64 / finished.batches),
            others_percent: used.others().map(|seconds| seconds * 100.0 / machine_seconds),
        })
    }
}
