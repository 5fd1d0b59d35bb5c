//! Many rows from several writers, and the relay killed in the middle of its work.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until},
};

use super::{
    DATABASE, Run,
    phases::Phases,
    stage::{self, Stage, UNDER_LOAD},
    tail::Arrived,
    text::{Tone, clock, duration, latency, say, thousands, toned},
    track::{Delivery, Latencies, Track},
};
use crate::{
    Ledger, Relay, Writers,
    writer::{Ended, WriterOptions},
};

const WRITERS: u32 = 4;
const ROLLBACK_SHARE: f64 = 0.06;
/// Running counters are shown so often, however long the run is.
const LINES: u32 = 16;
/// For what is still on its way when the writers stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// What the closing needs.
pub(super) struct Load {
    pub(super) ledger: Ledger,
    /// The time of day.
    pub(super) killed_at: String,
    pub(super) phases: Phases,
}

/// Writes for the run's time, kills the relay at half of it and starts it again.
pub(super) async fn show(stage: &mut Stage, run: &Run) -> Result<Load> {
    let (seconds, rate) = (run.seconds, run.rate);
    say("");
    let heading = format!(
        "Up to {rate} rows a second for {seconds} s, the relay killed with -9 in the middle"
    );
    say(toned(Tone::Heading, &heading));
    say("  time          committed  rolled back   in Kafka   behind       p50       p99");
    let (witness, ended) = mpsc::channel(10_000);
    let options = WriterOptions {
        writers: WRITERS,
        rows_per_second: Some(rate.into()),
        rollback_share: ROLLBACK_SHARE,
        witness: Some(witness),
        ..WriterOptions::new(DATABASE, UNDER_LOAD)
    };
    let writers = Writers::start(&stage.mysql, &options, &mut stage.random)?;
    // The writers hold the last senders: the channel closes when they have ended.
    drop(options);
    let mut scene = Scene::new(ended, Duration::from_secs(seconds.into()));
    let start = Instant::now();

    scene.go_on(stage, start + scene.time / 2).await?;
    let killed_at = scene.kill_relay(&mut stage.relay)?;
    scene.go_on(stage, start + scene.time).await?;
    let stopping = tokio::spawn(writers.stop());
    scene.go_on(stage, Instant::now() + DRAIN_LIMIT).await?;
    scene.say_counters();
    let ledger = stopping.await.context("the writers panicked")??;
    Ok(Load { ledger, killed_at, phases: scene.phases })
}

/// What goes on while the writers write.
struct Scene {
    time: Duration,
    lines: Interval,
    ended: mpsc::Receiver<Ended>,
    is_writing: bool,
    /// The new relay's way to readiness.
    returning: Option<JoinHandle<Result<std::time::Instant>>>,
    track: Track,
    phases: Phases,
    /// Latencies since the last line.
    recent: Latencies,
    /// Rows that were just on their way when the relay was killed.
    usually_behind: u64,
}

enum Happening {
    Ended(Option<Ended>),
    Arrived(Option<Arrived>),
    Returned(Result<std::time::Instant>),
    Line,
    Time,
}

impl Scene {
    fn new(ended: mpsc::Receiver<Ended>, time: Duration) -> Self {
        let period = (time / LINES).max(Duration::from_secs(1));
        let mut lines = interval_at(Instant::now() + period, period);
        lines.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self {
            time,
            lines,
            ended,
            is_writing: true,
            returning: None,
            track: Track::default(),
            phases: Phases::default(),
            recent: Latencies::default(),
            usually_behind: 0,
        }
    }

    /// Until then, or until the writers have ended and every row has arrived.
    async fn go_on(&mut self, stage: &mut Stage, until: Instant) -> Result<()> {
        while self.is_writing || self.track.behind() > 0 {
            match self.next(&mut stage.arrivals, until).await {
                Happening::Ended(Some(ended)) => {
                    self.track.ended(&ended).iter().for_each(|delivery| self.delivered(delivery));
                }
                Happening::Ended(None) => self.is_writing = false,
                Happening::Arrived(Some(Arrived { event, at, .. })) => {
                    self.track
                        .arrived(event, at)
                        .iter()
                        .for_each(|delivery| self.delivered(delivery));
                }
                Happening::Arrived(None) => bail!("the consumer has ended"),
                Happening::Returned(ready_at) => self.relay_is_back(ready_at?, &stage.relay)?,
                Happening::Line => {
                    if self.returning.is_none() {
                        // A relay that ends by itself is no part of the story.
                        stage::pid(&stage.relay)?;
                    }
                    self.say_counters();
                }
                Happening::Time => return Ok(()),
            }
        }
        Ok(())
    }

    async fn next(&mut self, arrivals: &mut mpsc::Receiver<Arrived>, until: Instant) -> Happening {
        let returning = async {
            match &mut self.returning {
                Some(task) => task.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = self.ended.recv(), if self.is_writing => Happening::Ended(ended),
            arrived = arrivals.recv() => Happening::Arrived(arrived),
            returned = returning => {
                self.returning = None;
                Happening::Returned(returned.context("the wait for the relay panicked").flatten())
            }
            _ = self.lines.tick() => Happening::Line,
            () = sleep_until(until) => Happening::Time,
        }
    }

    fn delivered(&mut self, delivery: &Delivery) {
        self.recent.add(delivery.latency);
        self.phases.add(delivery);
        // Each writer may have a row on its way at any moment.
        if self.track.behind() <= self.usually_behind.max(u64::from(WRITERS))
            && let Some(took) = self.phases.is_level(std::time::Instant::now())
        {
            say(note(&format!("caught up {} after the kill", duration(took))));
        }
    }

    /// SIGKILL, and a start at once, as a supervisor does it. Returns the time of day.
    fn kill_relay(&mut self, relay: &mut Relay) -> Result<String> {
        let (pid, killed_at) = (stage::pid(relay)?, clock());
        self.phases.killed(std::time::Instant::now());
        self.usually_behind = self.track.behind();
        relay.kill9()?;
        let line = format!("  {killed_at}  kill -9 of the relay, pid {pid}; the writers go on");
        say(toned(Tone::Bad, &line));
        relay.start_again()?;
        self.returning = Some(tokio::spawn(stage::until_ready(relay)?));
        Ok(killed_at)
    }

    fn relay_is_back(&mut self, ready_at: std::time::Instant, relay: &Relay) -> Result<()> {
        let took = self.phases.ready(ready_at).map(duration).unwrap_or_default();
        let (pid, behind) = (stage::pid(relay)?, thousands(self.track.behind()));
        say(note(&format!(
            "relay back as pid {pid}, ready {took} after the kill, {behind} rows to catch up with"
        )));
        Ok(())
    }

    fn say_counters(&mut self) {
        let [committed, rolled_back, arrived, behind] = [
            self.track.committed(),
            self.track.rolled_back(),
            self.track.delivered(),
            self.track.behind(),
        ]
        .map(thousands);
        let [p50, p99] = [0.5, 0.99].map(|share| latency(self.recent.quantile(share)));
        self.recent = Latencies::default();
        say(note(&format!(
            "{committed:>9} {rolled_back:>12} {arrived:>10} {behind:>8} {p50:>9} {p99:>9}"
        )));
    }
}

fn note(text: &str) -> String {
    format!("  {}  {text}", clock())
}
