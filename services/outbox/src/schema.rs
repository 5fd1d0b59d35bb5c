//! The tables of this crate: shipped, installed, and looked at before the service starts.
//!
//! Promises: a service that has passed [`check`] does not find out at its first order that a column
//! is missing, or that nothing keeps duplicates out of its inbox.
//!
//! There is no table of versions. What a migration adds is looked for by name, so that it does not
//! matter whether [`install`], the service's own migration tool or a person has run the file.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::MySqlConnection;

/// One file below `sql/`, of one statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// From the root of the repository.
    pub file: &'static str,
    /// Its text.
    pub sql: &'static str,
    /// What it makes or changes.
    pub table: &'static str,
    /// What is there after it and was not before.
    pub columns: &'static [&'static str],
}

/// In the order in which they are to run.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        file: "sql/outbox/0001_outbox.sql",
        sql: include_str!("../../../sql/outbox/0001_outbox.sql"),
        table: "outbox",
        columns: &["id", "aggregatetype", "aggregateid", "type", "payload"],
    },
    Migration {
        file: "sql/outbox/0002_headers.sql",
        sql: include_str!("../../../sql/outbox/0002_headers.sql"),
        table: "outbox",
        columns: &["traceparent", "correlation_id", "causation_id"],
    },
    Migration {
        file: "sql/inbox/0001_inbox.sql",
        sql: include_str!("../../../sql/inbox/0001_inbox.sql"),
        table: "inbox",
        columns: &["consumer", "event_id", "processed_at"],
    },
];

/// Which columns, case as declared, make duplicates impossible.
const INBOX_KEY: &str = "consumer,event_id";

/// Why the service must not start.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The connection's URL names none.
    #[error("the connection has no schema: name one in the URL, as in mysql://host/order")]
    NoSchema,
    /// A migration did not run.
    #[error(
        "table `{schema}.{table}` is missing, or this account has no privilege on it: run {file}, or \
         `rowpost_outbox::schema::install`"
    )]
    MissingTable {
        /// Of the connection.
        schema: String,
        /// Expected in it.
        table: &'static str,
        /// The migration that makes it.
        file: &'static str,
    },
    /// A migration did not run, or the table is another one.
    #[error("table `{schema}.{table}` lacks {}: run {file}, or `rowpost_outbox::schema::install`",
        columns.join(", "))]
    MissingColumns {
        /// Of the connection.
        schema: String,
        /// That is there.
        table: &'static str,
        /// That are not.
        columns: Vec<&'static str>,
        /// The migration that adds them.
        file: &'static str,
    },
    /// Two deliveries would have two effects.
    #[error(
        "table `{schema}.inbox` has no unique key of exactly (consumer, event_id), so that nothing \
         recognises a duplicate: `alter table inbox add primary key (consumer, event_id)`"
    )]
    NoInboxKey {
        /// Of the connection.
        schema: String,
    },
    /// Its rows would stay after a rollback.
    #[error(
        "table `{schema}.{table}` has the engine {engine}, which knows no transactions: \
         `alter table {table} engine = InnoDB`"
    )]
    NotTransactional {
        /// Of the connection.
        schema: String,
        /// That is there.
        table: &'static str,
        /// What it has.
        engine: String,
    },
    /// Another instance installs for longer than is reasonable.
    #[error("another connection has held the lock of the migrations of `{schema}` for {seconds} s")]
    Locked {
        /// Of the connection.
        schema: String,
        /// As long as was waited.
        seconds: i64,
    },
    /// MySQL refuses or is gone.
    #[error("cannot {doing}: {source}")]
    Database {
        /// What was tried.
        doing: String,
        /// MySQL's answer.
        source: sqlx::Error,
    },
}

// SERVER: the name of a lock holds for the whole server and has at most 64 characters; MySQL 9 has no
// md5().
const LOCK: &str =
    "select get_lock(concat('rowpost-outbox ', left(sha2(database(), 256), 40)), 60)";
const UNLOCK: &str =
    "select release_lock(concat('rowpost-outbox ', left(sha2(database(), 256), 40)))";
/// As in `LOCK`.
const LOCK_SECONDS_MAX: i64 = 60;

/// Runs what is missing, one instance at a time, then [`check`]s. Needs the right to create and alter
/// tables; a service whose account has none runs the files by other means and only checks.
pub async fn install(connection: &mut MySqlConnection) -> Result<(), SchemaError> {
    let schema = schema_of(connection).await?;
    let locked: Option<i64> = one(connection, "take the lock of the migrations", LOCK).await?;
    if locked != Some(1) {
        return Err(SchemaError::Locked { schema, seconds: LOCK_SECONDS_MAX });
    }
    let installed = install_missing(connection, &schema).await;
    let _: Option<i64> = one(connection, "release the lock", UNLOCK).await?;
    installed?;
    check(connection).await
}

async fn install_missing(
    connection: &mut MySqlConnection,
    schema: &str,
) -> Result<(), SchemaError> {
    for migration in MIGRATIONS {
        let columns = columns(connection, schema).await?;
        let there = columns.get(migration.table);
        let is_new = |column: &&str| there.is_none_or(|there| !there.contains(*column));
        // One that is there in part is not ours; the check says so.
        if migration.columns.iter().all(is_new) {
            sqlx::raw_sql(migration.sql)
                .execute(&mut *connection)
                .await
                .map_err(|source| error(&format!("run {}", migration.file), source))?;
            tracing::info!(schema, migration = migration.file, "migration installed");
        }
    }
    Ok(())
}

/// An error that names what is missing and the file that brings it.
pub async fn check(connection: &mut MySqlConnection) -> Result<(), SchemaError> {
    let schema = schema_of(connection).await?;
    let columns = columns(connection, &schema).await?;
    if let Some(missing) = MIGRATIONS
        .iter()
        .find_map(|migration| missing(migration, &schema, columns.get(migration.table)))
    {
        return Err(missing);
    }
    check_engines(connection, &schema).await?;
    check_inbox_key(connection, &schema).await
}

/// What of a migration is not there, given the columns of its table.
fn missing(
    migration: &Migration,
    schema: &str,
    there: Option<&BTreeSet<String>>,
) -> Option<SchemaError> {
    let (schema, Migration { table, file, .. }) = (schema.to_owned(), *migration);
    let Some(there) = there else {
        return Some(SchemaError::MissingTable { schema, table, file });
    };
    let columns: Vec<_> =
        migration.columns.iter().copied().filter(|column| !there.contains(*column)).collect();
    if columns.is_empty() {
        return None;
    }
    Some(SchemaError::MissingColumns { schema, table, columns, file })
}

async fn schema_of(connection: &mut MySqlConnection) -> Result<String, SchemaError> {
    let schema: Option<String> = one(connection, "ask for the schema", "select database()").await?;
    schema.ok_or(SchemaError::NoSchema)
}

/// Table → its columns, in lower case: the server does not mind the case of a column.
async fn columns(
    connection: &mut MySqlConnection,
    schema: &str,
) -> Result<BTreeMap<String, BTreeSet<String>>, SchemaError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "select cast(table_name as char), lower(cast(column_name as char)) \
         from information_schema.columns \
         where table_schema = ? and table_name in ('outbox', 'inbox')",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
    .map_err(|source| error("read the columns", source))?;
    let mut columns: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (table, column) in rows {
        columns.entry(table).or_default().insert(column);
    }
    Ok(columns)
}

async fn check_engines(connection: &mut MySqlConnection, schema: &str) -> Result<(), SchemaError> {
    for table in ["outbox", "inbox"] {
        let engine: Option<String> = sqlx::query_scalar(
            "select cast(engine as char) from information_schema.tables \
             where table_schema = ? and table_name = ?",
        )
        .bind(schema)
        .bind(table)
        .fetch_one(&mut *connection)
        .await
        .map_err(|source| error("read the engine", source))?;
        let engine = engine.unwrap_or_else(|| "of a view".to_owned());
        if !engine.eq_ignore_ascii_case("InnoDB") {
            let schema = schema.to_owned();
            return Err(SchemaError::NotTransactional { schema, table, engine });
        }
    }
    Ok(())
}

async fn check_inbox_key(
    connection: &mut MySqlConnection,
    schema: &str,
) -> Result<(), SchemaError> {
    let keys: Vec<String> = sqlx::query_scalar(
        "select cast(group_concat(lower(column_name) order by lower(column_name)) as char) \
         from information_schema.statistics \
         where table_schema = ? and table_name = 'inbox' and non_unique = 0 and sub_part is null \
         group by index_name",
    )
    .bind(schema)
    .fetch_all(connection)
    .await
    .map_err(|source| error("read the keys of the inbox", source))?;
    if keys.iter().any(|key| key == INBOX_KEY) {
        return Ok(());
    }
    Err(SchemaError::NoInboxKey { schema: schema.to_owned() })
}

async fn one<T>(
    connection: &mut MySqlConnection,
    doing: &str,
    sql: &'static str,
) -> Result<Option<T>, SchemaError>
where
    T: Send + Unpin,
    for<'row> T: sqlx::Decode<'row, sqlx::MySql> + sqlx::Type<sqlx::MySql>,
{
    sqlx::query_scalar::<_, Option<T>>(sql)
        .fetch_one(connection)
        .await
        .map_err(|source| error(doing, source))
}

fn error(doing: &str, source: sqlx::Error) -> SchemaError {
    SchemaError::Database { doing: doing.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn missing_column_is_named_with_the_file_that_adds_it() {
        let there = columns(&["id", "traceparent", "causation_id"]);

        let error = missing(&MIGRATIONS[1], "shop", Some(&there)).unwrap().to_string();

        assert_eq!(
            error,
            "table `shop.outbox` lacks correlation_id: run sql/outbox/0002_headers.sql, or \
             `rowpost_outbox::schema::install`"
        );
    }

    #[test]
    fn missing_table_is_named_with_the_file_that_makes_it() {
        let error = missing(&MIGRATIONS[2], "shop", None).unwrap().to_string();

        assert!(error.starts_with("table `shop.inbox` is missing"), "{error}");
        assert!(error.contains("sql/inbox/0001_inbox.sql"), "{error}");
    }

    #[test]
    fn every_migration_declares_the_columns_that_its_file_has() {
        for migration in MIGRATIONS {
            for column in migration.columns {
                let declared = [format!(" {column} "), format!("add column {column} ")];
                assert!(
                    declared.iter().any(|text| migration.sql.contains(text)),
                    "{} has no {column}",
                    migration.file
                );
            }
        }
    }
}
