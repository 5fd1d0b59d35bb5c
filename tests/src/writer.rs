//! Writers → committed and rolled-back outbox rows, all in the ledger.
//!
//! Promises:
//! - the ledger says "committed" of exactly the rows that are in the table for good: where the server
//!   went away during a commit, the writer looks afterwards what became of it;
//! - each key has one writer, so the order of its rows is known;
//! - writers outlive the server's restarts and failures.

mod session;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use mysql_async::{Opts, OptsBuilder};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, Interval, interval_at},
};

use self::session::Session;
use crate::{
    MysqlServer, Random,
    ledger::{EventId, Ledger, Outcome},
    outbox::{self, Row},
};

/// What to write. The defaults are a moderate load of small transactions.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    pub writers: u32,
    /// Distinct keys, dealt out to the writers.
    pub keys: u32,
    pub rows_per_transaction: u32,
    /// Of all writers together; `None`: as fast as the server commits.
    pub rows_per_second: Option<f64>,
    /// Share of transactions that roll back, 0 to 1.
    pub rollback_share: f64,
    /// Share of transactions that are XA branches, 0 to 1. They must not lose their server.
    pub xa_share: f64,
    pub payload_bytes: usize,
    pub database: String,
    pub aggregate_type: String,
    /// Ends by itself once so many rows are committed (each writer finishes its transaction).
    pub rows_max: Option<u64>,
    /// Hears of every transaction as it ends; a writer waits while the queue is full.
    pub witness: Option<mpsc::Sender<Ended>>,
}

/// A transaction that has ended.
#[derive(Debug, Clone)]
pub struct Ended {
    pub events: Vec<EventId>,
    pub outcome: Outcome,
    /// When the server's answer to COMMIT or ROLLBACK was there.
    pub at: std::time::Instant,
}

impl WriterOptions {
    /// Into `<database>.outbox`, for the topic `outbox.event.<aggregate_type>`.
    pub fn new(database: &str, aggregate_type: &str) -> Self {
        Self {
            writers: 4,
            keys: 64,
            rows_per_transaction: 1,
            rows_per_second: None,
            rollback_share: 0.1,
            xa_share: 0.0,
            payload_bytes: 300,
            database: database.to_owned(),
            aggregate_type: aggregate_type.to_owned(),
            rows_max: None,
            witness: None,
        }
    }
}

/// Writers at work.
#[derive(Debug)]
pub struct Writers {
    run: u32,
    shared: Arc<Shared>,
    tasks: JoinSet<Result<Ledger>>,
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    committed: AtomicU64,
}

impl Writers {
    /// Starts them; the run's identity and all choices come from `random`.
    pub fn start(
        mysql: &MysqlServer,
        options: &WriterOptions,
        random: &mut Random,
    ) -> Result<Self> {
        ensure!(options.keys >= options.writers, "each writer needs a key of its own");
        let run = random.below(EventId::RUNS);
        let shared = Arc::new(Shared::default());
        let mut tasks = JoinSet::new();
        let opts: Opts =
            OptsBuilder::from_opts(Opts::from_url(mysql.url())?).prefer_socket(false).into();
        for number in 0..options.writers {
            let keys = (0..options.keys).filter(|key| key % options.writers == number).collect();
            let writer = Writer {
                session: Session::new(opts.clone(), &options.database),
                options: options.clone(),
                keys,
                ledger: Ledger::new(run),
                random: random.fork(),
                shared: Arc::clone(&shared),
            };
            tasks.spawn(writer.run());
        }
        Ok(Self { run, shared, tasks })
    }

    /// What the reader of the topic must know.
    pub fn run(&self) -> u32 {
        self.run
    }

    /// Rows committed so far.
    pub fn committed(&self) -> u64 {
        self.shared.committed.load(Ordering::Relaxed)
    }

    /// The same for somebody who looks on while `finish` waits.
    pub fn counter(&self) -> impl Fn() -> u64 + Send + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.committed.load(Ordering::Relaxed)
    }

    /// Lets each writer finish its transaction, and returns what was written.
    pub async fn stop(self) -> Result<Ledger> {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.finish().await
    }

    /// Waits until `rows_max` is reached.
    pub async fn finish(mut self) -> Result<Ledger> {
        let mut ledger = Ledger::new(self.run);
        while let Some(written) = self.tasks.join_next().await {
            ledger.merge(written.context("a writer panicked")??);
        }
        Ok(ledger)
    }
}

/// One writer with its own connection and keys.
struct Writer {
    session: Session,
    options: WriterOptions,
    keys: Vec<u32>,
    ledger: Ledger,
    random: Random,
    shared: Arc<Shared>,
}

impl Writer {
    async fn run(mut self) -> Result<Ledger> {
        let mut pace = self.pace();
        while !self.is_done() {
            if let Some(pace) = &mut pace {
                pace.tick().await;
            }
            self.transaction().await?;
        }
        Ok(self.ledger)
    }

    fn is_done(&self) -> bool {
        let committed = self.shared.committed.load(Ordering::Relaxed);
        self.shared.stop.load(Ordering::Relaxed)
            || self.options.rows_max.is_some_and(|most| committed >= most)
    }

    /// A tick per transaction; ticks missed while the server was away are made up for.
    fn pace(&mut self) -> Option<Interval> {
        let rows_per_second = self.options.rows_per_second?;
        let rows = f64::from(self.options.rows_per_transaction * self.options.writers);
        let period = Duration::from_secs_f64(rows / rows_per_second);
        // Writers that start together would otherwise commit together for ever.
        let offset = period.mul_f64(f64::from(self.random.below(1_000)) / 1_000.0);
        Some(interval_at(Instant::now() + offset, period))
    }

    async fn transaction(&mut self) -> Result<()> {
        let events = self.choose_rows();
        let rows: Vec<Row> = events
            .iter()
            .map(|event| {
                outbox::row(*event, &self.options.aggregate_type, self.options.payload_bytes)
            })
            .collect();
        let will_commit = !self.random.chance(self.options.rollback_share);
        let outcome = match self.random.chance(self.options.xa_share) {
            true => {
                // Most are committed at once, and others stay prepared over a kill.
                let held = if self.random.chance(0.9) { 0 } else { self.random.below(1_000) };
                let held = Duration::from_millis(u64::from(held));
                self.session.write_branch(&rows, will_commit, held).await?
            }
            false => self.session.write(&rows, will_commit).await?,
        };
        let at = std::time::Instant::now();
        for event in &events {
            self.ledger.record(event.key, outcome);
        }
        if outcome == Outcome::Committed {
            self.shared.committed.fetch_add(events.len() as u64, Ordering::Relaxed);
        }
        if let Some(witness) = &self.options.witness {
            witness.send(Ended { events, outcome, at }).await.context("the witness has gone")?;
        }
        Ok(())
    }

    fn choose_rows(&mut self) -> Vec<EventId> {
        let mut ahead = vec![0; self.keys.len()];
        let count = u32::try_from(self.keys.len()).expect("keys are 32 bits wide");
        (0..self.options.rows_per_transaction)
            .map(|_| {
                let index = self.random.below(count) as usize;
                let event = self.ledger.upcoming(self.keys[index], ahead[index]);
                ahead[index] += 1;
                event
            })
            .collect()
    }
}
