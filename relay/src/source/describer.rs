//! Columns of a table that the binlog does not name.
//!
//! Promises: columns are the server's present ones only where the rows can have been written with them;
//! where that is not known the answer is an error that says so.

use jiff::Timestamp;

use super::{
    SourceError,
    assembler::TableName,
    columns,
    error::Place,
    mysql::{ConnectOptions, Connection, ConnectionError},
    table_map::ColumnDescription,
};

/// What the server's present columns are worth where the binlog names none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PresentColumns {
    /// Good: reading follows the server closely, or somebody vouches for them.
    Trusted,
    /// Good as long as the table was not altered since the rows were written.
    IfUnaltered,
    /// There is no server to ask.
    Unknown,
}

/// Asks the server about tables, on a connection of its own: the stream's is taken.
pub(super) struct Describer<'a> {
    connect: &'a ConnectOptions,
    present: PresentColumns,
    connection: Option<Connection>,
}

impl<'a> Describer<'a> {
    pub(super) fn new(connect: &'a ConnectOptions, present: PresentColumns) -> Self {
        Self { connect, present, connection: None }
    }

    /// The columns of `table`, none if there is no such table. `place` is where its rows are.
    pub(super) async fn describe(
        &mut self,
        table: &TableName,
        place: impl Fn() -> Place,
    ) -> Result<Vec<ColumnDescription>, SourceError> {
        let name = || format!("{}.{}", table.database, table.table).into();
        if self.present == PresentColumns::Unknown {
            return Err(SourceError::ColumnsUnnamed { table: name(), place: Box::new(place()) });
        }
        let (columns, altered) = self.ask(table).await?;
        if self.present == PresentColumns::IfUnaltered
            && let Some(altered) = altered
            // Both are the server's clock, which says here no more than seconds.
            && altered.as_second() > table.written.as_second()
        {
            let (table, place) = (name(), Box::new(place()));
            return Err(SourceError::TableAlteredSince { table, place, altered });
        }
        Ok(columns)
    }

    async fn ask(
        &mut self,
        table: &TableName,
    ) -> Result<(Vec<ColumnDescription>, Option<Timestamp>), ConnectionError> {
        if let Some(mut connection) = self.connection.take() {
            // An idle connection may have been closed by the server.
            if let Ok(answer) = self.ask_on(&mut connection, table).await {
                self.connection = Some(connection);
                return Ok(answer);
            }
        }
        let mut connection = Box::pin(Connection::open(self.connect)).await?;
        let answer = self.ask_on(&mut connection, table).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    async fn ask_on(
        &self,
        connection: &mut Connection,
        TableName { database, table, .. }: &TableName,
    ) -> Result<(Vec<ColumnDescription>, Option<Timestamp>), ConnectionError> {
        // ORDER: a table that is altered in between was altered before the second question.
        let columns = columns::describe(connection, database, table).await?;
        let altered = match self.present {
            PresentColumns::IfUnaltered => columns::altered(connection, database, table).await?,
            PresentColumns::Trusted | PresentColumns::Unknown => None,
        };
        Ok((columns, altered))
    }
}
