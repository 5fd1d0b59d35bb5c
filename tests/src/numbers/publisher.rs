//! One life of a publisher that publishes the numbers.

use std::{sync::Arc, thread};

use anyhow::Result;
use rowpost::{
    checkpoint::Writer,
    config::{self, Delivery},
    metrics::Metrics,
    publish::{Committed, PublishError, Publisher, Settings, Tenure},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::{Feed, Pace, position};
use crate::Random;

/// What to publish, and how.
#[derive(Debug, Clone)]
pub struct Options {
    pub bootstrap: String,
    pub source: String,
    pub topic: String,
    pub delivery: Delivery,
    pub publish: config::Publish,
    pub pace: Pace,
}

impl Options {
    pub fn new(bootstrap: &str, source: &str, topic: &str, pace: Pace) -> Self {
        Self {
            bootstrap: bootstrap.to_owned(),
            source: source.to_owned(),
            topic: topic.to_owned(),
            delivery: Delivery::ExactlyOnce,
            publish: config::Publish::default(),
            pace,
        }
    }

    pub fn settings(&self) -> Result<Settings> {
        let kafka = config::Kafka {
            bootstrap_servers: self.bootstrap.clone(),
            properties: Default::default(),
        };
        let checkpoint = config::Checkpoint::default();
        Ok(Settings::new(&self.source, self.delivery, &kafka, &self.publish, &checkpoint)?)
    }
}

/// Fences, resumes from the checkpoint and publishes to the end of the numbers. `resumed` hears where,
/// `told` how far it is.
pub fn publish(
    options: &Options,
    random: Random,
    resumed: impl FnOnce(u64),
    told: impl Fn(&Committed) + Send + 'static,
) -> Result<(), PublishError> {
    let settings = options.settings().expect("the test's settings are right");
    let metrics = Metrics::register(&mut Default::default());
    let (publisher, resume) =
        Publisher::fence(&settings, metrics, &mut Tenure::new(Writer::here()))?;
    let start = resume.unwrap_or_else(|| position(0));
    let number = start.coordinates.position;

    let (chunks, received) = mpsc::channel(64);
    let (committed, mut watched) = watch::channel(Committed {
        position: start.clone(),
        records_total: 0,
        commit_timestamp_us: 0,
        committed_at: jiff::Timestamp::now(),
    });
    resumed(number);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("no drivers");
        runtime.block_on(async {
            while watched.changed().await.is_ok() {
                told(&watched.borrow_and_update());
            }
        });
    });
    let feed = Feed { topic: Arc::from(options.topic.as_str()), pace: options.pace, random };
    thread::spawn(move || feed.run(number, &chunks));
    publisher.run(start, received, committed, CancellationToken::new())
}
