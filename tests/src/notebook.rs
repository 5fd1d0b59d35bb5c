//! A service for the tests of the outbox library: it notes each event and tells that it has.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use anyhow::Result;
use rowpost_outbox::{
    Event, Handler, HandlerError, Headers, MySql, Outbox, Received, Transaction, schema,
};
use serde::{Deserialize, Serialize};
use sqlx::MySqlPool;

use crate::MysqlServer;

/// Duplicates are let in, so that a test sees them. 5.7 knows no character of Korean by default.
const TABLE: &str = "create table note (number bigint auto_increment primary key, \
                     event_id varchar(290) not null, text varchar(100) not null) \
                     default character set utf8mb4";

/// A schema of the test's own with the tables of the library and `note`, and its URL.
pub async fn schema(mysql: &MysqlServer, name: &str) -> Result<(MySqlPool, String)> {
    let database = format!("{name}_{:?}_{}", mysql.setup(), std::process::id()).to_lowercase();
    mysql.exec(format!("create database `{database}`")).await?;
    let url = format!("{}/{database}", mysql.url().trim_end_matches('/'));
    let pool = MySqlPool::connect(&url).await?;
    schema::install(&mut *pool.acquire().await?).await?;
    sqlx::raw_sql(TABLE).execute(&pool).await?;
    Ok((pool, url))
}

/// The texts in the order in which they were noted.
pub async fn notes(pool: &MySqlPool) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("select text from note order by number").fetch_all(pool).await?)
}

/// What is noted, and what is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noted {
    pub text: String,
}

impl Event for Noted {
    fn aggregate_type(&self) -> &str {
        "note"
    }
    fn aggregate_id(&self) -> &str {
        &self.text
    }
    fn event_type(&self) -> &str {
        "Noted"
    }
}

/// Notes everything but what it is asked to refuse: the texts `poison` and `panic` for ever,
/// `transient` as often as `transient_failures` says. They are refused after the writes, which must
/// not stay.
#[derive(Debug, Clone, Default)]
pub struct Notebook {
    pub transient_failures: Arc<AtomicU32>,
    /// Deliveries, those that failed included.
    pub deliveries: Arc<AtomicU32>,
}

impl Handler for Notebook {
    async fn handle(
        &self,
        transaction: &mut Transaction<'_, MySql>,
        event: &Received,
    ) -> Result<(), HandlerError> {
        self.deliveries.fetch_add(1, Ordering::Relaxed);
        let noted: Noted = event.json()?;
        sqlx::query("insert into note (event_id, text) values (?, ?)")
            .bind(&event.event_id)
            .bind(&noted.text)
            .execute(&mut **transaction)
            .await?;
        Outbox::default().append(transaction, &noted, &Headers::caused_by(event)).await?;
        match noted.text.as_str() {
            "panic" => panic!("an invariant is broken"),
            "poison" => Err(HandlerError::transient("it is poison")),
            "transient" if self.is_to_fail() => Err(HandlerError::transient("not now")),
            _ => Ok(()),
        }
    }
}

impl Notebook {
    fn is_to_fail(&self) -> bool {
        let one_less = |failures: u32| failures.checked_sub(1);
        self.transient_failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok()
    }
}
