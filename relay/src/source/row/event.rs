//! Rows event → its header and a cursor over its rows.
//!
//! Before this: the event stream, checksum verified. After this: [`super::RowDecoder`].

use crate::source::{
    bytes::{ByteReader, Malformed, bit, to_usize},
    decode_error::DecodeError,
};

/// What was done to the rows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsKind {
    Insert,
    Update,
    Delete,
    /// An update whose JSON columns hold differences. Recognised, not decoded.
    PartialUpdate,
}

/// Which image of a row the values are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowImage {
    /// The row as it was: deleted, or about to be updated.
    Before,
    /// The row as it is: inserted or updated.
    After,
}

/// A rows event with its rows still packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowsEvent<'a> {
    /// The table map that describes the rows.
    pub table_id: u64,
    pub kind: RowsKind,
    /// The last rows event of its statement; table ids are forgotten behind it.
    pub statement_end: bool,
    pub column_count: usize,
    /// The columns in the first image of each row.
    first: Present<'a>,
    /// The columns in an update's second image.
    second: Present<'a>,
    rows: &'a [u8],
}

/// Which of the table's columns an image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Present<'a> {
    bitmap: &'a [u8],
    /// How many there are.
    pub(super) count: usize,
}

/// Reads the row images of one event from first to last.
#[derive(Debug, Clone)]
pub struct RowCursor<'a> {
    pub(super) reader: ByteReader<'a>,
    pub(super) column_count: usize,
    kind: RowsKind,
    first: Present<'a>,
    second: Present<'a>,
    second_is_next: bool,
}

impl RowsKind {
    /// The kind of an event type code; `None`: not a rows event.
    pub fn of_event_type(code: u8) -> Option<Self> {
        match code {
            23 | 30 => Some(Self::Insert),
            24 | 31 => Some(Self::Update),
            25 | 32 => Some(Self::Delete),
            39 => Some(Self::PartialUpdate),
            _ => None,
        }
    }
}

impl<'a> RowsEvent<'a> {
    const STATEMENT_END: u16 = 1;

    /// The table id alone: enough to skip the events of tables that are of no interest.
    pub fn peek_table_id(body: &[u8]) -> Result<u64, DecodeError> {
        ByteReader::new(body).u48_le().map_err(DecodeError::rows("table id"))
    }

    /// Decodes an event's header. `body` is what follows the common event header, without checksum.
    pub fn parse(event_type: u8, body: &'a [u8]) -> Result<Self, DecodeError> {
        let in_header = DecodeError::rows("header");
        let kind = RowsKind::of_event_type(event_type)
            .ok_or(DecodeError::EventType { code: event_type })?;
        let mut reader = ByteReader::new(body);
        let table_id = reader.u48_le().map_err(&in_header)?;
        let flags = reader.u16_le().map_err(&in_header)?;
        if event_type >= 30 {
            // SERVER: version 2 has extra data (NDB's, partition ids); its length counts itself.
            let length = usize::from(reader.u16_le().map_err(&in_header)?);
            reader.take(length.saturating_sub(2)).map_err(&in_header)?;
        }
        let column_count = to_usize(reader.length_encoded().map_err(&in_header)?);
        let in_columns = DecodeError::rows("column bitmaps");
        let first = Present::read(&mut reader, column_count).map_err(&in_columns)?;
        let second = match kind {
            RowsKind::Update | RowsKind::PartialUpdate => {
                Present::read(&mut reader, column_count).map_err(&in_columns)?
            }
            RowsKind::Insert | RowsKind::Delete => first,
        };
        Ok(Self {
            table_id,
            kind,
            statement_end: flags & Self::STATEMENT_END != 0,
            column_count,
            first,
            second,
            rows: reader.rest(),
        })
    }

    /// A cursor before the first row.
    pub fn rows(&self) -> Result<RowCursor<'a>, DecodeError> {
        if self.kind == RowsKind::PartialUpdate {
            return Err(DecodeError::PartialUpdate);
        }
        // Each image takes at least one byte for its NULL bits then, so reading it moves on.
        if self.first.count == 0 || self.second.count == 0 {
            return Err(DecodeError::NoColumns);
        }
        Ok(RowCursor {
            reader: ByteReader::new(self.rows),
            column_count: self.column_count,
            kind: self.kind,
            first: self.first,
            second: self.second,
            second_is_next: false,
        })
    }
}

impl<'a> Present<'a> {
    fn read(reader: &mut ByteReader<'a>, column_count: usize) -> Result<Self, Malformed> {
        let bitmap = reader.take(column_count.div_ceil(8))?;
        let count = (0..column_count).filter(|&index| bit(bitmap, index)).count();
        Ok(Self { bitmap, count })
    }

    #[inline]
    pub(super) fn has(self, index: usize) -> bool {
        bit(self.bitmap, index)
    }
}

impl<'a> RowCursor<'a> {
    /// Whether all rows have been read.
    pub fn is_at_end(&self) -> bool {
        self.reader.is_empty() && !self.second_is_next
    }

    /// Whether an update's first image has been read and its second has not.
    pub(super) fn is_inside_row(&self) -> bool {
        self.second_is_next
    }

    /// Which image comes next, and which columns it has.
    #[inline]
    pub(super) fn next_image(&self) -> (RowImage, Present<'a>) {
        match (self.kind, self.second_is_next) {
            (RowsKind::Insert, _) => (RowImage::After, self.first),
            (RowsKind::Delete, _) | (_, false) => (RowImage::Before, self.first),
            (_, true) => (RowImage::After, self.second),
        }
    }

    /// Steps over to the next image once this one was read.
    pub(super) fn finish_image(&mut self) {
        self.second_is_next = self.kind == RowsKind::Update && !self.second_is_next;
    }
}
