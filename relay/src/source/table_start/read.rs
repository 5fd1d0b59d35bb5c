//! One life of a start from the tables: open them, find what is newer, read the rest.

use std::time::{Duration, Instant};

use tracing::info;

use super::{
    TableStartError, catalog,
    chunks::Chunks,
    newer::{Newer, RowId},
    plan::{PlanError, TablePlan},
    scan::Scan,
    selected,
    statement::next_page,
};
use crate::{
    config::{NameCase, StartPolicy},
    position::{BinlogCoordinates, KeyPart, LastRow, Position},
    record::OutboxRecord,
    source::{
        SourceError,
        error::Place,
        mysql::{ByteRow, ColumnDefinition, Connection, ConnectionError, DumpStart},
        outlet::{Closed, Outlet},
        probe::Probe,
        row::Value,
        same_binlog::ensure_same_binlog,
        server::{self, ServerFacts},
        session::{Cut, Session, dump_start, on_server},
        start,
    },
};

/// How often the log says how far it is.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(10);

/// The tables as they were at one moment.
struct Opened {
    connection: Connection,
    /// In microseconds since the epoch, by the server's clock.
    as_of_us: u64,
    /// A place in the binlog behind everything that the tables show.
    end: BinlogCoordinates,
}

/// Sends the rows of the outbox tables that are not out yet. `outlet` is at a position with a start that is
/// not finished, and at one without when this returns.
pub(in crate::source) async fn read(
    session: &Session,
    outlet: &mut Outlet,
) -> Result<Result<(), Closed>, SourceError> {
    let mut connection = Box::pin(Connection::open(&session.connect)).await?;
    let server = ServerFacts::query(&mut connection).await?;
    let begun = start::resolve(Some(outlet.position().clone()), &StartPolicy::Earliest, &server)?;
    let probe = Probe::new(session.connect.clone(), session.replica.clone(), session.heartbeat);
    ensure_same_binlog(&mut connection, &probe, &begun, &server).await?;
    let by_gtids = start::is_by_gtids(&begun, &server);
    ensure_same_mode(&begun, by_gtids)?;
    let is_here = begun.server_uuid == server.server_uuid;
    let begun = on_server(begun, &server);
    session.metrics.source_view.opened(server.server_uuid, connection.server_version());
    session.metrics.source_connected.set(1);

    let mut opened = open(connection).await?;
    let plans = plans(session, &mut opened.connection, &begun, server.settings.name_case()).await?;
    // Without GTIDs the position is all that counts, and there is nothing behind it.
    let nothing_newer = is_here && begun.gtid_set.is_none() && opened.end == begun.coordinates;
    let newer = match nothing_newer || plans.is_empty() {
        true => Newer::default(),
        false => {
            let from = dump_start(&begun, by_gtids.then_some(&server));
            Box::pin(scan(session, &plans, &begun, &from, &opened.end)).await?
        }
    };
    let cost_max = match session.cut {
        Cut::AtLimits => session.chunk_cost_max,
        Cut::AfterEachTransaction => 0,
    };
    let mut chunks = Chunks::new(&begun, opened.as_of_us, cost_max);
    chunks.expect_rows(plans.iter().map(|plan| plan.rows_about).sum());
    info!(
        coordinates = %begun.coordinates,
        tables = plans.len(),
        rows_about = chunks.table_start().rows_about,
        rows_out = chunks.table_start().rows,
        rows_newer = newer.len(),
        "reading the outbox tables"
    );
    let mut reading = Reading { session, outlet, chunks, newer, said: Instant::now() };
    let mut after = outlet_last(&begun, &plans)?;
    for mut plan in plans {
        let after = after.take();
        if let Err(Closed) = reading.table(&mut opened.connection, &mut plan, after).await? {
            return Ok(Err(Closed));
        }
    }
    let Reading { outlet, chunks, .. } = reading;
    info!(rows = chunks.table_start().rows, "outbox tables read, the binlog follows");
    opened.connection.close().await;
    Ok(outlet.send(chunks.finish()).await)
}

/// Where a start was begun by GTIDs, its coordinates are not a place before which everything was in the
/// tables: only its GTIDs are.
fn ensure_same_mode(begun: &Position, by_gtids: bool) -> Result<(), TableStartError> {
    match begun.gtid_set.is_some() && !by_gtids {
        true => Err(TableStartError::GtidMode),
        false => Ok(()),
    }
}

/// One transaction that only reads, of one moment.
async fn open(mut connection: Connection) -> Result<Opened, SourceError> {
    for statement in [
        // What values look like, and what a server's settings could change of it.
        "set names utf8mb4",
        "set session time_zone = '+00:00', session sql_mode = '', session sql_select_limit = default",
        // While Kafka is away nobody reads, and the server waits.
        "set session net_write_timeout = 600, session wait_timeout = 28800",
        "set session max_execution_time = 0",
        "set session transaction isolation level repeatable read",
        "start transaction with consistent snapshot, read only",
    ] {
        connection.query(statement).await?;
    }
    let now = connection.query("select floor(unix_timestamp(now(6)) * 1000000)").await?;
    let as_of_us = now.first().and_then(|row| row.get(0)?.parse().ok());
    let as_of_us = as_of_us
        .ok_or(ConnectionError::Protocol { what: "a server that does not know the time" })?;
    // ORDER: behind the moment as of which the tables are read. SERVER: what they show was in the binlog
    // before.
    let end = server::end_of_binlog(&mut connection).await?;
    Ok(Opened { connection, as_of_us, end })
}

/// The tables that are still to be read, in their order.
async fn plans(
    session: &Session,
    connection: &mut Connection,
    begun: &Position,
    names: NameCase,
) -> Result<Vec<TablePlan>, SourceError> {
    let last = begun.table_start.as_ref().and_then(|started| started.last.as_ref());
    let described = catalog::describe(connection, &session.entries, names).await?;
    described
        .iter()
        .filter(|table| {
            last.is_none_or(|last| (&table.database, &table.table) >= (&last.database, &last.table))
        })
        .map(|table| {
            table.plan(&session.entries, names).map_err(|error| match error {
                PlanError::Table(error) => SourceError::from(error),
                PlanError::Mapping(error) => SourceError::Mapping {
                    place: Box::new(Place { coordinates: begun.coordinates.clone(), gtid: None }),
                    error: Box::new(error),
                },
            })
        })
        .collect()
}

/// The key behind which the first table goes on.
fn outlet_last(
    begun: &Position,
    plans: &[TablePlan],
) -> Result<Option<Vec<Vec<u8>>>, TableStartError> {
    let last = begun.table_start.as_ref().and_then(|started| started.last.as_ref());
    let (Some(last), Some(plan)) = (last, plans.first()) else { return Ok(None) };
    if (&plan.database, &plan.table) != (&last.database, &last.table) {
        return Ok(None);
    }
    let names: Vec<&str> = last.key.iter().map(|part| part.column.as_str()).collect();
    let was = names.join(", ");
    match plan.key_names() {
        is if is == was => Ok(Some(last.key.iter().map(|part| part.text.clone()).collect())),
        is => Err(TableStartError::KeyChanged { table: plan.name.clone(), was, is }),
    }
}

async fn scan(
    session: &Session,
    plans: &[TablePlan],
    begun: &Position,
    from: &DumpStart,
    until: &BinlogCoordinates,
) -> Result<Newer, SourceError> {
    let connection = Connection::open(&session.connect).await?;
    let mut stream = connection.dump(&session.replica, from, session.heartbeat).await?;
    Scan::new(plans, begun, from).run(&mut stream, until, &session.connect).await
}

struct Reading<'s> {
    session: &'s Session,
    outlet: &'s mut Outlet,
    chunks: Chunks,
    newer: Newer,
    said: Instant,
}

impl Reading<'_> {
    /// All rows of a table behind `after`, page by page.
    async fn table(
        &mut self,
        connection: &mut Connection,
        plan: &mut TablePlan,
        mut after: Option<Vec<Vec<u8>>>,
    ) -> Result<Result<(), Closed>, SourceError> {
        loop {
            let statement = next_page(plan, after.as_deref()).ok_or_else(|| {
                let (table, column) = (plan.name.clone(), plan.key_names());
                TableStartError::Text { table, column }
            })?;
            let refused = |error| altered(error, plan.name.clone());
            let mut rows = connection.stream(&statement).await.map_err(refused)?;
            let columns = rows.columns().to_vec();
            let before = after.clone();
            while let Some(row) =
                rows.next().await.map_err(|error| altered(error, plan.name.clone()))?
            {
                let (key, record) = self.row(plan, &columns, &row)?;
                if let Some(record) = record {
                    if !self.chunks.has_room_for(&record)
                        && let Err(Closed) = self.close_chunk(plan, after.as_deref()).await
                    {
                        return Ok(Err(Closed));
                    }
                    self.chunks.add(record);
                }
                after = Some(key);
            }
            if let Err(Closed) = self.close_chunk(plan, after.as_deref()).await {
                return Ok(Err(Closed));
            }
            self.say(plan);
            if after == before {
                return Ok(Ok(()));
            }
        }
    }

    /// What was added leaves, up to the row with this key.
    async fn close_chunk(
        &mut self,
        plan: &TablePlan,
        key: Option<&[Vec<u8>]>,
    ) -> Result<(), Closed> {
        match self.chunks.close(|| plan.last_row(key.unwrap_or_default())) {
            Some(chunk) => self.outlet.send(chunk).await,
            None => Ok(()),
        }
    }

    /// A row's key, and its record unless the binlog will bring it.
    fn row(
        &mut self,
        plan: &mut TablePlan,
        columns: &[ColumnDefinition],
        row: &ByteRow,
    ) -> Result<(Vec<Vec<u8>>, Option<OutboxRecord>), TableStartError> {
        let mut memory = vec![Vec::new(); columns.len()];
        let mut values = Vec::with_capacity(columns.len());
        for (place, ((column, text), memory)) in
            columns.iter().zip(row.values()).zip(&mut memory).enumerate()
        {
            let is_single = plan.columns.get(place).is_some_and(|column| column.is_single);
            let value = selected::value(column, is_single, text, memory);
            values.push(value.ok_or_else(|| TableStartError::Text {
                table: plan.name.clone(),
                column: column.name.clone(),
            })?);
        }
        let (wanted, key) = values.split_at(plan.columns.len().min(values.len()));
        let id = self.id(plan, key)?;
        let texts = row.values().skip(wanted.len());
        let texts = texts.map(|text| text.unwrap_or_default().to_vec()).collect();
        if self.newer.contains(&id) {
            return Ok((texts, None));
        }
        self.session.metrics.outbox_rows_read.inc();
        let record = plan.mapping.record(wanted, self.chunks.read_as_of_us());
        let record = record.map_err(|error| TableStartError::Record { error })?;
        Ok((texts, Some(record)))
    }

    fn id(&self, plan: &TablePlan, key: &[Value<'_>]) -> Result<RowId, TableStartError> {
        let primary = plan.primary.iter().filter_map(|place| key.get(*place));
        RowId::of(&plan.database, &plan.table, primary)
            .map_err(|error| TableStartError::Key { table: plan.name.clone(), error })
    }

    fn say(&mut self, plan: &TablePlan) {
        if self.said.elapsed() < PROGRESS_INTERVAL {
            return;
        }
        self.said = Instant::now();
        let started = self.chunks.table_start();
        let (rows, rows_about) = (started.rows, started.rows_about);
        info!(table = %plan.name, rows, rows_about, "reading the outbox tables");
    }
}

impl TablePlan {
    fn last_row(&self, key: &[Vec<u8>]) -> LastRow {
        let parts = self.keys.iter().zip(key);
        LastRow {
            database: self.database.clone(),
            table: self.table.clone(),
            key: parts
                .map(|(key, text)| KeyPart { column: key.name.clone(), text: text.clone() })
                .collect(),
        }
    }
}

/// SERVER: a table that was altered since the transaction began is refused to it.
fn altered(error: ConnectionError, table: std::sync::Arc<str>) -> SourceError {
    const TABLE_DEFINITION_CHANGED: u16 = 1412;
    const NO_SUCH_TABLE: u16 = 1146;
    const NO_SUCH_COLUMN: u16 = 1054;
    const NO_SUCH_INDEX: u16 = 1176;
    const CODES: [u16; 4] =
        [TABLE_DEFINITION_CHANGED, NO_SUCH_TABLE, NO_SUCH_COLUMN, NO_SUCH_INDEX];
    if let ConnectionError::Refused(refused) = &error
        && CODES.contains(&refused.code)
    {
        return TableStartError::Altered { table }.into();
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{position::GtidSet, source::assembler::tests::script::Log};

    #[test]
    fn start_that_was_begun_by_gtids_is_not_finished_without_them() {
        let by_gtids = Position { gtid_set: Some(GtidSet::default()), ..Log::new(true).start() };
        let by_coordinates = Position { gtid_set: None, ..by_gtids.clone() };

        assert_eq!(ensure_same_mode(&by_gtids, false), Err(TableStartError::GtidMode));
        assert_eq!(ensure_same_mode(&by_gtids, true), Ok(()));
        // A set that was begun without is not made up for by switching GTIDs on.
        assert_eq!(ensure_same_mode(&by_coordinates, false), Ok(()));
    }
}
