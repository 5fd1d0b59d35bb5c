//! One transaction → what became of it, also when the server went away in the middle.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mysql_async::{Conn, Error, Opts, prelude::Queryable};

use crate::{ledger::Outcome, outbox::Row};

/// How long the server may be away.
const AWAY_MAX: Duration = Duration::from_secs(120);
const RECONNECT_INTERVAL: Duration = Duration::from_millis(50);
/// Of one statement; below every server's `max_allowed_packet`.
const STATEMENT_BYTES_MAX: usize = 1 << 20;

/// A connection that comes back.
pub(super) struct Session {
    opts: Opts,
    table: String,
    connection: Option<Conn>,
}

impl Session {
    pub(super) fn new(opts: Opts, database: &str) -> Self {
        Self { opts, table: format!("`{database}`.outbox"), connection: None }
    }

    /// Writes the rows in one transaction.
    pub(super) async fn write(&mut self, rows: &[Row], will_commit: bool) -> Result<Outcome> {
        let mut connection = self.connection().await?;
        for statement in self.statements("begin", rows) {
            if let Err(error) = connection.query_drop(statement).await {
                // Without a COMMIT nothing stays, whatever the server got of the statement.
                must_be_passing(error).context("cannot insert outbox rows")?;
                return Ok(Outcome::RolledBack);
            }
        }
        let end = if will_commit { "commit" } else { "rollback" };
        match connection.query_drop(end).await {
            Ok(()) if will_commit => {
                self.connection = Some(connection);
                Ok(Outcome::Committed)
            }
            Ok(()) => {
                self.connection = Some(connection);
                Ok(Outcome::RolledBack)
            }
            Err(error) => {
                must_be_passing(error).with_context(|| format!("cannot {end}"))?;
                if will_commit { self.look_up(rows).await } else { Ok(Outcome::RolledBack) }
            }
        }
    }

    /// Writes the rows in an XA branch that stays prepared for so long.
    pub(super) async fn write_branch(
        &mut self,
        rows: &[Row],
        will_commit: bool,
        held: Duration,
    ) -> Result<Outcome> {
        let xid = rows.first().map(|row| row.id).context("a branch without rows")?;
        let mut connection = self.connection().await?;
        for statement in self.statements(&format!("xa start '{xid}'"), rows) {
            connection.query_drop(statement).await?;
        }
        connection.query_drop(format!("xa end '{xid}'; xa prepare '{xid}'")).await?;
        tokio::time::sleep(held).await;
        let end = if will_commit { "commit" } else { "rollback" };
        connection.query_drop(format!("xa {end} '{xid}'")).await?;
        self.connection = Some(connection);
        Ok(if will_commit { Outcome::Committed } else { Outcome::RolledBack })
    }

    /// `begin` goes with the first insert: a round trip less per transaction.
    fn statements(&self, begin: &str, rows: &[Row]) -> Vec<String> {
        let head = format!(
            "insert into {} (id, aggregatetype, aggregateid, type, payload) values ",
            self.table
        );
        let mut statements = vec![format!("{begin}; {head}")];
        let mut is_first = true;
        for Row { values, .. } in rows {
            let mut statement = statements.pop().unwrap_or_default();
            if statement.len() + values.len() > STATEMENT_BYTES_MAX && !is_first {
                statements.push(statement);
                statement = head.clone();
                is_first = true;
            }
            if !is_first {
                statement.push(',');
            }
            statement.push_str(values);
            statements.push(statement);
            is_first = false;
        }
        statements
    }

    /// The outcome of a COMMIT that was sent and not answered.
    async fn look_up(&mut self, rows: &[Row]) -> Result<Outcome> {
        let Some(Row { id, .. }) = rows.first() else { return Ok(Outcome::RolledBack) };
        // SERVER: the server may still be at the old connection's commit. A locking read waits for it.
        let query =
            format!("select count(*) from {} where id = '{id}' lock in share mode", self.table,);
        let started = Instant::now();
        loop {
            let mut connection = self.connection().await?;
            match connection.query_first::<u64, _>(&query).await {
                Ok(count) => {
                    self.connection = Some(connection);
                    let is_there = count.context("count(*) without a row")? > 0;
                    return Ok(if is_there { Outcome::Committed } else { Outcome::RolledBack });
                }
                Err(error) => must_be_passing(error).context("cannot look a row up")?,
            }
            if started.elapsed() > AWAY_MAX {
                bail!("cannot find out within {AWAY_MAX:?} whether a transaction was committed");
            }
        }
    }

    async fn connection(&mut self) -> Result<Conn> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let started = Instant::now();
        loop {
            match Conn::new(self.opts.clone()).await {
                Ok(connection) => return Ok(connection),
                Err(error) if started.elapsed() > AWAY_MAX => {
                    return Err(error).context("MySQL did not come back");
                }
                Err(_) => tokio::time::sleep(RECONNECT_INTERVAL).await,
            }
        }
    }
}

/// An error that goes away with a new connection; others are the test's mistake.
fn must_be_passing(error: Error) -> Result<()> {
    // Shutdown, query interrupted, connection killed (two numbers), lock wait, deadlock.
    const PASSING: [u16; 6] = [1053, 1317, 1927, 3169, 1205, 1213];
    match error {
        Error::Io(_) | Error::Driver(_) => Ok(()),
        Error::Server(error) if PASSING.contains(&error.code) => Ok(()),
        error @ (Error::Server(_) | Error::Other(_) | Error::Url(_)) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn rows_are_split_into_statements_below_the_packet_limit_and_none_is_left_out() {
        let session = Session::new(Opts::default(), "db");
        let row = |row| Row { id: Uuid::nil(), values: format!("({row:0>60000})") };
        let rows: Vec<Row> = (0..50).map(row).collect();

        let statements = session.statements("begin", &rows);

        assert_eq!(statements.len(), 3);
        assert!(statements.iter().all(|statement| statement.len() <= STATEMENT_BYTES_MAX));
        assert!(statements[0].starts_with("begin; insert") && statements[1].starts_with("insert"));
        let written: usize =
            statements.iter().map(|statement| statement.matches("(0").count()).sum();
        assert_eq!(written, rows.len());
        assert_eq!(statements.concat().matches(",(").count(), rows.len() - statements.len());
    }
}
