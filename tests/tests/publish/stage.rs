//! A broker, a topic and a source of the test's own.

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use rowpost::{
    checkpoint::{Checkpoint, CheckpointError, Store, Writer},
    config::{self, Delivery},
    metrics::Metrics,
    position::Position,
    publish::{Committed, PublishError, Publisher, Settings, Tenure},
    source::Chunk,
};
use rowpost_tests::{
    KafkaBroker,
    numbers::{Isolation, Options, Pace, Seen, position},
};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Stage {
    pub(crate) bootstrap: String,
    pub(crate) source: String,
    pub(crate) topic: String,
    pub(crate) delivery: Delivery,
    pub(crate) publish: config::Publish,
    pub(crate) checkpoint: config::Checkpoint,
    pub(crate) properties: BTreeMap<String, String>,
}

impl Stage {
    /// With a topic of six partitions.
    pub(crate) async fn new() -> Result<Self> {
        Self::on(KafkaBroker::shared().await?).await
    }

    pub(crate) async fn on(broker: &KafkaBroker) -> Result<Self> {
        let stage = Self::without_topic(broker);
        broker.create_topic(&stage.topic, 6, &[]).await?;
        Ok(stage)
    }

    pub(crate) fn without_topic(broker: &KafkaBroker) -> Self {
        let run = Uuid::new_v4().simple();
        Self {
            bootstrap: broker.bootstrap().to_owned(),
            source: format!("test-{run}"),
            topic: format!("numbers-{run}"),
            delivery: Delivery::ExactlyOnce,
            publish: config::Publish::default(),
            checkpoint: config::Checkpoint::default(),
            properties: BTreeMap::new(),
        }
    }

    pub(crate) fn set(&mut self, property: &str, value: &str) {
        self.properties.insert(property.to_owned(), value.to_owned());
    }

    pub(crate) fn settings(&self) -> Settings {
        let kafka = config::Kafka {
            bootstrap_servers: self.bootstrap.clone(),
            properties: self.properties.clone().into_iter().collect(),
        };
        Settings::new(&self.source, self.delivery, &kafka, &self.publish, &self.checkpoint)
            .expect("the test's settings are right")
    }

    /// For publishers in processes of their own.
    pub(crate) fn options(&self, pace: Pace) -> Options {
        let delivery = self.delivery;
        Options { delivery, ..Options::new(&self.bootstrap, &self.source, &self.topic, pace) }
    }

    /// Fences and starts publishing on a thread, as a relay that was just started.
    pub(crate) async fn start(&self) -> Result<Running, PublishError> {
        self.start_as(&mut Tenure::new(Writer::here())).await
    }

    /// As a relay that may have been there before.
    pub(crate) async fn start_as(&self, tenure: &mut Tenure) -> Result<Running, PublishError> {
        let (publisher, resume) = self.fence(tenure).await?;
        let start = resume.clone().unwrap_or_else(|| position(0));
        let (chunks, received) = mpsc::channel(1_000);
        let (committed, watched) = watch::channel(Committed {
            position: start.clone(),
            records_total: 0,
            commit_timestamp_us: 0,
            committed_at: jiff::Timestamp::now(),
        });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let run =
            tokio::task::spawn_blocking(move || publisher.run(start, received, committed, stopped));
        Ok(Running { resume, chunks, watched, stop, run })
    }

    async fn fence(
        &self,
        tenure: &mut Tenure,
    ) -> Result<(Publisher, Option<Position>), PublishError> {
        let (settings, mut begun) = (self.settings(), tenure.clone());
        let fenced = blocking(move || {
            let metrics = Metrics::register(&mut Default::default());
            let fenced = Publisher::fence(&settings, metrics, &mut begun)?;
            Ok::<_, PublishError>((fenced, begun))
        });
        let (fenced, begun) = fenced.await?;
        *tenure = begun;
        Ok(fenced)
    }

    pub(crate) async fn checkpoint(&self) -> Result<Option<Checkpoint>, CheckpointError> {
        let store = Store::new(&self.settings());
        blocking(move || store.read()).await
    }

    pub(crate) async fn checkpoint_number(&self) -> Result<Option<u64>> {
        Ok(self.checkpoint().await?.map(|checkpoint| checkpoint.position.coordinates.position))
    }

    pub(crate) async fn seen(&self, isolation: Isolation) -> Result<Seen> {
        let (bootstrap, topic) = (self.bootstrap.clone(), self.topic.clone());
        blocking(move || Seen::read(&bootstrap, &topic, isolation)).await
    }

    /// The numbers from `start` up to and without `end`.
    pub(crate) fn chunk(&self, start: u64, end: u64) -> Chunk {
        rowpost_tests::numbers::chunk(&self.topic.as_str().into(), start, end)
    }
}

/// A publisher at work.
pub(crate) struct Running {
    /// What the fence returned.
    pub(crate) resume: Option<Position>,
    pub(crate) chunks: mpsc::Sender<Chunk>,
    pub(crate) watched: watch::Receiver<Committed>,
    pub(crate) stop: CancellationToken,
    run: tokio::task::JoinHandle<Result<(), PublishError>>,
}

impl Running {
    pub(crate) async fn send(&self, chunk: Chunk) {
        // Fails when the publisher has ended; `end` then says why.
        drop(self.chunks.send(chunk).await);
    }

    /// Waits until every number below `number` is committed.
    ///
    /// # Panics
    /// When the publisher ends before.
    pub(crate) async fn committed(&mut self, number: u64) -> Committed {
        let reached =
            self.watched.wait_for(|committed| committed.position.coordinates.position >= number);
        match tokio::time::timeout(DEADLINE, reached).await {
            Ok(Ok(committed)) => committed.clone(),
            Ok(Err(_)) => panic!("the publisher ended before {number} was committed"),
            Err(_) => panic!("{number} was not committed in time"),
        }
    }

    pub(crate) fn position(&self) -> u64 {
        self.watched.borrow().position.coordinates.position
    }

    /// Waits for an end that the test does not cause.
    pub(crate) async fn end(self) -> Result<(), PublishError> {
        let Self { chunks, run, .. } = self;
        let ended = tokio::time::timeout(DEADLINE, run).await.expect("the publisher ends");
        drop(chunks);
        ended.expect("the publisher does not panic")
    }

    /// Closes the channel and waits until everything is out.
    pub(crate) async fn close(self) -> Result<(), PublishError> {
        let Self { chunks, run, .. } = self;
        drop(chunks);
        let ended = tokio::time::timeout(DEADLINE, run).await.expect("the publisher ends");
        ended.expect("the publisher does not panic")
    }
}

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the blocking work does not panic")
}
