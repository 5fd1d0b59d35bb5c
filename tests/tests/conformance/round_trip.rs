//! Random rows of every type: inserted, updated, deleted, read back through the binlog.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use mysql_async::{Conn, prelude::Queryable};
use rowpost::source::row::{JsonStyle, RowImage, RowsKind};
use rowpost_tests::{
    mysql_server::{MysqlServer, Setup},
    needs,
    seed::Random,
};

use crate::{
    binlog::{self, Cell, Image},
    column_types::{self, ColumnType},
};

const DATABASE: &str = "conformance";
pub(crate) const TABLE: &str = "every_type";
pub(crate) const ROWS: u32 = 240;
const ROWS_PER_INSERT: u32 = 12;

/// Text of each column by row id, as `SELECT` returned it.
type Rows = BTreeMap<u64, Vec<Cell>>;

#[tokio::test(flavor = "multi_thread")]
async fn every_type_reads_as_select_prints_it_with_full_metadata() -> Result<()> {
    needs!(Setup::Current.tier());
    let server = MysqlServer::start_with(Setup::Current, &["--binlog-row-metadata=FULL"]).await?;
    round_trip(&server, "full", Described::ByTheBinlog).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_reads_as_select_prints_it_with_minimal_metadata() -> Result<()> {
    needs!(Setup::Current.tier());
    let server =
        MysqlServer::start_with(Setup::Current, &["--binlog-row-metadata=MINIMAL"]).await?;
    round_trip(&server, "full", Described::ByTheServer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_reads_as_select_prints_it_with_minimal_row_images() -> Result<()> {
    needs!(Setup::Current.tier());
    let server = MysqlServer::start_with(Setup::Current, &["--binlog-row-metadata=FULL"]).await?;
    round_trip(&server, "minimal", Described::ByTheBinlog).await?;
    round_trip(&server, "noblob", Described::ByTheBinlog).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_reads_as_select_prints_it_on_5_7() -> Result<()> {
    needs!(Setup::Reference.tier());
    let server = MysqlServer::shared(Setup::Reference).await?;
    round_trip(server, "full", Described::ByTheServer).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_reads_as_select_prints_it_on_8_0() -> Result<()> {
    needs!(Setup::Mysql80.tier());
    let server = MysqlServer::shared(Setup::Mysql80).await?;
    round_trip(server, "full", Described::ByTheBinlog).await
}

/// Who says what the columns are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Described {
    ByTheBinlog,
    ByTheServer,
}

async fn round_trip(server: &MysqlServer, row_image: &str, described: Described) -> Result<()> {
    let mut random = Random::from_environment();
    let types = column_types::all(server.setup());
    let mut connection = server.connect().await?;
    create_table(&mut connection, DATABASE, &types, row_image).await?;
    let start = binlog::end(&mut connection, server.setup()).await?;

    insert(&mut connection, &types, &mut random).await?;
    let inserted = select(&mut connection).await?;
    update(&mut connection, &types, &mut random).await?;
    let updated = select(&mut connection).await?;
    connection.query_drop(format!("delete from {TABLE}")).await?;

    let descriptions = binlog::describe(&mut connection, DATABASE, TABLE).await?;
    let style = json_style(server.setup());
    let mut expected =
        Expected { inserted, updated, types, replayed: Rows::new(), last: 0, seen: [0; 3] };
    for captured in binlog::read(server, &start, DATABASE, TABLE).await? {
        let given = (described == Described::ByTheServer).then_some(descriptions.as_slice());
        let table = captured.table(given)?;
        ensure!(table.is_described(), "everything is known of the columns");
        // What both say must be one thing.
        captured.table(Some(&descriptions)).context("the description fits the table map")?;
        for image in captured.decode(&table, style)? {
            expected.follow(image)?;
        }
    }
    connection.disconnect().await?;
    expected.all_seen()
}

fn json_style(setup: Setup) -> JsonStyle {
    match setup {
        Setup::Current | Setup::Mysql80 => JsonStyle::Select,
        Setup::Reference => JsonStyle::Select57,
    }
}

pub(crate) async fn create_table(
    connection: &mut Conn,
    database: &str,
    types: &[ColumnType],
    row_image: &str,
) -> Result<()> {
    let columns: Vec<String> =
        types.iter().enumerate().map(|(index, own)| format!("c{index} {} null", own.sql)).collect();
    for sql in [
        format!("create database if not exists {database}"),
        format!("use {database}"),
        // What does not fit is cut to fit: the test is about what was stored.
        "set names utf8mb4, time_zone = '+00:00', sql_mode = 'allow_invalid_dates'".to_owned(),
        format!("set binlog_row_image = {row_image}"),
        format!("drop table if exists {TABLE}"),
        format!("create table {TABLE} (id bigint unsigned primary key, {})", columns.join(", ")),
    ] {
        connection.query_drop(&sql).await.with_context(|| sql)?;
    }
    Ok(())
}

pub(crate) async fn insert(
    connection: &mut Conn,
    types: &[ColumnType],
    random: &mut Random,
) -> Result<()> {
    for first in (0..ROWS).step_by(ROWS_PER_INSERT as usize) {
        let rows: Vec<String> = (first..first + ROWS_PER_INSERT)
            .map(|id| {
                let values: Vec<String> = types.iter().map(|own| nullable(own, random)).collect();
                format!("({id}, {})", values.join(", "))
            })
            .collect();
        let sql = format!("insert into {TABLE} values {}", rows.join(", "));
        connection.query_drop(sql).await.context("insert")?;
    }
    Ok(())
}

fn nullable(own: &ColumnType, random: &mut Random) -> String {
    if random.chance(0.1) { "null".to_owned() } else { (own.draw)(random) }
}

/// Sets a few columns of some rows each.
async fn update(connection: &mut Conn, types: &[ColumnType], random: &mut Random) -> Result<()> {
    for _ in 0..ROWS / 4 {
        let changes: Vec<String> = (0..1 + random.below(4))
            .map(|_| {
                let index = random.below(u32::try_from(types.len()).unwrap_or(1)) as usize;
                format!("c{index} = {}", nullable(&types[index], random))
            })
            .collect();
        let first = random.below(ROWS);
        let sql = format!(
            "update {TABLE} set {} where id between {first} and {}",
            changes.join(", "),
            first + random.below(5)
        );
        connection.query_drop(sql).await.context("update")?;
    }
    Ok(())
}

async fn select(connection: &mut Conn) -> Result<Rows> {
    let rows: Vec<mysql_async::Row> =
        connection.query(format!("select * from {TABLE} order by id")).await?;
    rows.into_iter()
        .map(|row| {
            let cells: Vec<Cell> = row
                .unwrap()
                .into_iter()
                .map(|value| match value {
                    mysql_async::Value::Bytes(text) => Cell::Text(text),
                    _ => Cell::Null,
                })
                .collect();
            let id = match &cells[0] {
                Cell::Text(id) => str::from_utf8(id)?.parse()?,
                Cell::Null | Cell::Absent => anyhow::bail!("row without id"),
            };
            Ok((id, cells))
        })
        .collect()
}

/// What the binlog must say, and how much of it was met.
struct Expected {
    inserted: Rows,
    updated: Rows,
    types: Vec<ColumnType>,
    /// The table as the events up to here leave it.
    replayed: Rows,
    /// The row whose image before an update came last.
    last: u64,
    /// Inserts, updates, deletes.
    seen: [usize; 3],
}

impl Expected {
    fn follow(&mut self, image: Image) -> Result<()> {
        let Cell::Text(id) = &image.cells[0] else {
            // A minimal image of an update has the id in front only; it is that of the row before.
            return self.change(image.cells);
        };
        let id: u64 = str::from_utf8(id)?.parse()?;
        let row = self.replayed.get(&id);
        match (image.kind, image.image) {
            (RowsKind::Insert, _) => {
                self.seen[0] += 1;
                self.compare(&self.inserted[&id], &image.cells)?;
                self.replayed.insert(id, image.cells);
            }
            (RowsKind::Update, RowImage::Before) => {
                self.compare(row.context("update of a row that is not there")?, &image.cells)?;
                self.last = id;
            }
            (RowsKind::Update, RowImage::After) => self.change(image.cells)?,
            (RowsKind::Delete, _) => {
                self.seen[2] += 1;
                let row = row.context("delete of a row that is not there")?;
                self.compare(row, &image.cells)?;
                // All updates of the row are behind us.
                self.compare(&self.updated[&id], row)?;
                self.replayed.remove(&id);
            }
            (RowsKind::PartialUpdate, _) => anyhow::bail!("nobody asked for partial updates"),
        }
        Ok(())
    }

    fn change(&mut self, cells: Vec<Cell>) -> Result<()> {
        self.seen[1] += 1;
        let row = self.replayed.get_mut(&self.last).context("change of a row that is not there")?;
        for (own, new) in row.iter_mut().zip(cells) {
            if new != Cell::Absent {
                *own = new;
            }
        }
        Ok(())
    }

    /// What the image has must be the row's.
    fn compare(&self, row: &[Cell], image: &[Cell]) -> Result<()> {
        ensure!(row.len() == image.len(), "image has all columns");
        for (index, (selected, read)) in row.iter().zip(image).enumerate() {
            let column = index.checked_sub(1).map_or("id", |index| self.types[index].sql.as_str());
            ensure!(
                read == selected || *read == Cell::Absent,
                "{column}: {} is right, the binlog gives {}",
                print(selected),
                print(read)
            );
        }
        Ok(())
    }

    fn all_seen(&self) -> Result<()> {
        let [inserts, updates, deletes] = self.seen;
        ensure!(inserts == ROWS as usize && deletes == ROWS as usize && updates > 0);
        Ok(())
    }
}

fn print(cell: &Cell) -> String {
    match cell {
        Cell::Absent => "nothing".to_owned(),
        Cell::Null => "NULL".to_owned(),
        Cell::Text(text) => {
            let shown = &text[..text.len().min(2_000)];
            format!("`{}` ({:02x?})", String::from_utf8_lossy(shown), &shown[..shown.len().min(80)])
        }
    }
}
