//! A look at the end of the binlog, for the lag.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::{
    SourceError,
    mysql::{ConnectOptions, Connection},
    server,
};
use crate::{
    config::{Config, MysqlHost},
    position::BinlogCoordinates,
};

/// A connection that asks where the binlog ends.
pub struct Watcher {
    connection: Connection,
    listing: Listing,
    listing_of_branches: Listing,
}

/// What the server still has, and for how long by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFiles {
    pub server_uuid: Option<Uuid>,
    /// Oldest first.
    pub files: Vec<Arc<str>>,
    pub expire_seconds: Option<u64>,
}

/// Where the next transaction will begin, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndOfBinlog {
    pub coordinates: BinlogCoordinates,
    /// Bytes of binlog between a position and the end, events of other tables included; all of the
    /// binlog if the position is not in it. `None` where it was not the time to look.
    pub bytes_ahead: Option<u64>,
}

impl Watcher {
    /// On this one of the hosts; on the first if it is not known which one is read.
    pub async fn open(config: &Config, host: Option<&str>) -> Result<Self, SourceError> {
        let mysql = &config.mysql;
        let is_read = |known: &&MysqlHost| host == Some(known.to_string().as_str());
        let host = mysql.url.hosts().iter().find(is_read).unwrap_or(mysql.url.host());
        let connection = Connection::open(&ConnectOptions::on(mysql, host)).await?;
        let (listing, listing_of_branches) = Default::default();
        Ok(Self { connection, listing, listing_of_branches })
    }

    /// What a branch may be found in that is prepared. `None` where it is not the time to look.
    pub async fn kept_files(&mut self) -> Result<Option<KeptFiles>, SourceError> {
        let started = Instant::now();
        if !self.listing_of_branches.is_due(started) {
            return Ok(None);
        }
        let files = server::list_files(&mut self.connection).await?;
        let settings = server::ServerSettings::query(&mut self.connection).await?;
        self.listing_of_branches.took(started, Instant::now());
        let files = files.into_iter().map(|file| file.name).collect();
        let server_uuid = settings.get("server_uuid").and_then(|uuid| uuid.parse().ok());
        let expire_seconds = settings.binlog_expiry().seconds;
        Ok(Some(KeptFiles { server_uuid, files, expire_seconds }))
    }

    pub async fn end_of_binlog(
        &mut self,
        committed: &BinlogCoordinates,
    ) -> Result<EndOfBinlog, SourceError> {
        let end = server::end_of_binlog(&mut self.connection).await?;
        let bytes_ahead = if committed.file == end.file {
            Some(server::bytes_between(committed, &end, &[]))
        } else if self.listing.is_due(Instant::now()) {
            let started = Instant::now();
            let files = server::list_files(&mut self.connection).await?;
            self.listing.took(started, Instant::now());
            Some(server::bytes_between(committed, &end, &files))
        } else {
            None
        };
        Ok(EndOfBinlog { coordinates: end, bytes_ahead })
    }
}

/// When the files may be listed.
///
/// SERVER: `SHOW BINARY LOGS` opens every file for its size, and a rotation waits for it. A server
/// that begins a new file every 4 KiB has very many of them, and rotates all the time.
#[derive(Debug, Default)]
struct Listing {
    next: Option<Instant>,
}

impl Listing {
    /// Listing takes a hundredth of the time at most.
    const SHARE: u32 = 100;
    const PAUSE_MIN: Duration = Duration::from_secs(10);

    fn is_due(&self, now: Instant) -> bool {
        self.next.is_none_or(|next| now >= next)
    }

    fn took(&mut self, started: Instant, ended: Instant) {
        let took = ended.saturating_duration_since(started);
        self.next = Some(ended + (took * Self::SHARE).max(Self::PAUSE_MIN));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_listed_the_more_seldom_the_longer_it_takes() {
        let start = Instant::now();
        let after = |took: Duration, pause: Duration| {
            let mut listing = Listing::default();
            assert!(listing.is_due(start));
            listing.took(start, start + took);
            listing.is_due(start + took + pause)
        };

        let (ms, s) = (Duration::from_millis(1), Duration::from_secs(1));
        assert!(!after(ms, 9 * s));
        assert!(after(ms, 10 * s));
        assert!(!after(2 * s, 199 * s));
        assert!(after(2 * s, 200 * s));
    }
}
