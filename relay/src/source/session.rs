//! One connection: from where reading goes on to where the connection is lost.

use std::{num::Wrapping, sync::Arc, time::Duration};

use tokio::time::{Instant, MissedTickBehavior};
use tracing::info;

use super::{
    EventSource, SourceError,
    assembler::{Assembler, TableName},
    columns,
    event::EventType,
    mysql::{BinlogStream, ConnectOptions, Connection, ConnectionError, DumpStart, Replica},
    outlet::{Closed, Outlet},
    retries::Progress,
    server::ServerFacts,
    start,
    table_map::ColumnDescription,
};
use crate::{
    config::{OutboxTable, StartPolicy},
    metrics::Metrics,
    position::{BinlogCoordinates, Position},
};

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
    pub(super) connect: ConnectOptions,
    pub(super) replica: Replica,
    pub(super) heartbeat: Duration,
    pub(super) entries: Arc<[OutboxTable]>,
    pub(super) chunk_cost_max: usize,
    pub(super) cut: Cut,
    pub(super) checkpoint_interval: Duration,
    pub(super) metrics: Metrics,
}

/// Why a session ended without an error.
#[derive(Debug)]
pub(super) enum Ended {
    NobodyListens,
}

impl Session {
    pub(super) async fn run(
        &self,
        outlet: &mut Outlet,
        progress: &mut Progress,
    ) -> Result<Ended, SourceError> {
        let (mut stream, mut assembler) = Box::pin(self.open(outlet.position())).await?;
        self.metrics.source_connected.set(1);
        self.read(&mut stream, &mut assembler, outlet, progress).await
    }

    /// Connects, looks again whether this server can serve the position, and asks for the binlog.
    async fn open(&self, position: &Position) -> Result<(BinlogStream, Assembler), SourceError> {
        let mut connection = Connection::open(&self.connect).await?;
        let server = ServerFacts::query(&mut connection).await?;
        // The policy counts for a first start only, and this one has a position.
        let resumed = start::resolve(Some(position.clone()), &StartPolicy::Earliest, &server)?;
        let position = on_server(resumed, &server);
        let mut assembler = Assembler::new(
            &position,
            Arc::clone(&self.entries),
            server.settings.name_case(),
            self.chunk_cost_max,
        );
        match self.cut {
            Cut::AtLimits => {}
            Cut::AfterEachTransaction => assembler.cut_after_each_transaction(),
        }
        let from = dump_start(&position);
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
            by_gtids = position.gtid_set.is_some(),
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
        let mut describer = Describer { connect: &self.connect, connection: None };
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
            let event = stream
                .next_event(&*assembler)
                .await
                .map_err(|error| SourceError::of_stream(error, || assembler.place()))?;
            if let EventType::HEARTBEAT | EventType::HEARTBEAT_V2 = event.header.event_type {
                progress.has_lived = true;
            }
            if let Some(table) = assembler.handle(&event)? {
                let columns = describer.describe(&table).await?;
                assembler.describe(&columns)?;
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
fn on_server(position: Position, server: &ServerFacts) -> Position {
    if position.server_uuid == server.server_uuid {
        return position;
    }
    Position { server_uuid: server.server_uuid, coordinates: server.beginning(), ..position }
}

/// By GTIDs where the position has them, else by coordinates.
fn dump_start(position: &Position) -> DumpStart {
    match &position.gtid_set {
        Some(set) => DumpStart::After(set.clone()),
        // SERVER: the dump command has 32 bits for the position. A file is larger than that only if
        // it ends in a giant transaction; it is read from its start, up to the position.
        None if u32::try_from(position.coordinates.position).is_err() => {
            DumpStart::At(BinlogCoordinates {
                position: BinlogCoordinates::FIRST_EVENT,
                ..position.coordinates.clone()
            })
        }
        None => DumpStart::At(position.coordinates.clone()),
    }
}

/// Asks the server about tables, on a connection of its own: the stream's is taken.
struct Describer<'a> {
    connect: &'a ConnectOptions,
    connection: Option<Connection>,
}

impl Describer<'_> {
    async fn describe(
        &mut self,
        table: &TableName,
    ) -> Result<Vec<ColumnDescription>, ConnectionError> {
        if let Some(mut connection) = self.connection.take() {
            // An idle connection may have been closed by the server.
            let described = columns::describe(&mut connection, &table.database, &table.table).await;
            if let Ok(columns) = described {
                self.connection = Some(connection);
                return Ok(columns);
            }
        }
        let mut connection = Box::pin(Connection::open(self.connect)).await?;
        let columns = columns::describe(&mut connection, &table.database, &table.table).await?;
        self.connection = Some(connection);
        Ok(columns)
    }
}

#[cfg(test)]
mod tests;
