//! MySQL's binary JSON → JSON text.
//!
//! Promises:
//! - keys keep MySQL's order (by length, then by bytes), numbers MySQL's text;
//! - every offset and length is checked; values nested deeper than MySQL allows and values that
//!   share bytes are refused, so that the work is bounded by the size of the input.
//!
//! Not promised: the text that was inserted. MySQL normalises key order, numbers and duplicate keys
//! before it stores a document.
//!
//! Before this: a JSON column's bytes. After this: the record's value.

mod container;
mod string;
mod writer;

use self::writer::Writer;
use crate::source::bytes::Malformed;

/// A JSON document in MySQL's binary form, not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jsonb<'a>(&'a [u8]);

/// How JSON text is laid out. The styles differ in blanks and in a few scalars only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonStyle {
    /// Without blanks: what goes into records.
    Compact,
    /// As `SELECT` prints it from MySQL 8.0 on: a blank behind each comma and colon.
    Select,
    /// As `SELECT` prints it on MySQL 5.7: doubles without fraction look like integers.
    Select57,
}

impl<'a> Jsonb<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The document as it lies in the binlog.
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// Appends the document as text; valid UTF-8. After an error `out` may end in a part of it.
    pub fn write_text(self, style: JsonStyle, out: &mut Vec<u8>) -> Result<(), Malformed> {
        // SERVER: INSERT IGNORE may leave an empty document behind; it reads as null.
        let Some((&code, data)) = self.0.split_first() else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        let start = out.len();
        Writer::new(style, self.0.len(), out).write(code, data)?;
        // One check for all strings: what stands between them is ASCII.
        let text = out.get(start..).unwrap_or_default();
        str::from_utf8(text).map(|_| ()).map_err(|_| Malformed::NotUtf8)
    }
}
