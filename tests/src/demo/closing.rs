//! The relay stopped, every topic read again from its beginning → the verdict.

use std::time::Duration;

use anyhow::Result;
use rowpost_servers::command;
use tokio::time::{Instant, sleep};

use super::{
    load::Load,
    phases::Phases,
    stage::{SINGLY, Stage, UNDER_LOAD},
    text::{Tone, duration, latency, say, thousands, toned},
    track::Latencies,
    verdict::Total,
};
use crate::{Ledger, Reader, ledger::Isolation, outbox};

/// The relay's own grace period is 10 s.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// For the markers of the last Kafka transactions to be in every partition.
const MARKER_LIMIT: Duration = Duration::from_secs(10);
const MARKER_INTERVAL: Duration = Duration::from_millis(200);

/// Says the latencies and the verdict; true when it is good.
pub(super) async fn judge(mut stage: Stage, singly: &Ledger, mut load: Load) -> Result<bool> {
    say_latencies(&mut load.phases, stage.busy);
    // ORDER: what the relay could still publish must be there before the topics are read.
    let status = stage.relay.terminate(STOP_LIMIT).await?;
    if !status.success() {
        say(format!("the relay did not end well on SIGTERM: {status}"));
    }
    let mut total = Total::default();
    let mut faults = Vec::new();
    let mut cut_off = 0;
    for (name, ledger) in [(SINGLY, singly), (UNDER_LOAD, &load.ledger)] {
        let topic = outbox::topic(name);
        let committed = reader(&stage, &topic, ledger, Isolation::ReadCommitted)?;
        read_whole(&committed, ledger).await?;
        let everything = reader(&stage, &topic, ledger, Isolation::ReadUncommitted)?;
        let verdict = committed.verdict(ledger);
        cut_off += everything.read_to_end().await?.saturating_sub(verdict.published);
        total.add(ledger, &verdict);
        if !verdict.is_complete() {
            faults.push(format!("  {topic}: {verdict}"));
        }
    }
    say("Both topics read again from the beginning, as a new read_committed consumer does.");
    if cut_off > 0 {
        say(format!(
            "The kill cut off a Kafka transaction: {} of its records are in the log, and no such \
             consumer gets them.",
            thousands(cut_off)
        ));
    }
    say("");
    let back_after = load.phases.back_after();
    let kill = match back_after {
        Some(took) => format!("relay killed at {}, back after {}", load.killed_at, duration(took)),
        None => format!("relay killed at {} and never back", load.killed_at),
    };
    let is_good = total.is_good() && status.success() && back_after.is_some();
    let tone = if is_good { Tone::Good } else { Tone::Bad };
    say(toned(tone, &format!("verdict: {total}; {kill}")));
    faults.iter().for_each(say);
    if !is_good {
        say(command::tail(&stage.relay.log()));
    }
    Ok(is_good)
}

fn reader(stage: &Stage, topic: &str, ledger: &Ledger, isolation: Isolation) -> Result<Reader> {
    Reader::new(&stage.kafka.client(), topic, ledger.run(), isolation)
}

/// SERVER: what was committed a moment ago may lack its markers, and is not there for this reader yet.
async fn read_whole(reader: &Reader, ledger: &Ledger) -> Result<()> {
    let deadline = Instant::now() + MARKER_LIMIT;
    while reader.read_to_end().await? < ledger.committed() && Instant::now() < deadline {
        sleep(MARKER_INTERVAL).await;
    }
    // Once more: a record too many would come later than the last that is right.
    sleep(MARKER_INTERVAL).await;
    reader.read_to_end().await.map(drop)
}

fn say_latencies(phases: &mut Phases, busy: Option<(f64, usize)>) {
    say("");
    say(toned(
        Tone::Heading,
        "From the return of COMMIT to the hands of a read_committed consumer",
    ));
    say("                            p50       p99       max");
    let line = |what: &str, latencies: &mut Latencies| {
        let [p50, p99, max] =
            [latencies.quantile(0.5), latencies.quantile(0.99), latencies.greatest()].map(latency);
        say(format!("  {what:<20} {p50:>9} {p99:>9} {max:>9}"));
    };
    line("before the kill", &mut phases.before);
    line("while it was away", &mut phases.across);
    line("after the catch-up", &mut phases.after);
    if let Some((load, cores)) = busy {
        say(format!(
            "  (on a machine with other work to do: load {load:.1} on {cores} cores at the start)"
        ));
    }
    say("");
}
