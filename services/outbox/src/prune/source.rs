//! The service's own MySQL server: the end of its binlog, and whether a checkpoint reaches it.

use sqlx::{MySqlPool, Row as _};

use super::{
    PruneError,
    mark::{End, Mark, Reach},
};
use crate::checkpoint::{Checkpoint, Coordinates};

/// SERVER: `ER_PARSE_ERROR`, of a server that does not know the statement.
const PARSE_ERROR: u16 = 1064;
/// SERVER: `ER_SPECIFIC_ACCESS_DENIED_ERROR`.
const ACCESS_DENIED: u16 = 1227;

/// Where the binlog ends now: behind the transactions of all rows that were visible before the call.
/// By GTIDs if both the relay and the server have them, which needs no privilege.
pub(super) async fn mark(pool: &MySqlPool, newest: &Checkpoint) -> Result<Mark, PruneError> {
    let failed = |source| PruneError::database("ask for the end of the binlog", source);
    let (server_uuid, gtid_mode): (String, String) = sqlx::query_as(
        "select cast(@@global.server_uuid as char), cast(@@global.gtid_mode as char)",
    )
    .fetch_one(pool)
    .await
    .map_err(failed)?;
    // A server that does not write GTIDs now may have some of an earlier time: they say nothing.
    let end = if newest.position.gtid_set.is_some() && gtid_mode.eq_ignore_ascii_case("on") {
        let executed = sqlx::query_scalar("select cast(@@global.gtid_executed as char)");
        End::Gtids(executed.fetch_one(pool).await.map_err(failed)?)
    } else {
        End::Coordinates(coordinates(pool).await?)
    };
    Ok(Mark { sequence: newest.sequence, server_uuid, end })
}

/// SERVER: the position is behind every transaction that others can see: a transaction is written to
/// the binlog before it becomes visible.
async fn coordinates(pool: &MySqlPool) -> Result<Coordinates, PruneError> {
    let row = match sqlx::raw_sql("show binary log status").fetch_one(pool).await {
        // SERVER: so called until 8.2.
        Err(error) if number(&error) == Some(PARSE_ERROR) => {
            sqlx::raw_sql("show master status").fetch_one(pool).await
        }
        answer => answer,
    };
    match row {
        Ok(row) => {
            let unread = |source| PruneError::database("read the end of the binlog", source);
            let file = row.try_get("File").map_err(unread)?;
            let position = row.try_get("Position").map_err(unread)?;
            Ok(Coordinates { file, position })
        }
        Err(error) if number(&error) == Some(ACCESS_DENIED) => Err(PruneError::NoPrivilege),
        Err(error) => Err(PruneError::database("ask for the end of the binlog", error)),
    }
}

fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?.try_downcast_ref::<sqlx::mysql::MySqlDatabaseError>()?;
    Some(error.number())
}

/// How far `checkpoint` reaches, seen from `mark`.
pub(super) async fn reach(
    pool: &MySqlPool,
    mark: &Mark,
    checkpoint: &Checkpoint,
) -> Result<Reach, PruneError> {
    match (&mark.end, &checkpoint.position.gtid_set) {
        (End::Coordinates(end), _) => Ok(Reach::of_coordinates(mark, end, checkpoint)),
        (End::Gtids(_), None) => Ok(Reach::Unknown),
        (End::Gtids(end), Some(published)) => {
            let (end_in, published_in): (i64, i64) =
                sqlx::query_as("select gtid_subset(?, ?), gtid_subset(?, ?)")
                    .bind(end)
                    .bind(published)
                    .bind(published)
                    .bind(end)
                    .fetch_one(pool)
                    .await
                    .map_err(|source| PruneError::database("compare GTID sets", source))?;
            Ok(Reach::of_gtids(end_in == 1, published_in == 1))
        }
    }
}
