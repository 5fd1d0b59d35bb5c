//! A time or a GTID set → coordinates on a server.
//!
//! A file says at its start when it was begun and which GTIDs lie before it. So the right file is found
//! by bisection, each look a dump that is left after the file's first two events; only in the one file
//! that is found is a time looked for event by event, without their bodies.
//!
//! Before this: `server`, which lists the files. After this: `replay`.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    EventFault, EventSource, Interest, SourceError, StartError, StreamError,
    bisection::Bisection,
    error::Place,
    event::{EventHeader, EventType, GtidEvent, RotateEvent, gtid_set},
    mysql::{BinlogStream, ConnectOptions, Connection, DumpStart, Replica},
    server::ServerFacts,
};
use crate::position::{BinlogCoordinates, EndPosition, GtidSet};

/// Looks into the binlog files of one server.
pub struct Search<'a> {
    connect: &'a ConnectOptions,
    replica: Replica,
    heartbeat: Duration,
    server: &'a ServerFacts,
    /// Files that were looked into, and bytes of events that were read for it.
    pub looks: u64,
    pub bytes: u64,
}

/// How a file begins.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Head {
    begun: Timestamp,
    /// GTIDs of everything before it.
    previous: GtidSet,
}

struct Heads;

impl Interest for Heads {
    fn wants(&self, _: &EventHeader, _: &[u8]) -> bool {
        true
    }
}

struct Headers;

impl Interest for Headers {
    fn wants(&self, _: &EventHeader, _: &[u8]) -> bool {
        false
    }
}

impl<'a> Search<'a> {
    pub fn new(
        connect: &'a ConnectOptions,
        replica: Replica,
        heartbeat: Duration,
        server: &'a ServerFacts,
    ) -> Self {
        Self { connect, replica, heartbeat, server, looks: 0, bytes: 0 }
    }

    /// Where the first transaction begins that was committed at the time or later; the end of the
    /// binlog if there is none. The clock's whims do not count: everything behind it is behind it.
    pub async fn since(&mut self, time: Timestamp) -> Result<BinlogCoordinates, SourceError> {
        // What was committed in the second in which a file was begun may be in the file before.
        let is_before = |head: &Head| head.begun.as_second() < time.as_second();
        let index = match self.last_where(is_before).await? {
            Some(index) => index,
            None => {
                self.ensure_reaches_back(time).await?;
                0
            }
        };
        self.first_committed(index, time).await
    }

    /// The newest file with nothing before it but what is in the set: what is not in the set lies in it
    /// and behind it.
    pub async fn after(&mut self, set: &GtidSet) -> Result<BinlogCoordinates, SourceError> {
        let found = self.last_where(|head| set.contains_all(&head.previous)).await?;
        // What is purged and not in the set was refused before.
        Ok(self.start_of(found.unwrap_or(0)))
    }

    /// The oldest file before which everything of the set lies, or else the end of the binlog.
    pub async fn behind(&mut self, set: &GtidSet) -> Result<BinlogCoordinates, SourceError> {
        let found = self.last_where(|head| !head.previous.contains_all(set)).await?;
        let index = found.map_or(0, |last| last + 1);
        if index >= self.server.files.len() {
            return Ok(self.server.end.clone());
        }
        Ok(self.start_of(index))
    }

    async fn last_where(
        &mut self,
        is_such: impl Fn(&Head) -> bool,
    ) -> Result<Option<usize>, SourceError> {
        let mut bisection = Bisection::new(self.server.files.len());
        while let Some(index) = bisection.question() {
            bisection.answer(index, is_such(&self.head(index).await?));
        }
        Ok(bisection.last())
    }

    /// Before the first file that a server ever wrote there is nothing.
    async fn ensure_reaches_back(&mut self, time: Timestamp) -> Result<(), SourceError> {
        const FIRST_NUMBER: u64 = 1;
        let oldest = self.start_of(0);
        let begun = self.head(0).await?.begun;
        if oldest.number() == Some(FIRST_NUMBER) || begun.as_second() == time.as_second() {
            return Ok(());
        }
        Err(StartError::TimePurged { wanted: time, oldest: oldest.file, begun }.into())
    }

    fn start_of(&self, index: usize) -> BinlogCoordinates {
        let file = self.server.files.get(index).map_or(&self.server.end.file, |file| &file.name);
        BinlogCoordinates { file: Arc::clone(file), position: BinlogCoordinates::FIRST_EVENT }
    }

    async fn dump(&self, from: &BinlogCoordinates) -> Result<BinlogStream, SourceError> {
        let connection = Connection::open(self.connect).await?;
        let start = DumpStart::At(from.clone());
        Ok(connection.dump(&self.replica, &start, self.heartbeat).await?)
    }

    async fn head(&mut self, index: usize) -> Result<Head, SourceError> {
        let start = self.start_of(index);
        let place = || Place { coordinates: start.clone(), gtid: None };
        let mut stream = self.dump(&start).await?;
        self.looks += 1;
        let mut begun = None;
        loop {
            let event = stream.next_event(&Heads).await;
            let event = event.map_err(|error| SourceError::of_stream(error, place))?;
            self.bytes += u64::from(event.header.event_size);
            match event.header.event_type {
                EventType::FORMAT_DESCRIPTION => {
                    begun = Timestamp::from_second(i64::from(event.header.timestamp)).ok();
                }
                EventType::PREVIOUS_GTIDS => {
                    let previous = gtid_set::decode(event.body);
                    let previous = previous.map_err(|error| malformed(&event.header, error));
                    let previous =
                        previous.map_err(|error| SourceError::of_stream(error, place))?;
                    // The description comes first in every file.
                    return Ok(Head { begun: begun.unwrap_or(Timestamp::MIN), previous });
                }
                _ => {}
            }
        }
    }

    /// Reads from the file's start on.
    async fn first_committed(
        &mut self,
        index: usize,
        time: Timestamp,
    ) -> Result<BinlogCoordinates, SourceError> {
        let mut at = self.start_of(index);
        let mut stream = self.dump(&at).await?;
        self.looks += 1;
        let mut end = EndPosition::new(at.position);
        while at.partial_cmp(&self.server.end).is_some_and(std::cmp::Ordering::is_lt) {
            let place = || Place { coordinates: at.clone(), gtid: None };
            let event = stream.next_event(&Headers).await;
            let event = event.map_err(|error| SourceError::of_stream(error, place))?;
            let header = event.header;
            if event.is_unpacked {
                continue;
            }
            self.bytes += u64::from(header.event_size);
            let fault = |error| SourceError::of_stream(malformed(&header, error), place);
            match header.event_type {
                EventType::ROTATE => {
                    let rotate = RotateEvent::parse(event.body).map_err(fault)?;
                    at = BinlogCoordinates { file: rotate.file.into(), position: rotate.position };
                    end = EndPosition::new(rotate.position);
                    continue;
                }
                event_type if GtidEvent::is_of_type(event_type) => {
                    let gtid = GtidEvent::of_type(event_type, event.body).map_err(fault)?;
                    if gtid.committed_us_at_latest(&header) >= time.as_microsecond() {
                        return Ok(at);
                    }
                }
                _ => {}
            }
            if !header.is_heartbeat() && !header.is_artificial() {
                end.advance(header.event_size, header.log_pos);
                at.position = end.get();
            }
        }
        Ok(self.server.end.clone())
    }
}

fn malformed(header: &EventHeader, error: super::event::EventError) -> StreamError {
    EventFault::Malformed { event_type: header.event_type, error }.into()
}
