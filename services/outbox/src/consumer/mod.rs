//! Kafka topics → each record's effect, in the order of its partition.
//!
//! Promises:
//! - a record's offset is stored only after the transaction with its inbox row, its effect and its
//!   outgoing outbox rows has committed: nothing is skipped, and what is delivered again finds its row;
//! - a record that fails stands in the way of its own partition only, and not for good: after the
//!   configured attempts it lies in the dead-letter topic;
//! - a database that does not answer makes no dead letters, nor does whatever else a handler says is
//!   [`Unavailable`](HandlerError::Unavailable): their records wait.
//!
//! The same loop keeps stores elsewhere up to date, without inbox and MySQL: [`Projection`].
//!
//! Not promised: parallel work. One consumer has one record in hand; run more of one name, in one
//! process or in many, and Kafka shares the partitions among them.
//!
//! Before this: the relay. After this: [`inbox`], for each record.

pub mod config;
pub mod dead_letters;
pub mod effect;
mod held;

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use futures_util::FutureExt as _;
use opentelemetry::context::FutureExt as _;
use rdkafka::{
    ClientConfig, ClientContext, TopicPartitionList,
    consumer::{
        BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance, StreamConsumer,
    },
    error::{KafkaError, RDKafkaErrorCode},
};
use sqlx::MySqlPool;
use tokio_util::sync::CancellationToken;

pub use self::config::ConsumerConfig;
use self::{
    dead_letters::DeadLetters,
    effect::{Effect, Elsewhere, Inboxed, Projection},
    held::{Attempt, HeldRecords, Place, Policy},
};
use crate::{
    Disposition, Handler, HandlerError, Outcome, Received, inbox::CONSUMER_CHARS_MAX,
    spans::Processing,
};

/// Why the consumer ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// Neither group nor inbox would be what was meant.
    #[error(
        "`{name}` cannot name a consumer: 1 to {CONSUMER_CHARS_MAX} visible ASCII characters can"
    )]
    Name {
        /// As configured.
        name: String,
    },
    /// Settings that librdkafka does not take, or a fault from which it does not recover.
    #[error("the Kafka client of consumer `{name}`: {source}")]
    Kafka {
        /// The consumer's.
        name: String,
        /// librdkafka's words.
        source: KafkaError,
    },
    /// A record came from a partition that waits for an earlier one. To go on would skip that one; a
    /// new start begins with it.
    #[error(
        "consumer `{name}` was given offset {kafka_offset} of {topic}/{partition} while an earlier one \
         waits; start it again"
    )]
    OutOfTurn {
        /// The consumer's.
        name: String,
        /// The record's.
        topic: String,
        /// The record's.
        partition: i32,
        /// The record's.
        kafka_offset: i64,
    },
}

/// A member of a consumer group.
pub struct Consumer<E> {
    config: ConsumerConfig,
    policy: Policy,
    kafka: Arc<StreamConsumer<Assignment>>,
    dead_letters: DeadLetters,
    effect: E,
    held: HeldRecords,
}

impl<H: Handler> Consumer<Inboxed<H>> {
    /// `kafka` says where the brokers are and how to log in; what the promises rest on is set here.
    /// The pool's URL names the schema with the tables of [`schema`](crate::schema).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(
        kafka: &ClientConfig,
        pool: MySqlPool,
        config: ConsumerConfig,
        handler: H,
    ) -> Result<Self, ConsumerError> {
        Self::with(kafka, config, Inboxed { pool, handler })
    }
}

impl<P: Projection> Consumer<Elsewhere<P>> {
    /// For an effect that is not in MySQL and does no harm when it comes twice. Reset the group's
    /// offsets and it is all done again: there is no inbox that would stand in the way.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn projecting(
        kafka: &ClientConfig,
        config: ConsumerConfig,
        projection: P,
    ) -> Result<Self, ConsumerError> {
        Self::with(kafka, config, Elsewhere { projection })
    }
}

impl<E: Effect> Consumer<E> {
    fn with(
        kafka: &ClientConfig,
        config: ConsumerConfig,
        effect: E,
    ) -> Result<Self, ConsumerError> {
        if !config.is_name_valid() {
            return Err(ConsumerError::Name { name: config.name });
        }
        let failed = |source| ConsumerError::Kafka { name: config.name.clone(), source };
        let client: StreamConsumer<Assignment> = config
            .consumer_client(kafka)
            .create_with_context(Assignment::default())
            .map_err(failed)?;
        let topics: Vec<&str> = config.topics.iter().map(String::as_str).collect();
        client.subscribe(&topics).map_err(failed)?;
        let dead_letters = DeadLetters::new(
            config.producer_client(kafka),
            &config.dead_letter_topic,
            &config.name,
        )
        .map_err(failed)?;
        let policy = Policy {
            attempts_max: config.attempts_max,
            backoff_first: config.backoff_first,
            backoff_max: config.backoff_max,
        };
        let (kafka, held) = (Arc::new(client), HeldRecords::default());
        Ok(Self { config, policy, kafka, dead_letters, effect, held })
    }

    /// Until `stop` is cancelled: then the record in hand is finished, its offset committed, and the
    /// group left.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), ConsumerError> {
        tracing::info!(consumer = self.config.name, topics = ?self.config.topics, "consumer started");
        if let Err(error) = self.dead_letters.ensure_topic().await {
            // An account that may not create topics is told so even if the topic is there.
            tracing::warn!(
                topic = self.config.dead_letter_topic, error = %error,
                "dead-letter topic not created; without it a record that fails is tried for ever"
            );
        }
        let ended = self.consume(&stop).await;
        let Self { config, kafka, .. } = self;
        // Both wait for the broker.
        let left = tokio::task::spawn_blocking(move || {
            let committed = kafka.commit_consumer_state(CommitMode::Sync);
            drop(kafka);
            committed
        });
        match left.await {
            Ok(Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset))) => {}
            // The records since the last commit will be delivered again, and be duplicates.
            Ok(Err(error)) => {
                tracing::warn!(consumer = config.name, error = %error, "offsets not committed");
            }
            Err(error) => {
                tracing::warn!(consumer = config.name, error = %error, "group not left in order");
            }
        }
        tracing::info!(consumer = config.name, "consumer stopped");
        ended
    }

    async fn consume(&mut self, stop: &CancellationToken) -> Result<(), ConsumerError> {
        let kafka = Arc::clone(&self.kafka);
        loop {
            let attempt = tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                () = until(self.held.next_due()) => {
                    self.forget_what_was_assigned_anew();
                    self.held.take_due(Instant::now())
                }
                received = kafka.recv() => {
                    self.forget_what_was_assigned_anew();
                    match received {
                        Ok(message) => Some(self.accept(Received::of(&message))?),
                        Err(error) => {
                            self.judge(error)?;
                            None
                        }
                    }
                }
            };
            if let Some(attempt) = attempt {
                self.attempt(attempt).await;
            }
        }
    }

    /// The rebalance callbacks run inside `recv`, never while a record is in hand.
    fn forget_what_was_assigned_anew(&mut self) {
        for place in self.kafka.context().take_changed() {
            self.held.forget(&place);
        }
    }

    fn accept(&self, record: Received) -> Result<Attempt, ConsumerError> {
        let attempt = Attempt::first(record);
        if self.held.has(&attempt.place()) {
            let Received { topic, partition, kafka_offset, .. } = attempt.record;
            let name = self.config.name.clone();
            return Err(ConsumerError::OutOfTurn { name, topic, partition, kafka_offset });
        }
        Ok(attempt)
    }

    /// librdkafka reconnects by itself; only what it calls fatal ends the consumer.
    fn judge(&self, error: KafkaError) -> Result<(), ConsumerError> {
        if self.kafka.client().fatal_error().is_some() {
            return Err(ConsumerError::Kafka { name: self.config.name.clone(), source: error });
        }
        tracing::warn!(consumer = self.config.name, error = %error, "kafka does not deliver");
        Ok(())
    }

    /// One delivery, to its end: processed, held for another attempt, or a dead letter.
    async fn attempt(&mut self, mut attempt: Attempt) {
        let span = Processing::begin(&attempt.record, &self.config.name, attempt.failures());
        let error = match self.process(&attempt.record).with_context(span.context()).await {
            Ok(outcome) => {
                span.processed(outcome);
                let Received { event_id, topic, partition, kafka_offset, .. } = &attempt.record;
                tracing::debug!(
                    event_id,
                    topic,
                    partition,
                    kafka_offset,
                    ?outcome,
                    "event processed"
                );
                return self.pass(&attempt);
            }
            Err(error) => error,
        };
        let is_given_up = match error.disposition() {
            Disposition::Halt => {
                attempt.count(true);
                true
            }
            Disposition::Retry => {
                let may_be = error.may_be_the_events_fault();
                attempt.count(may_be && self.effect.is_at_hand().await);
                attempt.is_exhausted(&self.policy)
            }
        };
        span.failed(&error);
        if is_given_up {
            self.give_up(attempt, &error, &span).await;
        } else {
            self.hold(attempt, &error, &span);
        }
    }

    async fn process(&self, record: &Received) -> Result<Outcome, HandlerError> {
        let limit = self.config.attempt_time_max;
        let processing = self.effect.process(&self.config.name, record);
        match tokio::time::timeout(limit, AssertUnwindSafe(processing).catch_unwind()).await {
            Ok(Ok(processed)) => processed,
            // One record must not end the service again and again. Nothing of the handler's is left
            // but what it shares with others, and the transaction is rolled back.
            Ok(Err(panic)) => Err(HandlerError::transient(format!(
                "the handler panicked: {}",
                message_of(panic.as_ref())
            ))),
            // Dropped, the transaction is rolled back.
            Err(_) => Err(HandlerError::transient(format!("not done within {limit:?}"))),
        }
    }

    async fn give_up(&mut self, attempt: Attempt, error: &HandlerError, span: &Processing) {
        let Received { event_id, topic, partition, kafka_offset, .. } = &attempt.record;
        match self.dead_letters.write(&attempt, &error.to_string()).await {
            Ok(()) => {
                span.given_up(&self.config.dead_letter_topic);
                let attempts = attempt.counted;
                tracing::error!(
                    consumer = self.config.name, event_id, topic, partition, kafka_offset, attempts,
                    error = %error, "event given up, to be found among the dead letters"
                );
                self.pass(&attempt);
            }
            // Not to be lost: held until Kafka takes it.
            Err(refused) => {
                tracing::error!(event_id, error = %refused, "dead letter not written");
                self.hold(attempt, error, span);
            }
        }
    }

    /// The partition stands still until the record is due again.
    fn hold(&mut self, attempt: Attempt, error: &HandlerError, span: &Processing) {
        let backoff = attempt.backoff(&self.policy);
        span.retried(backoff);
        let Received { event_id, topic, partition, kafka_offset, .. } = &attempt.record;
        tracing::warn!(
            consumer = self.config.name, event_id, topic, partition, kafka_offset,
            attempts = attempt.counted, ?backoff, error = %error, "event not processed, tried again"
        );
        if let Err(error) = self.kafka.pause(&one(&attempt)) {
            // Only a partition that is no longer assigned cannot be paused; `accept` watches.
            tracing::debug!(error = %error, "partition not paused");
        }
        self.held.hold(attempt, Instant::now() + backoff);
    }

    /// The partition goes on behind the record.
    fn pass(&self, attempt: &Attempt) {
        let Received { topic, partition, kafka_offset, .. } = &attempt.record;
        // Both fail only for a partition that another member has by now: it gets the record again
        // and finds a duplicate.
        if let Err(error) = self.kafka.store_offset(topic, *partition, *kafka_offset) {
            tracing::debug!(topic, partition, error = %error, "offset not stored");
        }
        if attempt.has_been_held()
            && let Err(error) = self.kafka.resume(&one(attempt))
        {
            tracing::debug!(topic, partition, error = %error, "partition not resumed");
        }
    }
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn one(attempt: &Attempt) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition(&attempt.record.topic, attempt.record.partition);
    list
}

/// Remembers which partitions came or went.
#[derive(Debug, Default)]
struct Assignment {
    changed: Mutex<Vec<Place>>,
}

impl Assignment {
    fn take_changed(&self) -> Vec<Place> {
        std::mem::take(&mut self.changed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, partitions: &TopicPartitionList) {
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let places = partitions.elements();
        changed.extend(places.iter().map(|place| (place.topic().to_owned(), place.partition())));
    }
}

impl ClientContext for Assignment {}

impl ConsumerContext for Assignment {
    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.note(partitions);
                // A pause may outlive the assignment that it was meant for.
                if let Err(error) = consumer.resume(partitions) {
                    tracing::debug!(error = %error, "partitions not resumed");
                }
            }
            Rebalance::Revoke(partitions) => self.note(partitions),
            Rebalance::Error(error) => tracing::warn!(error = %error, "rebalance failed"),
        }
    }
}
