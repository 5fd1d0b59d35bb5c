//! A position and its server → whether they speak of the same binlog. What only a look into it tells.
//!
//! Promises:
//! - coordinates are not used in a file that only has the name of the one they were written for;
//! - a server that is asked for GTIDs does not pass over transactions that have none.
//!
//! Before this: `start`, which has compared what the server says of itself. After this: `reader`.

use std::sync::Arc;

use super::{
    SourceError,
    mysql::{Connection, ConnectionError},
    probe::Probe,
    server::{BinlogFile, ServerFacts},
    start::{StartError, is_by_gtids},
};
use crate::position::{BinlogCoordinates, Position};

/// Whether the coordinates' file is still the same one; by GTIDs, whether every transaction has one.
pub(super) async fn ensure_same_binlog(
    connection: &mut Connection,
    probe: &Probe,
    position: &Position,
    server: &ServerFacts,
) -> Result<(), SourceError> {
    // Where it is not known when the file was begun, nothing was read up to those coordinates.
    let Some(begun) = position.file_begun else { return Ok(()) };
    if position.server_uuid != server.server_uuid {
        return Ok(());
    }
    if is_by_gtids(position, server) {
        return ensure_gtids_from(connection, &position.coordinates, server).await;
    }
    match probe.file_begun(&position.coordinates.file).await? {
        Some(found) if found != begun => {
            Err(StartError::FileReplaced { wanted: position.coordinates.clone() }.into())
        }
        Some(_) | None => Ok(()),
    }
}

/// The first transaction behind `from` must have a GTID.
///
/// SERVER: asked for GTIDs, it begins with the last file before which there is none that is missing. It
/// refuses a transaction without one when it meets it, but those in files before that it does not meet.
pub(super) async fn ensure_gtids_from(
    connection: &mut Connection,
    from: &BinlogCoordinates,
    server: &ServerFacts,
) -> Result<(), SourceError> {
    let is_before = |file: &&BinlogFile| file.name != from.file;
    let files = server.files.iter().skip_while(is_before);
    for (index, file) in files.enumerate() {
        let position = if index == 0 { from.position } else { BinlogCoordinates::FIRST_EVENT };
        let show = format!("show binlog events in '{}' from {position} limit 3", file.name);
        let events = match connection.query(&show).await {
            Ok(events) => events,
            // The coordinates are not of this binlog, or it was purged just now: GTIDs decide.
            Err(ConnectionError::Refused(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for event in events.iter() {
            match event.get(2).unwrap_or_default() {
                "Format_desc" | "Previous_gtids" => {}
                "Rotate" | "Stop" => break,
                "Anonymous_Gtid" => {
                    let position = event.get(1).and_then(|text| text.parse().ok());
                    let at = BinlogCoordinates {
                        file: Arc::clone(&file.name),
                        position: position.unwrap_or(BinlogCoordinates::FIRST_EVENT),
                    };
                    return Err(StartError::Anonymous { at }.into());
                }
                _ => return Ok(()),
            }
        }
    }
    Ok(())
}
