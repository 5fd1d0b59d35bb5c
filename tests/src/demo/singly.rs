//! One row at a time: each is shown as it arrives.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    DATABASE,
    stage::{SINGLY, Stage},
    tail::Arrived,
    text::{Tone, clock, duration, say, toned},
    track::{Delivery, Track},
};
use crate::{
    Ledger, Writers,
    ledger::{EventId, Outcome},
    outbox,
    writer::{Ended, WriterOptions},
};

const ROWS: u64 = 12;
/// Slow enough to be read.
const ROWS_PER_SECOND: f64 = 3.0;
/// A relay that takes longer has a fault, which the verdict will name.
const LIMIT: Duration = Duration::from_secs(30);

/// Writes the rows and shows them; returns what was written.
pub(super) async fn show(stage: &mut Stage) -> Result<Ledger> {
    say("");
    say(toned(Tone::Heading, "One transaction at a time (key, number of the row within its key)"));
    let (witness, mut ended) = mpsc::channel(64);
    let options = WriterOptions {
        writers: 1,
        keys: 4,
        rows_per_second: Some(ROWS_PER_SECOND),
        rollback_share: 0.2,
        rows_max: Some(ROWS),
        witness: Some(witness),
        ..WriterOptions::new(DATABASE, SINGLY)
    };
    let writers = Writers::start(&stage.mysql, &options, &mut stage.random)?;
    drop(options);
    let mut lines = Lines::default();
    let deadline = Instant::now() + LIMIT;
    let mut is_writing = true;
    while is_writing || lines.track.behind() > 0 {
        let next = async {
            tokio::select! {
                ended = ended.recv(), if is_writing => Next::Ended(ended),
                arrived = stage.arrivals.recv() => Next::Arrived(arrived),
            }
        };
        match timeout_at(deadline, next).await {
            Ok(Next::Ended(Some(ended))) => lines.ended(&ended),
            Ok(Next::Ended(None)) => is_writing = false,
            Ok(Next::Arrived(Some(arrived))) => lines.arrived(&arrived),
            Ok(Next::Arrived(None)) | Err(_) => break,
        }
    }
    writers.finish().await
}

enum Next {
    Ended(Option<Ended>),
    Arrived(Option<Arrived>),
}

#[derive(Debug, Default)]
struct Lines {
    track: Track,
    partitions: HashMap<EventId, i32>,
}

impl Lines {
    fn ended(&mut self, ended: &Ended) {
        match ended.outcome {
            Outcome::RolledBack => {
                for event in &ended.events {
                    say(line(*event, "rolled back: must never arrive"));
                }
            }
            Outcome::Committed => {}
        }
        for delivery in self.track.ended(ended) {
            self.delivered(&delivery);
        }
    }

    fn arrived(&mut self, arrived: &Arrived) {
        self.partitions.insert(arrived.event, arrived.partition);
        if let Some(delivery) = self.track.arrived(arrived.event, arrived.at) {
            self.delivered(&delivery);
        }
    }

    fn delivered(&mut self, delivery: &Delivery) {
        let partition = self.partitions.remove(&delivery.event).unwrap_or_default();
        let topic = outbox::topic(SINGLY);
        let when = match delivery.latency {
            Duration::ZERO => "as COMMIT returned".to_owned(),
            latency => format!("{:>8} later", duration(latency)),
        };
        let what = format!("committed, in {topic}/{partition} {when}");
        say(line(delivery.event, &what));
    }
}

/// `12:03:01.118  key-2 #5  …`: the row's key and its count within the key.
fn line(event: EventId, what: &str) -> String {
    format!("  {}  {:<9} {what}", clock(), event.to_string())
}
