//! Row images → values, by a plan made once for each table map.

use super::{
    RowCursor, RowImage, Value,
    form::{Form, Refused},
};
use crate::source::{
    bytes::{ByteReader, Malformed, bit},
    decode_error::DecodeError,
    table_map::{Column, Layout, TableMap},
};

/// Decodes the wanted columns of a table's rows and skips the others.
#[derive(Debug, Clone)]
pub struct RowDecoder {
    columns: Vec<PlannedColumn>,
    wanted: usize,
}

#[derive(Debug, Clone)]
struct PlannedColumn {
    layout: Layout,
    /// Where the value goes, and what it is made of; `None`: skipped.
    wanted: Option<(usize, Form)>,
    /// For its name in errors.
    column: Column,
}

impl RowDecoder {
    /// A decoder for the columns whose places are in `wanted`; values come in that order.
    ///
    /// An error if a wanted column cannot be decoded: its character set is not known here, or the
    /// table has not been described.
    ///
    /// # Panics
    ///
    /// If a place in `wanted` is not in the table or comes twice.
    pub fn new(table: &TableMap, wanted: &[usize]) -> Result<Self, DecodeError> {
        let mut columns: Vec<PlannedColumn> = table
            .columns
            .iter()
            .map(|column| PlannedColumn {
                layout: column.kind.layout(),
                wanted: None,
                column: column.clone(),
            })
            .collect();
        for (slot, &index) in wanted.iter().enumerate() {
            let planned = columns.get_mut(index).expect("a wanted column is one of the table's");
            assert!(planned.wanted.is_none(), "a column is wanted once");
            planned.wanted = Some((slot, Form::of(&planned.column, index)?));
        }
        Ok(Self { columns, wanted: wanted.len() })
    }

    /// Decodes the next row image into `values`, which is cleared first; `None`: there is no more.
    ///
    /// An update has two images for each row, [`RowImage::Before`] and then [`RowImage::After`]. A
    /// wanted column that the image does not have (`binlog_row_image=MINIMAL`) is
    /// [`Value::Absent`].
    pub fn decode<'a>(
        &'a self,
        rows: &mut RowCursor<'a>,
        values: &mut Vec<Value<'a>>,
    ) -> Result<Option<RowImage>, DecodeError> {
        values.clear();
        values.resize(self.wanted, Value::Absent);
        self.read_image(rows, |planned, index, bytes| {
            let Some((slot, form)) = &planned.wanted else { return Ok(()) };
            let value = match bytes {
                Some(bytes) => {
                    form.value(bytes).map_err(|refused| planned.error(index, refused))?
                }
                None => Value::Null,
            };
            if let Some(place) = values.get_mut(*slot) {
                *place = value;
            }
            Ok(())
        })
    }

    /// Steps over the next row image without looking at its values.
    pub fn skip(&self, rows: &mut RowCursor<'_>) -> Result<Option<RowImage>, DecodeError> {
        self.read_image(rows, |_, _, _| Ok(()))
    }

    /// Counts the rows that are left; an update's two images are one row.
    pub fn count(&self, rows: &mut RowCursor<'_>) -> Result<u64, DecodeError> {
        let mut count = 0_u64;
        while self.skip(rows)?.is_some() {
            if !rows.is_inside_row() {
                count = count.saturating_add(1);
            }
        }
        Ok(count)
    }

    /// Calls `each` with every column of the next image, its place, and its bytes (`None`: NULL).
    #[inline]
    fn read_image<'a, 'd>(
        &'d self,
        rows: &mut RowCursor<'a>,
        mut each: impl FnMut(&'d PlannedColumn, usize, Option<&'a [u8]>) -> Result<(), DecodeError>,
    ) -> Result<Option<RowImage>, DecodeError> {
        if rows.column_count != self.columns.len() {
            return Err(DecodeError::ColumnCount {
                rows_event: rows.column_count,
                table_map: self.columns.len(),
            });
        }
        if rows.is_at_end() {
            return Ok(None);
        }
        let (image, present) = rows.next_image();
        let mut reader = rows.reader;
        let nulls = reader
            .take(present.count.div_ceil(8))
            .map_err(|source| DecodeError::Rows { part: "NULL bits", source })?;
        let mut place = 0;
        for (index, planned) in self.columns.iter().enumerate() {
            if !present.has(index) {
                continue;
            }
            let bytes = if bit(nulls, place) {
                None
            } else {
                Some(planned.read(&mut reader).map_err(|source| DecodeError::Value {
                    column: planned.column.label(index),
                    source,
                })?)
            };
            place += 1;
            each(planned, index, bytes)?;
        }
        rows.reader = reader;
        rows.finish_image();
        Ok(Some(image))
    }
}

impl PlannedColumn {
    #[inline]
    fn read<'a>(&self, reader: &mut ByteReader<'a>) -> Result<&'a [u8], Malformed> {
        match self.layout {
            Layout::Fixed(length) => reader.take(length),
            Layout::Prefixed(width) => reader.prefixed(width),
        }
    }

    #[cold]
    fn error(&self, index: usize, refused: Refused) -> DecodeError {
        let column = self.column.label(index);
        match refused {
            Refused::Malformed(source) => DecodeError::Value { column, source },
            Refused::Member { kind, index, members } => {
                DecodeError::Member { column, kind, index, members }
            }
            Refused::MemberText { index } => DecodeError::MemberText { column, index },
        }
    }
}
