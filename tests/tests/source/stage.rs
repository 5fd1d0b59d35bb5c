//! A database of the test's own, and the source reading it.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use mysql_async::{Conn, prelude::Queryable};
use prometheus_client::registry::Registry;
use rowpost::{
    config::{Config, StartPolicy},
    metrics::Metrics,
    position::Position,
    source::{
        self, Chunk, SourceError,
        mysql::{ConnectOptions, Connection},
        server::ServerFacts,
        start,
    },
};
use rowpost_tests::{MysqlServer, outbox};
use serde_json::{Value, json};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Longer than anything here takes, also on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) struct Stage<'s> {
    pub(crate) mysql: &'s MysqlServer,
    pub(crate) database: String,
    settings: Value,
}

impl<'s> Stage<'s> {
    /// With an outbox table, and a table `other`.
    pub(crate) async fn new(mysql: &'s MysqlServer) -> Result<Self> {
        let database = format!("d{}", Uuid::new_v4().simple());
        outbox::create(mysql, &database).await?;
        mysql
            .exec(format!(
                "create table `{database}`.other (n bigint auto_increment primary key, t longtext)"
            ))
            .await?;
        let settings = json!({
            "source": database,
            "mysql": {
                "url": mysql.url(),
                "heartbeat_interval": "250ms",
                "connect_timeout": "10s",
                "start": "latest",
            },
            "kafka": { "bootstrap_servers": "unused:1" },
            "outbox": [{ "table": format!("{database}.outbox") }],
            "checkpoint": { "interval": "200ms" },
            "limits": { "retry_backoff_max": "500ms" },
        });
        Ok(Self { mysql, database, settings })
    }

    /// `/mysql/url`, for example.
    pub(crate) fn set(&mut self, pointer: &str, value: Value) {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer begins with a slash");
        let parent = self.settings.pointer_mut(parent).expect("the section is there");
        parent[key] = value;
    }

    pub(crate) fn config(&self) -> Result<Config> {
        Ok(serde_json::from_value(self.settings.clone())?)
    }

    /// A connection whose default database is the test's.
    pub(crate) async fn writer(&self) -> Result<Writer> {
        let mut connection = self.mysql.connect().await?;
        connection.query_drop(format!("use `{}`", self.database)).await?;
        Ok(Writer { connection, next: 0, committed: Vec::new() })
    }

    /// Where a relay without a checkpoint begins.
    pub(crate) async fn start(&self, policy: StartPolicy) -> Result<Position> {
        let mut connection = Connection::open(&ConnectOptions::new(&self.config()?.mysql)).await?;
        let server = ServerFacts::query(&mut connection).await?;
        Ok(start::resolve(None, &policy, &server)?)
    }

    pub(crate) fn read_from(&self, start: Position) -> Result<Reading> {
        self.read_with(start, 64 << 20)
    }

    /// Reads with so many bytes in flight.
    pub(crate) fn read_with(&self, start: Position, in_flight: usize) -> Result<Reading> {
        let (chunks, received) = mpsc::channel(10_000);
        let stop = CancellationToken::new();
        let metrics = Metrics::register(&mut Registry::default());
        let in_flight = Arc::new(Semaphore::new(in_flight));
        let follow = source::Reading::follow(
            start.clone(),
            chunks,
            in_flight,
            metrics.clone(),
            stop.clone(),
        );
        let running = tokio::spawn(source::run(self.config()?, follow));
        Ok(Reading {
            received,
            running,
            stop,
            metrics,
            position: start,
            ids: Vec::new(),
            positions: Vec::new(),
            empty_chunks: 0,
        })
    }

    pub(crate) async fn read(&self) -> Result<Reading> {
        self.read_from(self.start(StartPolicy::Latest).await?)
    }
}

/// Writes rows whose ids say in which order they were committed.
pub(crate) struct Writer {
    pub(crate) connection: Conn,
    next: u64,
    pub(crate) committed: Vec<String>,
}

impl Writer {
    pub(crate) async fn run(&mut self, statement: &str) -> Result<()> {
        self.connection
            .query_drop(statement)
            .await
            .with_context(|| format!("statement failed: {statement}"))
    }

    /// An id that no other row has.
    pub(crate) fn id(&mut self) -> String {
        self.next += 1;
        format!("00000000-0000-4000-8000-{:012}", self.next)
    }

    /// Inserts one row for each of these payload lengths, in one statement. They count as committed.
    pub(crate) async fn insert(&mut self, lengths: &[usize]) -> Result<()> {
        let ids: Vec<String> = lengths.iter().map(|_| self.id()).collect();
        self.insert_ids(&ids, lengths).await?;
        self.committed.extend(ids);
        Ok(())
    }

    /// The same, of rows that will be rolled back.
    pub(crate) async fn insert_in_vain(&mut self, lengths: &[usize]) -> Result<()> {
        let ids: Vec<String> = lengths.iter().map(|_| self.id()).collect();
        self.insert_ids(&ids, lengths).await
    }

    async fn insert_ids(&mut self, ids: &[String], lengths: &[usize]) -> Result<()> {
        let rows: Vec<String> = std::iter::zip(ids, lengths)
            .map(|(id, length)| {
                format!(
                    "('{id}', 'order', 'k{}', 'Placed', json_quote(repeat('p', {length})))",
                    id.len() % 7
                )
            })
            .collect();
        self.run(&format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) values {}",
            rows.join(", ")
        ))
        .await
    }

    pub(crate) async fn insert_other(&mut self, length: usize) -> Result<()> {
        self.run(&format!("insert into other (t) values (repeat('o', {length}))")).await
    }
}

/// The source at work, and what it has given so far.
pub(crate) struct Reading {
    pub(crate) received: mpsc::Receiver<Chunk>,
    running: JoinHandle<Result<(), SourceError>>,
    stop: CancellationToken,
    pub(crate) metrics: Metrics,
    /// After everything received.
    pub(crate) position: Position,
    pub(crate) ids: Vec<String>,
    /// After each chunk with rows: how many rows there were, and the position.
    pub(crate) positions: Vec<(usize, Position)>,
    pub(crate) empty_chunks: usize,
}

impl Reading {
    /// Receives until there are so many rows.
    pub(crate) async fn until(&mut self, rows: usize) -> Result<()> {
        while self.ids.len() < rows {
            self.next().await.with_context(|| format!("{} of {rows} rows", self.ids.len()))?;
        }
        Ok(())
    }

    /// Receives until every row was read, and looks that there is nothing else.
    pub(crate) async fn expect(&mut self, committed: &[String]) -> Result<()> {
        self.until(committed.len()).await?;
        assert_eq!(self.ids, committed);
        Ok(())
    }

    pub(crate) async fn next(&mut self) -> Result<()> {
        match timeout(DEADLINE, self.received.recv()).await {
            Ok(Some(chunk)) => self.take(&chunk),
            Ok(None) => bail!("the source ended: {:?}", (&mut self.running).await),
            Err(_) => bail!("nothing within {DEADLINE:?}, at {:?}", self.position),
        }
        Ok(())
    }

    fn take(&mut self, chunk: &Chunk) {
        self.position.apply(&chunk.advance);
        for record in &chunk.records {
            let id = record.headers[0].value.clone().expect("every row has an id");
            self.ids.push(String::from_utf8(id).expect("ids are text"));
        }
        if chunk.records.is_empty() {
            self.empty_chunks += 1;
        } else {
            self.positions.push((self.ids.len(), self.position.clone()));
        }
    }

    /// Lets the source end, and returns how.
    pub(crate) async fn ended(mut self) -> Result<Result<(), SourceError>> {
        while let Some(chunk) = timeout(DEADLINE, self.received.recv()).await? {
            self.take(&chunk);
        }
        Ok(self.running.await?)
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.ended().await??;
        Ok(())
    }

    /// The error that the source ended with, with all its causes in one line.
    pub(crate) async fn error(self) -> Result<String> {
        match self.ended().await? {
            Ok(()) => bail!("the source ended without an error"),
            Err(error) => Ok(rowpost::error::Chain(&error).to_string()),
        }
    }

    pub(crate) fn retries(&self) -> u64 {
        let label = rowpost::metrics::StageLabel { stage: "source" };
        self.metrics.retries.get_or_create(&label).get()
    }
}
