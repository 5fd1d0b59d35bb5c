//! Table map event → the table's name and columns.
//!
//! Promises:
//! - [`TableMap::peek_name`] reads the name only, so that a table nobody wants costs nothing more;
//! - what the event does not say stays unknown; nothing is guessed. [`TableMap::describe`] fills it
//!   in from `information_schema`, checked column by column against the event.
//!
//! Not promised: that a description is of the table as it was when the event was written. The check
//! finds a table of another shape; that a column was renamed since, it cannot find.
//!
//! Before this: the event stream, checksum verified. After this: `row`.

mod charset;
mod column;
mod column_type;
mod description;
mod metadata;
#[cfg(test)]
mod tests;

pub(crate) use self::column::{Layout, decimal_bytes, odd_digit_bytes};
pub use self::{
    charset::{Charset, Encoding},
    column::{Column, ColumnKind, Members},
    description::{ColumnDescription, DESCRIBE_TABLE_SQL, DescribeError},
};

use super::{
    bytes::{ByteReader, Malformed, bit, to_usize},
    decode_error::DecodeError,
};

/// What a table map event says of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableMap {
    /// What the rows events that follow call the table; good until the next table map of that id.
    pub table_id: u64,
    pub database: String,
    pub table: String,
    pub columns: Vec<Column>,
}

impl TableMap {
    /// Id, database and table of a table map event without its checksum.
    pub fn peek_name(body: &[u8]) -> Result<(u64, &str, &str), DecodeError> {
        read_name(&mut ByteReader::new(body)).map_err(DecodeError::table_map("name"))
    }

    /// Decodes a table map event without its checksum: the bytes behind the common event header.
    pub fn parse(body: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(body);
        let (table_id, database, table) =
            read_name(&mut reader).map_err(DecodeError::table_map("name"))?;
        let mut columns = read_columns(&mut reader)?;
        metadata::apply(&mut reader, &mut columns)
            .map_err(DecodeError::table_map("column metadata"))?;
        Ok(Self { table_id, database: database.to_owned(), table: table.to_owned(), columns })
    }

    /// The column called `name`. MySQL compares column names without regard to case.
    pub fn column_index(&self, name: &str) -> Option<usize> {
        let folded = name.to_lowercase();
        self.columns.iter().position(|column| {
            column.name.as_deref().is_some_and(|own| own == name || own.to_lowercase() == folded)
        })
    }

    /// Whether names, signs, character sets and member texts are all there, so that any column can
    /// be decoded; if not, the table has to be described.
    pub fn is_described(&self) -> bool {
        self.columns.iter().all(Column::is_described)
    }
}

impl Column {
    fn is_described(&self) -> bool {
        self.name.is_some()
            && (!self.kind.is_integer() || self.unsigned.is_some())
            && (!self.kind.is_character() || self.charset.is_some())
            && (!self.kind.has_members() || self.members.is_some())
    }
}

fn read_name<'a>(reader: &mut ByteReader<'a>) -> Result<(u64, &'a str, &'a str), Malformed> {
    let table_id = reader.u48_le()?;
    let _flags = reader.u16_le()?;
    let database = read_identifier(reader)?;
    let table = read_identifier(reader)?;
    Ok((table_id, database, table))
}

/// A name with its length before and a zero byte behind it.
fn read_identifier<'a>(reader: &mut ByteReader<'a>) -> Result<&'a str, Malformed> {
    let name = reader.length_encoded_bytes()?;
    let _zero = reader.u8()?;
    str::from_utf8(name).map_err(|_| Malformed::NotUtf8)
}

fn read_columns(reader: &mut ByteReader<'_>) -> Result<Vec<Column>, DecodeError> {
    let in_columns = DecodeError::table_map("columns");
    let count = to_usize(reader.length_encoded().map_err(&in_columns)?);
    // One byte for each column is there, so the input bounds what is allocated.
    let codes = reader.take(count).map_err(&in_columns)?;
    let mut metadata = ByteReader::new(reader.length_encoded_bytes().map_err(&in_columns)?);
    let nullable = reader.take(count.div_ceil(8)).map_err(&in_columns)?;

    let mut columns = Vec::with_capacity(count);
    for (index, &code) in codes.iter().enumerate() {
        let kind = ColumnKind::read(code, &mut metadata)
            .map_err(DecodeError::table_map("column types"))?
            .ok_or(DecodeError::ColumnType { ordinal: index.saturating_add(1), code })?;
        columns.push(Column::new(kind, bit(nullable, index)));
    }
    Ok(columns)
}
