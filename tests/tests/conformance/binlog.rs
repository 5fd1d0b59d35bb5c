//! Events of one table from a server's real binlog, decoded by the relay's own code.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use mysql_async::{BinlogStreamRequest, Conn, prelude::Queryable};
use rowpost::source::{
    row::{JsonStyle, RowDecoder, RowImage, RowsEvent, RowsKind, Value},
    table_map::{ColumnDescription, DESCRIBE_TABLE_SQL, TableMap},
};
use rowpost_tests::mysql_server::{MysqlServer, Setup};

/// SERVER: event type of a table map.
const TABLE_MAP: u8 = 19;

/// A place in the server's binlog.
pub(crate) struct Place {
    pub(crate) file: String,
    pub(crate) position: u64,
}

/// A rows event and the table map it belongs to, as they lie in the binlog.
pub(crate) struct CapturedRows {
    table_map: Vec<u8>,
    event_type: u8,
    body: Vec<u8>,
}

/// One row image.
pub(crate) struct Image {
    pub(crate) kind: RowsKind,
    pub(crate) image: RowImage,
    pub(crate) cells: Vec<Cell>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Not in the image.
    Absent,
    Null,
    Text(Vec<u8>),
}

/// Where the binlog ends now.
pub(crate) async fn end(connection: &mut Conn, setup: Setup) -> Result<Place> {
    let sql = match setup {
        Setup::Current => "show binary log status",
        Setup::Reference | Setup::Mysql80 => "show master status",
    };
    let row: mysql_async::Row =
        connection.query_first(sql).await?.context("the server writes no binlog")?;
    let file = row.get(0).context("no file name")?;
    let position = row.get(1).context("no position")?;
    Ok(Place { file, position })
}

/// The rows events of `database`.`table` from `start` up to the binlog's end.
pub(crate) async fn read(
    server: &MysqlServer,
    start: &Place,
    database: &str,
    table: &str,
) -> Result<Vec<CapturedRows>> {
    // Tests share a server, and a second replica of the same id ends the first.
    static REPLICAS: AtomicU32 = AtomicU32::new(4_000_000);
    let request = BinlogStreamRequest::new(REPLICAS.fetch_add(1, Ordering::Relaxed))
        .with_non_blocking()
        .with_filename(start.file.as_bytes())
        .with_pos(start.position);
    let mut stream = server.connect().await?.get_binlog_stream(request).await?;
    let (mut captured, mut wanted) = (Vec::new(), None);
    while let Some(event) = stream.next().await {
        let event = event?;
        let (event_type, body) = (event.header().event_type_raw(), event.data());
        if event_type == TABLE_MAP {
            let (table_id, its_database, its_table) = TableMap::peek_name(body)?;
            let is_wanted = (its_database, its_table) == (database, table);
            wanted = is_wanted.then(|| (table_id, body.to_vec()));
        } else if RowsKind::of_event_type(event_type).is_some() {
            let table_id = RowsEvent::peek_table_id(body)?;
            if let Some((_, table_map)) = wanted.as_ref().filter(|(id, _)| *id == table_id) {
                let (table_map, body) = (table_map.clone(), body.to_vec());
                captured.push(CapturedRows { table_map, event_type, body });
            }
        }
    }
    stream.close().await?;
    Ok(captured)
}

/// What the relay would ask the server about a table.
pub(crate) async fn describe(
    connection: &mut Conn,
    database: &str,
    table: &str,
) -> Result<Vec<ColumnDescription>> {
    let parameters = (database, table);
    let described = connection
        .exec_map(DESCRIBE_TABLE_SQL, parameters, |(name, column_type, character_set)| {
            ColumnDescription { name, column_type, character_set }
        })
        .await?;
    Ok(described)
}

impl CapturedRows {
    /// The table map, with what it leaves open from `descriptions` where some are given.
    pub(crate) fn table(&self, descriptions: Option<&[ColumnDescription]>) -> Result<TableMap> {
        let mut table = TableMap::parse(&self.table_map)?;
        if let Some(descriptions) = descriptions {
            table.describe(descriptions)?;
        }
        Ok(table)
    }

    /// All images of the event as text, all columns.
    pub(crate) fn decode(&self, table: &TableMap, style: JsonStyle) -> Result<Vec<Image>> {
        let mut images = Vec::new();
        self.for_each_image(table, |kind, image, values| {
            let cells: Result<_> = values
                .iter()
                .enumerate()
                .map(|(index, value)| {
                    Cell::of(value, style).with_context(|| format!("column {index}: {value:?}"))
                })
                .collect();
            images.push(Image { kind, image, cells: cells? });
            Ok(())
        })?;
        Ok(images)
    }

    /// Calls `each` with the values of each image, all columns.
    pub(crate) fn for_each_image(
        &self,
        table: &TableMap,
        mut each: impl FnMut(RowsKind, RowImage, &[Value<'_>]) -> Result<()>,
    ) -> Result<()> {
        let all: Vec<usize> = (0..table.columns.len()).collect();
        let decoder = RowDecoder::new(table, &all)?;
        let event = RowsEvent::parse(self.event_type, &self.body)?;
        let (mut rows, mut values, mut rows_read) = (event.rows()?, Vec::new(), 0);
        while let Some(image) = decoder.decode(&mut rows, &mut values)? {
            each(event.kind, image, &values)?;
            let row_ends = event.kind != RowsKind::Update || image == RowImage::After;
            rows_read += u64::from(row_ends);
        }
        let counted = decoder.count(&mut event.rows()?)?;
        ensure!(counted == rows_read, "{counted} rows counted, {rows_read} decoded");
        Ok(())
    }
}

impl Cell {
    fn of(value: &Value<'_>, style: JsonStyle) -> Result<Self> {
        let mut text = Vec::new();
        Ok(match value {
            Value::Absent => Self::Absent,
            value if value.write_text(style, &mut text)? => Self::Text(text),
            _ => Self::Null,
        })
    }
}
