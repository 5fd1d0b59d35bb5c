//! One connection, or one way through files: from where reading goes on to where it ends or is lost.

mod recall;

use std::{num::Wrapping, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior};
use tracing::info;

use super::{
    Bounds, EventSource, PresentColumns, SourceError, StreamError,
    assembler::Assembler,
    binlog_files::{BinlogFiles, BinlogFilesError, BinlogFolder, FilesStart},
    describer::Describer,
    event::EventType,
    mysql::{BinlogStream, ConnectOptions, Connection, DumpStart, Replica},
    outlet::{Closed, Outlet},
    probe::Probe,
    retries::Progress,
    same_binlog::ensure_same_binlog,
    server::ServerFacts,
    start, table_start,
};
use crate::{
    config::{NameCase, OutboxTable, StartPolicy},
    metrics::Metrics,
    position::{BinlogCoordinates, Position},
};

/// What a binlog is read from.
#[derive(Debug, Clone)]
pub enum Origin {
    Server,
    Files(BinlogFolder),
}

/// Where chunks end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Where nothing more is there to be read, or at the limit.
    AtLimits,
    /// After each transaction, so that each can be published by itself.
    AfterEachTransaction,
}

/// What every connection of a reader has in common.
pub(super) struct Session {
    pub(super) origin: Origin,
    pub(super) connect: ConnectOptions,
    pub(super) replica: Replica,
    pub(super) heartbeat: Duration,
    pub(super) entries: Arc<[OutboxTable]>,
    pub(super) chunk_cost_max: usize,
    pub(super) bounds: Bounds,
    pub(super) cut: Cut,
    pub(super) present_columns: PresentColumns,
    pub(super) checkpoint_interval: Duration,
    pub(super) metrics: Metrics,
}

/// Why a session ended without an error.
#[derive(Debug)]
pub(super) enum Ended {
    NobodyListens,
    /// Everything within the bounds was read.
    Complete,
}

impl Session {
    pub(super) async fn run(
        &self,
        outlet: &mut Outlet,
        progress: &mut Progress,
    ) -> Result<Ended, SourceError> {
        if self.bounds.are_reached(&outlet.position().coordinates) {
            return Ok(Ended::Complete);
        }
        match &self.origin {
            Origin::Server => {
                if outlet.position().table_start.is_some()
                    && let Err(Closed) = Box::pin(table_start::read(self, outlet)).await?
                {
                    return Ok(Ended::NobodyListens);
                }
                let (mut stream, mut assembler) = Box::pin(self.open(outlet.position())).await?;
                self.metrics.source_connected.set(1);
                self.read(&mut stream, &mut assembler, outlet, progress).await
            }
            Origin::Files(folder) => {
                let start = FilesStart::At(outlet.position().coordinates.clone());
                let mut files = BinlogFiles::open(folder.clone(), start).await?;
                // What a server that is not here thinks of names is not in its files.
                let mut assembler = self.assembler(outlet.position(), NameCase::Sensitive);
                self.metrics.source_connected.set(1);
                self.read(&mut files, &mut assembler, outlet, progress).await
            }
        }
    }

    fn assembler(&self, position: &Position, names: NameCase) -> Assembler {
        let entries = Arc::clone(&self.entries);
        let mut assembler = Assembler::new(position, entries, names, self.chunk_cost_max);
        assembler.keep_to(self.bounds.clone());
        match self.cut {
            Cut::AtLimits => {}
            Cut::AfterEachTransaction => assembler.cut_after_each_transaction(),
        }
        assembler
    }

    /// Connects, looks again whether this server can serve the position, and asks for the binlog.
    async fn open(&self, position: &Position) -> Result<(BinlogStream, Assembler), SourceError> {
        let mut connection = Connection::open(&self.connect).await?;
        let server = ServerFacts::query(&mut connection).await?;
        // The policy counts for a first start only, and this one has a position.
        let resumed = start::resolve(Some(position.clone()), &StartPolicy::Earliest, &server)?;
        let probe = Probe::new(self.connect.clone(), self.replica.clone(), self.heartbeat);
        ensure_same_binlog(&mut connection, &probe, &resumed, &server).await?;
        let position = on_server(resumed, &server);
        let mut assembler = self.assembler(&position, server.settings.name_case());
        let by_gtids = start::is_by_gtids(&position, &server);
        if !by_gtids {
            assembler.by_coordinates(position.gtid_set.clone());
        }
        let from = dump_start(&position, by_gtids.then_some(&server));
        if let DumpStart::At(begin) = &from
            && *begin != position.coordinates
        {
            assembler.pass_over_to_start();
        }
        info!(
            address = %self.connect.address(),
            version = connection.server_version(),
            server_uuid = %position.server_uuid,
            coordinates = %position.coordinates,
            by_gtids,
            "binlog stream opened"
        );
        let version = connection.server_version().to_owned();
        let stream = connection.dump(&self.replica, &from, self.heartbeat).await?;
        self.metrics.source_view.opened(position.server_uuid, &version);
        Ok((stream, assembler))
    }

    /// Reads until there is no next event. What was read whole before that leaves first, so that the
    /// position shows where it ended.
    pub(super) async fn read(
        &self,
        stream: &mut impl EventSource,
        assembler: &mut Assembler,
        outlet: &mut Outlet,
        progress: &mut Progress,
    ) -> Result<Ended, SourceError> {
        let ended = self.read_events(stream, assembler, outlet, progress).await;
        self.count(assembler);
        assembler.close_position();
        match send_ready(assembler, outlet).await {
            Ok(()) => ended,
            Err(Closed) => Ok(Ended::NobodyListens),
        }
    }

    async fn read_events(
        &self,
        stream: &mut impl EventSource,
        assembler: &mut Assembler,
        outlet: &mut Outlet,
        progress: &mut Progress,
    ) -> Result<Ended, SourceError> {
        /// How many events may be read from the buffer before others get their turn, and the clock a
        /// look.
        const EVENTS_IN_A_ROW_MAX: u32 = 1024;
        let mut describer = Describer::new(&self.connect, self.present_columns);
        let mut events = Wrapping(0_u32);
        let mut checkpoint_at = Instant::now() + self.checkpoint_interval;
        let mut tick = tokio::time::interval(self.checkpoint_interval.min(self.heartbeat));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_due = events.0.is_multiple_of(EVENTS_IN_A_ROW_MAX);
            if is_due {
                tokio::task::yield_now().await;
            }
            if !stream.has_event() {
                assembler.close();
            }
            if (is_due || !stream.has_event()) && Instant::now() >= checkpoint_at {
                assembler.close_position();
                checkpoint_at = Instant::now() + self.checkpoint_interval;
            }
            if let Err(Closed) = send_ready(assembler, outlet).await {
                return Ok(Ended::NobodyListens);
            }
            if !stream.has_event() {
                self.count(assembler);
                outlet.show_in_flight();
                tokio::select! {
                    biased;
                    ready = stream.ready() => {
                        ready.map_err(|error| SourceError::of_stream(error, || assembler.place()))?;
                    }
                    _ = tick.tick() => {
                        events += 1;
                        continue;
                    }
                }
            }
            events += 1;
            let event = match stream.next_event(&*assembler).await {
                Ok(event) => event,
                Err(error) => return ended(error, assembler),
            };
            if let EventType::HEARTBEAT | EventType::HEARTBEAT_V2 = event.header.event_type {
                progress.has_lived = true;
            }
            if let Some(table) = assembler.handle(&event)? {
                let columns = describer.describe(&table, || assembler.place()).await?;
                assembler.describe(&columns)?;
            }
            if let Err(Closed) = recall::read(self, assembler, &mut describer, outlet).await? {
                return Ok(Ended::NobodyListens);
            }
            if assembler.has_reached_end() {
                return Ok(Ended::Complete);
            }
            if is_due {
                self.count(assembler);
            }
        }
    }

    fn count(&self, assembler: &mut Assembler) {
        let counts = assembler.take_counts();
        self.metrics.transactions_read.inc_by(counts.transactions);
        self.metrics.outbox_rows_read.inc_by(counts.outbox_rows);
        self.metrics.binlog_bytes_read.inc_by(counts.bytes);
        self.metrics.source_view.read_up_to(assembler.place().coordinates);
    }
}

async fn send_ready(assembler: &mut Assembler, outlet: &mut Outlet) -> Result<(), Closed> {
    while let Some(chunk) = assembler.take_ready() {
        outlet.send(chunk).await?;
    }
    Ok(())
}

/// The position as it counts on this server. By GTIDs another server may go on: there the
/// coordinates of the last one mean nothing, and reading begins at the first event.
pub(super) fn on_server(position: Position, server: &ServerFacts) -> Position {
    if position.server_uuid == server.server_uuid {
        return position;
    }
    Position {
        server_uuid: server.server_uuid,
        coordinates: server.beginning(),
        file_begun: None,
        ..position
    }
}

/// By GTIDs of a server where every transaction has one, else by coordinates.
pub(super) fn dump_start(position: &Position, by_gtids_of: Option<&ServerFacts>) -> DumpStart {
    let by_gtids = by_gtids_of
        .and_then(|server| position.unneeded(server.server_uuid, &server.gtids.as_ref()?.purged));
    match by_gtids {
        Some(unneeded) => DumpStart::After(unneeded),
        None => DumpStart::At(reachable(&position.coordinates)),
    }
}

/// SERVER: the dump command has 32 bits for the position. A file is larger than that only if it ends in a
/// giant transaction; it is read from its start, up to the position.
pub(super) fn reachable(at: &BinlogCoordinates) -> BinlogCoordinates {
    let position = match u32::try_from(at.position) {
        Ok(_) => at.position,
        Err(_) => BinlogCoordinates::FIRST_EVENT,
    };
    BinlogCoordinates { position, ..at.clone() }
}

/// Why there is no next event. Files end, and that is well between two transactions.
fn ended(error: StreamError, assembler: &Assembler) -> Result<Ended, SourceError> {
    let StreamError::Files(BinlogFilesError::Ended(end)) = error else {
        return Err(SourceError::of_stream(error, || assembler.place()));
    };
    if assembler.is_inside_transaction() {
        return Err(BinlogFilesError::EndInTransaction { end: end.coordinates }.into());
    }
    Ok(Ended::Complete)
}

#[cfg(test)]
mod tests;
