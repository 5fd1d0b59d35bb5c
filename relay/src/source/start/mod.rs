//! Checkpoint, start policy, and what the server has → where to read from.
//!
//! Promises:
//! - a checkpoint decides; the policy counts only where there is none;
//! - a position that this server cannot serve is refused before a row is read, and the error says
//!   exactly what is missing.
//!
//! Before this: `server`. After this: `reader`.

mod error;
mod resolve;

use tracing::error;

pub(super) use self::resolve::is_by_gtids;
use self::resolve::resume;
pub(crate) use self::resolve::{ensure_has, ensure_serves};
pub use self::{error::StartError, resolve::resolve};
use super::{
    SourceError, look_back, lost,
    mysql::{ConnectOptions, Connection},
    preflight::{self, Advice},
    probe::Probe,
    same_binlog::{ensure_gtids_from, ensure_same_binlog},
    server::ServerFacts,
    table_start,
};
use crate::{
    config::{Config, OnPositionLost, StartPolicy},
    position::Position,
};

/// Asks the server whether it is fit to be read, and finds where to read from.
pub async fn find_start(
    config: &Config,
    checkpoint: Option<Position>,
    advice: &mut Advice,
) -> Result<(Position, ServerFacts), SourceError> {
    let mut connection = Connection::open(&ConnectOptions::new(&config.mysql)).await?;
    let checks = preflight::run(&mut connection, &config.outbox).await?;
    advice.give(&checks);
    preflight::ensure_fit(checks)?;
    let server = ServerFacts::query(&mut connection).await?;
    let probe = Probe::of(config);
    let found = find(&mut connection, config, &probe, checkpoint.clone(), &server).await;
    let mut start = match (found, checkpoint) {
        (Err(SourceError::Start(error)), Some(position)) => {
            let oldest_begun = probe.file_begun(&server.beginning().file).await?;
            let error = lost::diagnose(error, &position, &server, oldest_begun);
            go_on(&mut connection, config, error, &position, &server).await?
        }
        (found, _) => found?,
    };
    // A start from the tables stands still for as long as they take: another file may have got the name
    // by then.
    if start.table_start.is_some()
        && start.file_begun.is_none()
        && start.server_uuid == server.server_uuid
    {
        start.file_begun = probe.file_begun(&start.coordinates.file).await?;
    }
    connection.close().await;
    Ok((start, server))
}

/// Asks the server what it has.
pub async fn look(config: &Config) -> Result<ServerFacts, SourceError> {
    let mut connection = Connection::open(&ConnectOptions::new(&config.mysql)).await?;
    let server = ServerFacts::query(&mut connection).await?;
    connection.close().await;
    Ok(server)
}

async fn find(
    connection: &mut Connection,
    config: &Config,
    probe: &Probe,
    checkpoint: Option<Position>,
    server: &ServerFacts,
) -> Result<Position, SourceError> {
    let is_first = checkpoint.is_none();
    if is_first && config.mysql.start == StartPolicy::Table {
        return from_tables(connection, config, server).await;
    }
    let mut start = resolve(checkpoint, &config.mysql.start, server)?;
    if is_first && config.mysql.start == StartPolicy::Earliest && is_by_gtids(&start, server) {
        ensure_gtids_from(connection, &start.coordinates, server).await?;
    }
    ensure_same_binlog(connection, probe, &start, server).await?;
    if is_first && let StartPolicy::Latest | StartPolicy::Coordinates(_) = config.mysql.start {
        look_back::add_prepared(connection, probe, &mut start, server).await?;
    }
    Ok(start)
}

/// Whether a relay could go on from a checkpoint, as its next start would find.
pub(crate) async fn ensure_resumes(
    connection: &mut Connection,
    probe: &Probe,
    checkpoint: &Position,
    server: &ServerFacts,
) -> Result<(), SourceError> {
    let resumed = resume(checkpoint.clone(), server)?;
    ensure_same_binlog(connection, probe, &resumed, server).await
}

/// Goes on behind what is lost, if that was asked for and can be right.
async fn go_on(
    connection: &mut Connection,
    config: &Config,
    error: StartError,
    position: &Position,
    server: &ServerFacts,
) -> Result<Position, SourceError> {
    // Where it is not certain that this is the right server, its tables are as wrong as its binlog.
    let earliest = lost::from_earliest(&error, position, server);
    match (config.mysql.on_position_lost, earliest) {
        (OnPositionLost::Halt, _) | (_, None) => Err(error.into()),
        (OnPositionLost::Earliest, Some(start)) => {
            error!(
                lost = %error,
                start = %start.coordinates,
                "going on with the oldest that the source has, as mysql.on_position_lost says; what \
                 lies between is not published"
            );
            Ok(start)
        }
        (OnPositionLost::Table, Some(_)) => {
            let start = from_tables(connection, config, server).await?;
            error!(
                lost = %error,
                start = %start.coordinates,
                "starting from the outbox tables, as mysql.on_position_lost says; every row in them is \
                 published, also those that were before; rows that were deleted from them are not"
            );
            Ok(start)
        }
    }
}

/// Begins a start from the tables, at a place before which everything is in the tables. With GTIDs their set
/// is such a place; without them the end of the binlog has to be made one.
async fn from_tables(
    connection: &mut Connection,
    config: &Config,
    server: &ServerFacts,
) -> Result<Position, SourceError> {
    preflight::ensure_fit(preflight::table_start_checks(connection, config).await?)?;
    let mut server = server.clone();
    if server.gtids.is_none() {
        let names = server.settings.name_case();
        server.end = table_start::settled_end(connection, &config.outbox, names).await?;
    }
    Ok(resolve(None, &StartPolicy::Table, &server)?)
}
