//! Maxwell's table `positions` → where it stands.
//!
//! One row for each server and client; with GTIDs the server's id is 0. The position is behind the last row of
//! a transaction but before its commit, and `gtid_set` does not hold that transaction yet.

use super::{
    Product,
    error::ImportError,
    foreign::{Foreign, Inside},
};
use crate::source::mysql::{ConnectOptions, Connection, ConnectionError};

/// Where the rows are, and which is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) schema: String,
    pub(super) client_id: String,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Stored {
    server_id: String,
    client_id: String,
    binlog_file: Option<String>,
    binlog_position: Option<String>,
    gtid_set: Option<String>,
    /// By which Maxwell knows which of several is its latest.
    last_heartbeat_read: Option<i64>,
}

pub(super) async fn read(options: &ConnectOptions, place: &Place) -> Result<Foreign, ImportError> {
    let failed = |source| ImportError::Maxwell { schema: place.schema.clone(), source };
    let (server_id, rows) = ask(options, place).await.map_err(failed)?;
    let stored = choose(place, &server_id, rows)?;
    foreign(place, &stored)
}

async fn ask(
    options: &ConnectOptions,
    place: &Place,
) -> Result<(String, Vec<Stored>), ConnectionError> {
    let mut connection = Connection::open(options).await?;
    let server = connection.query("select @@global.server_id").await?;
    let server_id = server.first().and_then(|row| row.get(0)).unwrap_or_default().to_owned();
    let schema = place.schema.replace('`', "``");
    let rows = connection
        .query(&format!(
            "select server_id, client_id, binlog_file, binlog_position, gtid_set, last_heartbeat_read \
             from `{schema}`.`positions`"
        ))
        .await?;
    connection.close().await;
    let rows = rows
        .iter()
        .map(|row| {
            let text = |index| row.get(index).map(str::to_owned);
            Stored {
                server_id: text(0).unwrap_or_default(),
                client_id: text(1).unwrap_or_default(),
                binlog_file: text(2),
                binlog_position: text(3),
                gtid_set: text(4),
                last_heartbeat_read: text(5).and_then(|number| number.parse().ok()),
            }
        })
        .collect();
    Ok((server_id, rows))
}

/// The client's row on this server, or its row by GTIDs; of both, the one that was written last.
fn choose(place: &Place, server_id: &str, rows: Vec<Stored>) -> Result<Stored, ImportError> {
    const BY_GTIDS: &str = "0";
    let shown = rows
        .iter()
        .map(|row| format!("client_id `{}`, server_id {}", row.client_id, row.server_id))
        .collect::<Vec<_>>();
    let is_meant = |row: &Stored| {
        row.client_id == place.client_id
            && (row.server_id == server_id || row.server_id == BY_GTIDS)
    };
    let meant = rows.into_iter().filter(is_meant);
    meant.max_by_key(|row| row.last_heartbeat_read).ok_or_else(|| ImportError::NoSuchClient {
        schema: place.schema.clone(),
        client_id: place.client_id.clone(),
        server_id: server_id.to_owned(),
        found: if shown.is_empty() { "none".to_owned() } else { shown.join("; ") },
    })
}

fn foreign(place: &Place, stored: &Stored) -> Result<Foreign, ImportError> {
    let Stored { server_id, client_id, binlog_file, binlog_position, gtid_set, .. } = stored;
    let place = format!(
        "the position of client_id `{client_id}`, server_id {server_id}, in `{}`.`positions`",
        place.schema
    );
    let fail = |reason: String| ImportError::Malformed {
        product: Product::Maxwell,
        place: place.clone(),
        reason,
    };
    let coordinates = match (binlog_file, binlog_position) {
        (Some(file), Some(position)) => {
            Some(format!("{file}:{position}").parse().map_err(|error| fail(format!("{error}")))?)
        }
        (_, _) => None,
    };
    let gtids = match gtid_set.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(text) => Some(text.parse().map_err(|error| fail(format!("`gtid_set`: {error}")))?),
    };
    if gtids.is_none() && coordinates.is_none() {
        return Err(fail("neither coordinates nor a GTID set stand there".to_owned()));
    }
    Ok(Foreign { gtids, coordinates, inside: Inside::BeforeIt, place })
}
