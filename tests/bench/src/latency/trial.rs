//! One relay, one rate, one empty topic → how latency is spread.

use std::{
    collections::HashMap,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rowpost_tests::{Ledger, Random, WriterOptions, Writers, ledger::EventId, writer::Ended};
use serde::Serialize;
use tokio::sync::mpsc;

use super::arrivals::Arrivals;
use crate::{
    delivery::Delivery,
    processes::{Cpu, Watched},
    progress::Step,
    stand::{self, AGGREGATE_TYPE, Stand},
    statistics::Distribution,
};

const KEYS: u32 = 1_000;
/// The same rows in every trial.
const SEED: u64 = 2;
const PAYLOAD_BYTES: usize = 300;
/// One writer commits some hundred times a second without being late; so many share more.
const WRITERS: u32 = 4;
const COMMITS_PER_SECOND_OF_ONE_WRITER: u32 = 250;

/// Commits that wait to be taken down: some seconds' worth.
const ENDED_MAX: usize = 10_000;
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// For the last record after the last commit.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) delivery: Delivery,
    pub(crate) commits_per_second: u32,
    pub(crate) seconds: u64,
    pub(crate) warm_up_seconds: u64,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Trial {
    pub(super) delivery: Delivery,
    pub(super) commits_per_second: u32,
    pub(super) round: u32,
    /// What the writers came to; less than asked for when the server could not keep up.
    pub(super) commits_per_second_reached: f64,
    pub(super) latency_ms: Distribution,
    pub(super) cpu_percent: f64,
    /// `None` for a broker that is not our process.
    pub(super) broker_cpu_percent: Option<f64>,
    pub(super) resident_bytes: u64,
    /// CPU that other programs used meanwhile, of all cores together.
    pub(super) others_percent: Option<f64>,
}

pub(super) async fn run(stand: &Stand, load: Load, round: u32) -> Result<Trial> {
    let Load { delivery, commits_per_second, seconds, .. } = load;
    let name = delivery.name();
    let database = stand.database("latency").await?;
    let target = stand.target(name).await?;
    let relay = stand.ready_relay(&database, &target, delivery).await?;
    let id = relay.id().context("the relay has ended")?;
    let arrivals = Arrivals::watch(&stand.kafka.client(), &target.topic)?;
    let (witness, ended) = mpsc::channel(ENDED_MAX);
    let commits = tokio::spawn(commits(ended));

    let turn = if round == 0 { "warming up".to_owned() } else { format!("round {round}") };
    let what = format!("{turn}: {commits_per_second} commits/s, {name}");
    let writers = start_writers(stand, &database, load, Some(witness))?;
    let window = load_until(&what, load, stand.watch(id).await?).await?;
    let ledger = writers.stop().await?;
    let resident = relay.resident_bytes()?;
    all_arrived(&arrivals, &ledger).await?;

    // The writers are gone, and with them the witness's other ends.
    let (commits, arrivals) = (commits.await?, arrivals.finish()?);
    stand.prove(&target, &ledger).await?;
    stand::stop(relay).await?;
    stand.delete(&target).await?;
    stand.drop_database(&database).await?;
    let latencies = latencies_ms(&commits, &arrivals, &window)?;
    #[expect(clippy::cast_precision_loss, reason = "a count and seconds, far below 2^53")]
    let reached = latencies.len() as f64 / seconds as f64;
    Ok(Trial {
        delivery,
        commits_per_second,
        round,
        commits_per_second_reached: reached,
        latency_ms: Distribution::of(latencies).context("nothing was committed")?,
        cpu_percent: window.cpu_percent()?,
        broker_cpu_percent: window.used.broker.map(|seconds| window.percent(seconds)),
        resident_bytes: resident.now,
        others_percent: window.others_percent()?,
    })
}

/// Writers that commit one row at a time, on schedule.
pub(crate) fn start_writers(
    stand: &Stand,
    database: &str,
    load: Load,
    witness: Option<mpsc::Sender<Ended>>,
) -> Result<Writers> {
    let is_one_enough = load.commits_per_second <= COMMITS_PER_SECOND_OF_ONE_WRITER;
    let options = WriterOptions {
        writers: if is_one_enough { 1 } else { WRITERS },
        keys: KEYS,
        rows_per_second: Some(load.commits_per_second.into()),
        rollback_share: 0.0,
        payload_bytes: PAYLOAD_BYTES,
        witness,
        ..WriterOptions::new(database, AGGREGATE_TYPE)
    };
    Writers::start(&stand.mysql, &options, &mut Random::new(SEED))
}

/// When each row's COMMIT returned; there are no others than commits.
async fn commits(mut ended: mpsc::Receiver<Ended>) -> HashMap<EventId, Instant> {
    let mut commits = HashMap::new();
    while let Some(Ended { events, at, .. }) = ended.recv().await {
        commits.extend(events.into_iter().map(|event| (event, at)));
    }
    commits
}

/// The measured part of a trial.
pub(crate) struct Window {
    from: Instant,
    to: Instant,
    used: Cpu,
}

impl Window {
    /// The publisher's, of a core.
    pub(crate) fn cpu_percent(&self) -> Result<f64> {
        self.used.publisher.map(|seconds| self.percent(seconds)).context("the relay has ended")
    }

    /// Of all cores together.
    fn others_percent(&self) -> Result<Option<f64>> {
        #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
        let cores = thread::available_parallelism()?.get() as f64;
        Ok(self.used.others().map(|seconds| self.percent(seconds) / cores))
    }

    fn percent(&self, cpu_seconds: f64) -> f64 {
        cpu_seconds * 100.0 / (self.to - self.from).as_secs_f64()
    }
}

/// Waits while the load runs: first the warm-up, then the measured time.
pub(crate) async fn load_until(what: &str, load: Load, watched: Watched) -> Result<Window> {
    let step = Step::new(what, load.warm_up_seconds + load.seconds, "s");
    let started = Instant::now();
    let from = started + Duration::from_secs(load.warm_up_seconds);
    let to = from + Duration::from_secs(load.seconds);
    sleep_until(from, started, &step).await;
    let before = watched.look();
    sleep_until(to, started, &step).await;
    Ok(Window { from, to, used: watched.look().since(before) })
}

async fn sleep_until(until: Instant, started: Instant, step: &Step) {
    while let Some(rest) =
        until.checked_duration_since(Instant::now()).filter(|rest| !rest.is_zero())
    {
        tokio::time::sleep(rest.min(LOOK_INTERVAL)).await;
        step.reach(started.elapsed().as_secs());
    }
}

async fn all_arrived(arrivals: &Arrivals, ledger: &Ledger) -> Result<()> {
    let (started, committed) = (Instant::now(), ledger.committed());
    while arrivals.count() < committed {
        let arrived = arrivals.count();
        ensure!(
            started.elapsed() < ARRIVAL_LIMIT,
            "{arrived} of {committed} records arrived within {ARRIVAL_LIMIT:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Of the commits within the window; negative where the record was faster than the writer's answer.
fn latencies_ms(
    commits: &HashMap<EventId, Instant>,
    arrivals: &HashMap<EventId, Instant>,
    window: &Window,
) -> Result<Vec<f64>> {
    let within = commits.iter().filter(|(_, at)| (window.from..window.to).contains(at));
    within
        .map(|(event, committed_at)| {
            let arrived_at = arrivals.get(event).with_context(|| format!("{event} is missing"))?;
            let early = committed_at.saturating_duration_since(*arrived_at);
            let late = arrived_at.saturating_duration_since(*committed_at);
            Ok((late.as_secs_f64() - early.as_secs_f64()) * 1_000.0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u32) -> EventId {
        EventId { run: 1, key: 1, sequence }
    }

    #[test]
    fn latency_is_taken_of_commits_within_the_window_and_may_be_negative() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let commits =
            [(event(0), at(5)), (event(1), at(10)), (event(2), at(15)), (event(3), at(20))];
        let arrivals =
            [(event(0), at(6)), (event(1), at(13)), (event(2), at(14)), (event(3), at(21))];
        let window = Window { from: at(10), to: at(20), used: Cpu::default() };

        let mut latencies = latencies_ms(&commits.into(), &arrivals.into(), &window).unwrap();

        latencies.sort_by(f64::total_cmp);
        assert_eq!(latencies.len(), 2);
        assert!((latencies[0] + 1.0).abs() < 1e-9 && (latencies[1] - 3.0).abs() < 1e-9);
    }

    #[test]
    fn commit_whose_record_did_not_come_is_an_error() {
        let start = Instant::now();
        let window =
            Window { from: start, to: start + Duration::from_secs(1), used: Cpu::default() };

        let outcome = latencies_ms(&[(event(0), start)].into(), &HashMap::new(), &window);

        assert!(outcome.unwrap_err().to_string().contains("key-1 #0"));
    }
}
