//! What a source says of itself: identity, settings, where its binlog begins and ends.
//!
//! Before this: `mysql`, a connection. After this: `start`, which decides where to read from, and
//! `preflight`, which says whether the server is fit to be read.

mod settings;

use std::sync::Arc;

use uuid::Uuid;

pub use self::settings::{Expiry, ServerSettings};
use super::mysql::{Connection, ConnectionError, Rows};
use crate::position::{BinlogCoordinates, GtidSet, ParseGtidError};

/// A server's answers at one moment.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    pub server_uuid: Uuid,
    pub settings: ServerSettings,
    /// `None` unless `gtid_mode` is `ON`: only then every transaction has a GTID.
    pub gtids: Option<ServerGtids>,
    /// Oldest first. Never empty: a server without a binlog is refused before.
    pub files: Vec<BinlogFile>,
    /// Where the next transaction will begin.
    pub end: BinlogCoordinates,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerGtids {
    /// Committed here, up to [`ServerFacts::end`].
    pub executed: GtidSet,
    /// Of those, the ones that are no longer in its binlog files.
    pub purged: GtidSet,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinlogFile {
    pub name: Arc<str>,
    pub bytes: u64,
}

/// Why the server's state could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error("the source writes no binlog; set log_bin and restart it")]
    NoBinlog,
    #[error("the source answered `{statement}` without a usable {what}")]
    Answer { statement: &'static str, what: &'static str },
    #[error("the source's GTIDs cannot be read")]
    Gtids(#[from] ParseGtidError),
}

impl ServerFacts {
    pub async fn query(connection: &mut Connection) -> Result<Self, ServerError> {
        let settings = ServerSettings::query(connection).await?;
        if !settings.is_on("log_bin") {
            return Err(ServerError::NoBinlog);
        }
        let server_uuid = settings
            .get("server_uuid")
            .and_then(|uuid| uuid.parse().ok())
            .ok_or(ServerError::Answer { statement: "show variables", what: "server_uuid" })?;
        // ORDER: what was purged before the files are listed and the end is asked for. A purge in
        // between shows as a missing file, never as one that is wrongly counted on.
        let purged = purged(connection).await?;
        let files = binlog_files(&connection.query(BINARY_LOGS).await?)?;
        let status = connection.query(binlog_status(settings.version())).await?;
        let gtids = match settings.gtid_mode_is_on() {
            true => Some(ServerGtids { executed: executed(&status)?, purged }),
            false => None,
        };
        Ok(Self { server_uuid, gtids, files, end: end(&status)?, settings })
    }

    /// For example `9.7.4`.
    pub fn version(&self) -> &str {
        self.settings.get("version").unwrap_or_default()
    }

    /// The first event of the oldest file.
    pub fn beginning(&self) -> BinlogCoordinates {
        let file = self
            .files
            .first()
            .map_or_else(|| Arc::clone(&self.end.file), |file| Arc::clone(&file.name));
        BinlogCoordinates { file, position: BinlogCoordinates::FIRST_EVENT }
    }
}

/// Where the next transaction will begin, without the rest.
pub(super) async fn end_of_binlog(
    connection: &mut Connection,
) -> Result<BinlogCoordinates, ServerError> {
    let version = settings::version(connection.server_version());
    end(&connection.query(binlog_status(version)).await?)
}

/// The binlog's files, oldest first.
pub(super) async fn list_files(
    connection: &mut Connection,
) -> Result<Vec<BinlogFile>, ServerError> {
    binlog_files(&connection.query(BINARY_LOGS).await?)
}

/// Bytes from `from` to `end`; from the first file on if `from` is not in the files.
pub(crate) fn bytes_between(
    from: &BinlogCoordinates,
    end: &BinlogCoordinates,
    files: &[BinlogFile],
) -> u64 {
    if from.file == end.file {
        return end.position.saturating_sub(from.position);
    }
    let index = files.iter().position(|file| file.name == from.file);
    let before = index.map_or(0, |_| from.position);
    let later = files.iter().skip(index.unwrap_or(0)).take_while(|file| file.name != end.file);
    let later: u64 = later.map(|file| file.bytes).sum();
    later.saturating_sub(before).saturating_add(end.position)
}

/// SERVER: `SHOW VARIABLES` cuts a value off after 1024 characters, which a set with many intervals has.
async fn purged(connection: &mut Connection) -> Result<GtidSet, ServerError> {
    let rows = connection.query("select @@global.gtid_purged").await?;
    Ok(rows.first().and_then(|row| row.get(0)).unwrap_or_default().parse()?)
}

const BINARY_LOGS: &str = "show binary logs";

fn binlog_files(rows: &Rows) -> Result<Vec<BinlogFile>, ServerError> {
    let files: Option<Vec<_>> = rows
        .iter()
        .map(|row| {
            Some(BinlogFile { name: Arc::from(row.get(0)?), bytes: row.get(1)?.parse().ok()? })
        })
        .collect();
    files
        .filter(|files| !files.is_empty())
        .ok_or(ServerError::Answer { statement: BINARY_LOGS, what: "list of files" })
}

/// SERVER: `SHOW MASTER STATUS` until 8.2; from then on `SHOW BINARY LOG STATUS`, and from 8.4 only
/// that.
fn binlog_status(version: (u32, u32, u32)) -> &'static str {
    if version >= (8, 2, 0) { "show binary log status" } else { "show master status" }
}

fn end(status: &Rows) -> Result<BinlogCoordinates, ServerError> {
    let coordinates = || {
        Some(BinlogCoordinates {
            file: Arc::from(status.value("File")?),
            position: status.value("Position")?.parse().ok()?,
        })
    };
    coordinates().ok_or(ServerError::Answer { statement: "binary log status", what: "position" })
}

fn executed(status: &Rows) -> Result<GtidSet, ServerError> {
    Ok(status.value("Executed_Gtid_Set").unwrap_or_default().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mysql::Row;

    fn row(values: &[&str]) -> Row {
        Row::new(values.iter().map(|value| Some((*value).to_owned())).collect())
    }

    #[test]
    fn files_come_with_their_sizes_in_the_servers_order() {
        let rows = Rows::new(
            &["Log_name", "File_size", "Encrypted"],
            vec![row(&["bin-log.000002", "4130", "No"]), row(&["bin-log.000003", "157", "No"])],
        );

        let files = binlog_files(&rows).unwrap();

        let expected = [("bin-log.000002", 4130), ("bin-log.000003", 157)];
        let expected = expected.map(|(name, bytes)| BinlogFile { name: name.into(), bytes });
        assert_eq!(files, expected);
    }

    #[test]
    fn bytes_are_counted_over_the_files_between() {
        let file = |name: &str, bytes| BinlogFile { name: name.into(), bytes };
        let files = [file("b.000002", 100), file("b.000003", 200), file("b.000004", 50)];
        let bytes = |from: &str| {
            bytes_between(&from.parse().unwrap(), &"b.000004:60".parse().unwrap(), &files)
        };

        assert_eq!(bytes("b.000004:20"), 40);
        assert_eq!(bytes("b.000002:30"), 70 + 200 + 60);
        assert_eq!(bytes("b.000001:30"), 100 + 200 + 60, "all there is of a position that is gone");
    }

    #[test]
    fn file_without_a_size_is_refused() {
        let rows = Rows::new(&["Log_name", "File_size"], vec![row(&["bin-log.000002", "many"])]);

        assert!(binlog_files(&rows).is_err());
    }

    #[test]
    fn end_and_executed_set_come_from_one_answer() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let status = Rows::new(
            &["File", "Position", "Binlog_Do_DB", "Binlog_Ignore_DB", "Executed_Gtid_Set"],
            vec![row(&["bin-log.000003", "157", "", "", &format!("{uuid}:1-7")])],
        );

        assert_eq!(end(&status).unwrap().to_string(), "bin-log.000003:157");
        assert_eq!(executed(&status).unwrap().to_string(), format!("{uuid}:1-7"));
    }
}
