//! A database on a shared server, one topic of one partition: what went in, in which order, is what
//! comes out.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};
use mysql_async::{Conn, prelude::Queryable};
use rowpost_tests::{KafkaBroker, MysqlServer, Relay, Setup, outbox, relay::RelayConfig};

use crate::{
    consumer::{self, Record},
    stack::LONG,
};

/// A database of the test's own, whose name is also the relay's `source` and the aggregate type.
pub(crate) struct Case<'s> {
    pub(crate) mysql: &'s MysqlServer,
    pub(crate) kafka: &'static KafkaBroker,
    pub(crate) database: String,
}

impl Case<'static> {
    /// On the set-up's shared server.
    pub(crate) async fn shared(setup: Setup, name: &str) -> Result<Self> {
        Self::on(MysqlServer::shared(setup).await?, name).await
    }
}

impl<'s> Case<'s> {
    /// With the outbox table of `sql/`, and a table `other`.
    pub(crate) async fn on(mysql: &'s MysqlServer, name: &str) -> Result<Self> {
        static CASES: AtomicU32 = AtomicU32::new(0);
        let number = CASES.fetch_add(1, Ordering::Relaxed);
        let database = format!("{name}_{}_{number}", std::process::id());
        outbox::create(mysql, &database).await?;
        let other = "create table other (n bigint auto_increment primary key, t longtext)";
        mysql.exec(format!("use `{database}`; {other}")).await?;
        let case = Self { mysql, kafka: KafkaBroker::shared().await?, database };
        case.create_topic(&case.topic(), 1).await?;
        Ok(case)
    }

    pub(crate) async fn create_topic(&self, topic: &str, partitions: i32) -> Result<()> {
        // Larger than any record in here.
        let settings = [("max.message.bytes", "67108864")];
        self.kafka.create_topic(topic, partitions, &settings).await
    }

    pub(crate) fn topic(&self) -> String {
        outbox::topic(&self.database)
    }

    /// Begins at the end of the binlog: what others wrote before on a shared server is none of ours.
    pub(crate) fn config(&self) -> Result<RelayConfig> {
        let mut config = RelayConfig::new(self.mysql, self.kafka, &self.database)?;
        config
            .set_text("mysql.start", "latest")
            .set("kafka.properties", "{ \"message.max.bytes\" = \"67108864\" }");
        Ok(config)
    }

    /// A relay of that configuration that has found its start.
    pub(crate) async fn relay(&self) -> Result<Relay> {
        self.relay_with(self.config()?).await
    }

    pub(crate) async fn relay_with(&self, config: RelayConfig) -> Result<Relay> {
        let relay = Relay::start(config).await?;
        relay.wait_ready(LONG).await;
        Ok(relay)
    }

    pub(crate) async fn session(&self) -> Result<Session> {
        let mut connection = self.mysql.connect().await?;
        connection.query_drop(format!("use `{}`", self.database)).await?;
        Ok(Session { connection, aggregate_type: self.database.clone(), next: 0, ids: Vec::new() })
    }

    /// The records of the case's topic, once there are `count`.
    pub(crate) async fn records(&self, count: usize) -> Result<Vec<Record>> {
        consumer::read(self.kafka, &self.topic(), count).await
    }

    /// Every id that counts as committed arrives once, in order, and nothing else does. Inserts a last
    /// row: what should not be published would stand before it.
    pub(crate) async fn expect(&self, session: &mut Session) -> Result<Vec<Record>> {
        session.insert(1).await?;
        let records = self.records(session.ids.len()).await?;
        let ids: Vec<&str> = records.iter().map(Record::event_id).collect();
        assert_eq!(ids, session.ids);
        Ok(records)
    }
}

/// A connection in the case's database that knows which rows must arrive.
pub(crate) struct Session {
    connection: Conn,
    aggregate_type: String,
    next: u32,
    /// Ids of rows that are committed, or will be, in their order.
    pub(crate) ids: Vec<String>,
}

impl Session {
    pub(crate) async fn run(&mut self, statement: impl AsRef<str>) -> Result<()> {
        let statement = statement.as_ref();
        let shown: String = statement.chars().take(200).collect();
        self.connection
            .query_drop(statement)
            .await
            .with_context(|| format!("statement failed: {shown}"))
    }

    /// Runs each of the statements.
    pub(crate) async fn run_all(&mut self, statements: &[&str]) -> Result<()> {
        for statement in statements {
            self.run(statement).await?;
        }
        Ok(())
    }

    /// Another connection, after the server was away, or to another one. What must arrive stays the same.
    pub(crate) async fn reconnect(&mut self, case: &Case<'_>) -> Result<()> {
        self.connection = case.session().await?.connection;
        Ok(())
    }

    pub(crate) fn id(&mut self) -> String {
        self.next += 1;
        Self::id_of(self.next)
    }

    /// The id of the row that was the `number`th to be asked for, from one on.
    pub(crate) fn id_of(number: u32) -> String {
        format!("00000000-0000-4000-8000-{number:012}")
    }

    /// The number of the next row.
    pub(crate) fn upcoming(&self) -> u32 {
        self.next + 1
    }

    /// One statement with so many rows that count as committed.
    pub(crate) async fn insert(&mut self, rows: usize) -> Result<()> {
        let ids: Vec<String> = (0..rows).map(|_| self.id()).collect();
        self.insert_ids(&ids, 10).await?;
        self.ids.extend(ids);
        Ok(())
    }

    /// One row with so long a payload.
    pub(crate) async fn insert_long(&mut self, length: usize) -> Result<()> {
        let id = self.id();
        self.insert_ids(std::slice::from_ref(&id), length).await?;
        self.ids.push(id);
        Ok(())
    }

    /// Rows that will be rolled back.
    pub(crate) async fn insert_in_vain(&mut self, rows: usize) -> Result<()> {
        let ids: Vec<String> = (0..rows).map(|_| self.id()).collect();
        self.insert_ids(&ids, 10).await
    }

    async fn insert_ids(&mut self, ids: &[String], length: usize) -> Result<()> {
        let rows: Vec<String> = ids
            .iter()
            .map(|id| {
                let kind = &self.aggregate_type;
                format!("('{id}','{kind}','k','Placed',json_quote(repeat('p',{length})))")
            })
            .collect();
        self.run(format!(
            "insert into outbox (id, aggregatetype, aggregateid, type, payload) values {}",
            rows.join(",")
        ))
        .await
    }

    pub(crate) async fn insert_other(&mut self) -> Result<()> {
        self.run("insert into other (t) values ('o')").await
    }
}
