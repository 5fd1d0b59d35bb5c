//! `--from` and `--until` → coordinates and GTID sets, as they are at the moment of starting.

use std::cmp::Ordering;

use uuid::Uuid;

use super::{Point, Range, RangeError};
use crate::{
    config::Config,
    position::{BinlogCoordinates, GtidSet},
    source::{
        Search, SourceError, StartError,
        binlog_files::{BinlogFiles, BinlogFilesError, BinlogFolder, FilesStart},
        look,
        mysql::{ConnectOptions, Replica},
        probe::Probe,
        server::ServerFacts,
        start,
        survey::{self, Survey},
    },
};

/// On the configured server.
pub(crate) async fn on_server(
    config: &Config,
    from: &Point,
    until: &Point,
) -> Result<Range, RangeError> {
    let server = look(config).await?;
    let connect = ConnectOptions::new(&config.mysql);
    let replica = Replica { server_id: config.server_id(), uuid: Uuid::new_v4() };
    let heartbeat = config.mysql.heartbeat_interval;
    let mut search = Search::new(&connect, replica, heartbeat, &server);
    let ensure_has = |coordinates: &BinlogCoordinates| {
        start::ensure_has(&server, coordinates).map_err(SourceError::from)
    };

    let start = match from {
        Point::At(coordinates) => {
            ensure_has(coordinates)?;
            coordinates.clone()
        }
        Point::Past(place) => {
            ensure_has(place)?;
            behind(place, Probe::of(config).survey(place, |_| {}).await?)?
        }
        Point::Gtids(set) => {
            let gtids = server.gtids.as_ref().ok_or(StartError::NoGtids);
            let gtids = gtids.map_err(SourceError::from)?;
            start::ensure_serves(gtids, set).map_err(SourceError::from)?;
            search.after(set).await?
        }
        Point::Time(time) => search.since(*time).await?,
        Point::Earliest | Point::Now => server.beginning(),
    };
    let end = match until {
        Point::At(coordinates) | Point::Past(coordinates) => {
            ensure_has(coordinates)?;
            coordinates.clone()
        }
        Point::Gtids(set) => {
            ensure_executed(&server, set).map_err(SourceError::from)?;
            search.behind(set).await?
        }
        Point::Time(time) => search.since(*time).await?,
        Point::Earliest | Point::Now => server.end.clone(),
    };
    forward(Range {
        server_uuid: server.server_uuid,
        start,
        end,
        after: gtids(from),
        within: gtids(until),
    })
}

fn ensure_executed(server: &ServerFacts, set: &GtidSet) -> Result<(), StartError> {
    let gtids = server.gtids.as_ref().ok_or(StartError::NoGtids)?;
    let mut missing = set.clone();
    missing.subtract(&gtids.executed);
    if missing.is_empty() { Ok(()) } else { Err(StartError::SourceBehind { missing }) }
}

/// In a folder of files.
pub(crate) async fn in_files(
    folder: &BinlogFolder,
    from: &Point,
    until: &Point,
) -> Result<Range, RangeError> {
    let find = async |start| -> Result<BinlogCoordinates, BinlogFilesError> {
        Ok(BinlogFiles::open(folder.clone(), start).await?.coordinates())
    };
    let start = find(match from {
        Point::At(coordinates) => FilesStart::At(coordinates.clone()),
        Point::Past(place) => {
            FilesStart::At(behind(place, survey::in_files(folder, place).await?)?)
        }
        Point::Gtids(set) => FilesStart::After(set.clone()),
        Point::Time(time) => FilesStart::Since(*time),
        Point::Earliest | Point::Now => FilesStart::Earliest,
    })
    .await?;
    let end = match until {
        Point::At(coordinates) | Point::Past(coordinates) => {
            find(FilesStart::At(coordinates.clone())).await?
        }
        Point::Time(time) => find(FilesStart::Since(*time)).await?,
        Point::Gtids(_) | Point::Earliest | Point::Now => {
            let (folder, wanted) = (folder.clone(), gtids(until));
            let end = tokio::task::spawn_blocking(move || {
                let end = folder.end()?;
                if let Some(set) = wanted {
                    folder.ensure_committed(&set, &end)?;
                }
                Ok::<_, BinlogFilesError>(end)
            });
            end.await.map_err(|_panicked| RangeError::BrokeOff)??
        }
    };
    forward(Range {
        server_uuid: Uuid::nil(),
        start,
        end,
        after: gtids(from),
        within: gtids(until),
    })
}

fn behind(place: &BinlogCoordinates, around: Survey) -> Result<BinlogCoordinates, RangeError> {
    let nothing = || RangeError::NothingThere {
        wanted: place.clone(),
        end: around.before.coordinates.clone(),
    };
    around.behind.as_ref().map(|behind| behind.coordinates.clone()).ok_or_else(nothing)
}

fn gtids(point: &Point) -> Option<GtidSet> {
    match point {
        Point::Gtids(set) => Some(set.clone()),
        Point::Earliest | Point::Now | Point::At(_) | Point::Past(_) | Point::Time(_) => None,
    }
}

/// Coordinates of two series of files are not behind one another either.
fn forward(range: Range) -> Result<Range, RangeError> {
    // A GTID set's start is that of a file, and a set's end too: they may cross where nothing lies.
    let is_chosen = range.after.is_some() || range.within.is_some();
    match range.start.partial_cmp(&range.end) {
        Some(Ordering::Less | Ordering::Equal) => Ok(range),
        Some(Ordering::Greater) if is_chosen => Ok(range),
        Some(Ordering::Greater) | None => {
            Err(RangeError::Backwards { start: range.start, end: range.end })
        }
    }
}
