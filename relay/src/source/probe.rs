//! Looks into a server's binlog, apart from the stream that is published from.
//!
//! Promises: what is a transaction boundary here is one for the relay: the same assembler says it.
//!
//! Before this: `mysql`. After this: `start`, which looks before a row is read, and the commands that
//! show and set a position.

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::{
    EventFault, EventSource, Interest, Place, PresentColumns, RawEvent, SourceError,
    describer::Describer,
    event::{EventHeader, EventType, GtidEvent, RotateEvent},
    look_back::Look,
    mysql::{BinlogStream, ConnectOptions, Connection, DumpStart, Replica},
    survey::{self, Survey},
    within::{Counted, Counter, UpTo, Within},
};
use crate::{
    config::{Config, NameCase, OutboxTable},
    position::{BinlogCoordinates, EndPosition, Gtid},
};

/// Opens a stream of its own for each look.
pub(crate) struct Probe {
    connect: ConnectOptions,
    replica: Replica,
    heartbeat: Duration,
}

/// The first transaction that a server sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstTransaction {
    pub(crate) begins_at: BinlogCoordinates,
    pub(crate) file_begun: Option<u32>,
    pub(crate) gtid: Option<Gtid>,
    pub(crate) commit_timestamp_us: u64,
}

impl Probe {
    pub(crate) fn new(connect: ConnectOptions, replica: Replica, heartbeat: Duration) -> Self {
        // With an id of its own it ends no other stream, the relay's least of all.
        let replica = Replica { uuid: Uuid::new_v4(), ..replica };
        Self { connect, replica, heartbeat }
    }

    pub(crate) fn of(config: &Config) -> Self {
        let replica = Replica { server_id: config.server_id(), uuid: Uuid::new_v4() };
        Self::new(ConnectOptions::new(&config.mysql), replica, config.mysql.heartbeat_interval)
    }

    async fn dump(&self, from: &DumpStart) -> Result<BinlogStream, SourceError> {
        let connection = Box::pin(Connection::open(&self.connect)).await?;
        Ok(connection.dump(&self.replica, from, self.heartbeat).await?)
    }

    /// When the file was begun; `None` if it does not say.
    pub(crate) async fn file_begun(&self, file: &Arc<str>) -> Result<Option<u32>, SourceError> {
        let start = beginning(file);
        let mut stream = self.dump(&DumpStart::At(start.clone())).await?;
        loop {
            let event = next(&mut stream, &Nothing, &start).await?;
            if event.header.event_type == EventType::FORMAT_DESCRIPTION {
                return Ok(Some(event.header.timestamp).filter(|begun| *begun > 0));
            }
        }
    }

    /// Looks at the boundaries around a place, of which `progress` is told how far the reading is.
    pub(crate) async fn survey(
        &self,
        place: &BinlogCoordinates,
        progress: impl FnMut(u64),
    ) -> Result<Survey, SourceError> {
        let mut stream = self.dump(&DumpStart::At(beginning(&place.file))).await?;
        survey::read(&mut stream, place, progress).await
    }

    /// Looks through the transaction that begins at `begin`, for what of it lies before a place.
    pub(crate) async fn within(
        &self,
        begin: &BinlogCoordinates,
        up_to: UpTo,
        (entries, names): (&Arc<[OutboxTable]>, NameCase),
    ) -> Result<Within, SourceError> {
        // SERVER: the dump command has 32 bits for the position.
        let start = match u32::try_from(begin.position) {
            Ok(_) => begin.clone(),
            Err(_) => beginning(&begin.file),
        };
        let mut end = EndPosition::new(start.position);
        let mut stream = self.dump(&DumpStart::At(start)).await?;
        let mut counter = Counter::new(begin.position, up_to, Arc::clone(entries), names);
        // Only how a row is cut is asked for, which the event says itself.
        let mut describer = Describer::new(&self.connect, PresentColumns::Trusted);
        loop {
            let at = BinlogCoordinates { position: end.get(), ..begin.clone() };
            let event = next(&mut stream, &counter, &at).await?;
            let EventHeader { event_type, event_size, log_pos, .. } = event.header;
            let is_in_file =
                !event.is_unpacked && !event.header.is_heartbeat() && !event.header.is_artificial();
            if is_in_file {
                end.advance(event_size, log_pos);
            }
            if at.position < begin.position || event_type == EventType::FORMAT_DESCRIPTION {
                continue;
            }
            if event.header.is_heartbeat() {
                // It waits for more: no transaction begins there.
                return Ok(Within::default());
            }
            let place = || Box::new(Place { coordinates: at.clone(), gtid: None });
            match counter.handle(&event).map_err(|fault| fault.at(place()))? {
                Counted::Inside => {}
                Counted::Undescribed(table) => {
                    let columns = describer.describe(&table, || *place()).await?;
                    counter.describe(&columns).map_err(|fault| fault.at(place()))?;
                }
                Counted::Last => return Ok(counter.found()),
            }
        }
    }

    /// XA branches that are prepared in the file and have not ended in it before `until`, or its end.
    pub(super) async fn prepared_in(
        &self,
        file: &Arc<str>,
        until: Option<u64>,
        server_uuid: Uuid,
    ) -> Result<Look, SourceError> {
        let at = beginning(file);
        let mut end = EndPosition::new(at.position);
        let mut look = Look::new(server_uuid, Arc::clone(file));
        if until.is_some_and(|until| until <= end.get()) {
            return Ok(look);
        }
        let mut stream = self.dump(&DumpStart::At(at.clone())).await?;
        loop {
            let event = next(&mut stream, &Nothing, &at).await?;
            let EventHeader { event_type, log_pos, event_size, .. } = event.header;
            let error = |error| malformed(event_type, error, &at);
            let position = end.get();
            match event_type {
                EventType::HEARTBEAT | EventType::HEARTBEAT_V2 => continue,
                EventType::ROTATE => match RotateEvent::parse(event.body).map_err(error)? {
                    rotate if *rotate.file == **file => continue,
                    _ => return Ok(look),
                },
                _ if event.is_unpacked || event.header.is_artificial() => {}
                _ => end.advance(event_size, log_pos),
            }
            look.take(&event, position).map_err(error)?;
            let is_whole = event_type != EventType::TRANSACTION_PAYLOAD
                && (!event.is_unpacked || !stream.has_event());
            if is_whole && until.is_some_and(|until| end.get() >= until) {
                return Ok(look);
            }
        }
    }

    /// The first transaction from there on; `None` if the server waits for one itself. `end` is the end
    /// of its binlog.
    pub(crate) async fn first_transaction(
        &self,
        from: &DumpStart,
        end: &BinlogCoordinates,
    ) -> Result<Option<FirstTransaction>, SourceError> {
        let mut stream = self.dump(from).await?;
        let mut at = end.clone();
        let mut file_begun = None;
        loop {
            let event = next(&mut stream, &Nothing, &at).await?;
            let EventHeader { event_type, log_pos, event_size, timestamp, .. } = event.header;
            let malformed = |error| malformed(event_type, error, &at);
            let parsed = match event_type {
                EventType::ROTATE => {
                    let rotate = RotateEvent::parse(event.body).map_err(malformed)?;
                    at = BinlogCoordinates { file: rotate.file.into(), position: rotate.position };
                    continue;
                }
                EventType::FORMAT_DESCRIPTION => {
                    file_begun = Some(timestamp).filter(|begun| *begun > 0);
                    continue;
                }
                // SERVER: one comes too while it passes over what is not asked for.
                EventType::HEARTBEAT | EventType::HEARTBEAT_V2 => {
                    let low_bits = end.position & u64::from(u32::MAX);
                    if at.file == end.file && u64::from(log_pos) >= low_bits {
                        return Ok(None);
                    }
                    continue;
                }
                EventType::GTID => GtidEvent::parse(event.body),
                EventType::GTID_TAGGED => GtidEvent::parse_tagged(event.body),
                EventType::ANONYMOUS_GTID => GtidEvent::parse_anonymous(event.body),
                _ => continue,
            };
            let parsed = parsed.map_err(malformed)?;
            let position =
                crate::position::widen(at.position, log_pos).saturating_sub(u64::from(event_size));
            return Ok(Some(FirstTransaction {
                begins_at: BinlogCoordinates { position, ..at },
                file_begun,
                gtid: parsed.gtid,
                commit_timestamp_us: parsed
                    .immediate_commit_us
                    .unwrap_or_else(|| u64::from(timestamp) * 1_000_000),
            }));
        }
    }
}

pub(super) fn beginning(file: &Arc<str>) -> BinlogCoordinates {
    BinlogCoordinates { file: Arc::clone(file), position: BinlogCoordinates::FIRST_EVENT }
}

pub(super) async fn next<'s>(
    stream: &'s mut impl EventSource,
    interest: &(impl Interest + Sync),
    at: &BinlogCoordinates,
) -> Result<RawEvent<'s>, SourceError> {
    let place = || Place { coordinates: at.clone(), gtid: None };
    stream.next_event(interest).await.map_err(|error| SourceError::of_stream(error, place))
}

pub(super) fn malformed(
    event_type: EventType,
    error: super::event::EventError,
    at: &BinlogCoordinates,
) -> SourceError {
    let place = Box::new(Place { coordinates: at.clone(), gtid: None });
    SourceError::Event { place, fault: EventFault::Malformed { event_type, error } }
}

/// No large event is held in memory.
struct Nothing;

impl Interest for Nothing {
    fn wants(&self, _header: &EventHeader, _head: &[u8]) -> bool {
        false
    }
}
