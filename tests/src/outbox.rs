//! The outbox table of the tests: the one in `sql/`, in a database of the test's own.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result};
use uuid::Uuid;

pub use crate::payload::payload;
use crate::{MysqlServer, ledger::EventId};

/// A file below `sql/`.
pub fn sql(name: &str) -> Result<String> {
    let file = workspace().join("sql").join(name);
    fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))
}

/// The root of the repository.
pub fn workspace() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// Makes `database` with the table `outbox` in it.
pub async fn create(mysql: &MysqlServer, database: &str) -> Result<()> {
    let table = sql("outbox/0001_outbox.sql")?;
    mysql.exec(format!("create database `{database}`; use `{database}`; {table}")).await
}

/// Makes the relay's account `rowpost` with the grants in `sql/`; its outbox table is
/// `<database>.outbox`.
pub async fn create_account(mysql: &MysqlServer, database: &str) -> Result<()> {
    mysql.exec(sql("accounts/0001_rowpost.sql")?).await?;
    let select = sql("accounts/0002_rowpost_select.sql")?;
    mysql.exec(select.replace("shop.outbox", &format!("`{database}`.outbox"))).await
}

/// A row to insert.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: Uuid,
    /// `('id','type','key','event','{…}')`
    pub values: String,
}

/// A row of this moment with a payload of `payload_bytes`. All of it is plain ASCII without quotes, so
/// nothing needs escaping.
pub fn row(event: EventId, aggregate_type: &str, payload_bytes: usize) -> Row {
    let id = event.to_uuid();
    let (key, payload) = (event.aggregate_id(), payload(event, payload_bytes));
    Row { id, values: format!("('{id}','{aggregate_type}','{key}','Written','{payload}')") }
}

/// The topic that rows of this aggregate type go to by default.
pub fn topic(aggregate_type: &str) -> String {
    format!("outbox.event.{aggregate_type}")
}
