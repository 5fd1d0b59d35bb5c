//! A URL → a pool on a schema that is as the service needs it.

use std::time::{Duration, Instant};

use rowpost_outbox::{MySqlPool, schema};
use sqlx::{
    Executor as _,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

use crate::Failure;

/// As long as a database may take that is started together with the service.
const START_WITHIN: Duration = Duration::from_secs(60);
const START_POLL_INTERVAL: Duration = Duration::from_millis(500);

const CONNECTIONS_MAX: u32 = 16;

/// Waits for the server, then checks the tables of the outbox library, and that the service's own are
/// there: events that fail for the want of a table would become dead letters.
///
/// SERVER: read committed has no gap locks, on which orders that have nothing to do with each other
/// would wait or deadlock. Nothing here reads twice and hopes for the same: what must hold is said in
/// the `where` of the update that rests on it.
pub async fn connect(url: &str, tables: &[&'static str]) -> Result<MySqlPool, Failure> {
    if !url.starts_with("mysql://") {
        // The driver would take any scheme.
        let source = sqlx::Error::Configuration("it does not begin with mysql://".into());
        return Err(Failure::MysqlUrl { source });
    }
    let options: MySqlConnectOptions =
        url.parse().map_err(|source| Failure::MysqlUrl { source })?;
    let pool = MySqlPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|connection, _| {
            Box::pin(async move {
                connection
                    .execute("set session transaction isolation level read committed")
                    .await?;
                Ok(())
            })
        })
        .connect_lazy_with(options);
    let started = Instant::now();
    let mut connection = loop {
        match pool.acquire().await {
            Ok(connection) => break connection,
            Err(error) if is_worth_waiting(&error) && started.elapsed() < START_WITHIN => {
                tracing::warn!(%error, "the database does not answer yet");
                tokio::time::sleep(START_POLL_INTERVAL).await;
            }
            Err(source) => return Err(Failure::Mysql { source }),
        }
    };
    schema::check(&mut connection).await?;
    for &table in tables {
        let look = sqlx::AssertSqlSafe(format!("select 1 from {table} limit 0"));
        let looked = sqlx::query(look).execute(&mut *connection).await;
        looked.map_err(|source| Failure::Table { table, source })?;
    }
    drop(connection);
    Ok(pool)
}

/// A wrong password stays wrong.
fn is_worth_waiting(error: &sqlx::Error) -> bool {
    error.as_database_error().is_none()
}
