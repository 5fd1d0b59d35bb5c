//! A look at the end of the binlog, for the lag.

use super::{
    SourceError,
    mysql::{ConnectOptions, Connection},
    server,
};
use crate::{config::Config, position::BinlogCoordinates};

/// A connection that asks where the binlog ends.
pub struct Watcher {
    connection: Connection,
}

/// Where the next transaction will begin, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfBinlog {
    pub coordinates: BinlogCoordinates,
    /// Bytes of binlog between a position and the end, events of other tables included; all of the
    /// binlog if the position is not in it.
    pub bytes_ahead: u64,
}

impl Watcher {
    pub async fn open(config: &Config) -> Result<Self, SourceError> {
        let connection = Connection::open(&ConnectOptions::new(&config.mysql)).await?;
        Ok(Self { connection })
    }

    pub async fn end_of_binlog(
        &mut self,
        committed: &BinlogCoordinates,
    ) -> Result<EndOfBinlog, SourceError> {
        let (files, coordinates) = server::binlog_extent(&mut self.connection).await?;
        let bytes_ahead = server::bytes_between(committed, &coordinates, &files);
        Ok(EndOfBinlog { coordinates, bytes_ahead })
    }
}
