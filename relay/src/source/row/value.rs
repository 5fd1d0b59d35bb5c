//! One decoded value, and its text.

use std::borrow::Cow;

use super::{
    Date, Datetime, Decimal, JsonStyle, Jsonb, Time, Timestamp,
    float::{write_double, write_float},
    form::Member,
    number::{write_padded, write_signed, write_unsigned},
};
use crate::source::{bytes::Malformed, table_map::Encoding};

/// A column's value in one row image. Text, JSON and DECIMAL are still as they lie in the binlog and
/// are checked when their text is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    /// The image does not have the column (`binlog_row_image` is `MINIMAL` or `NOBLOB`).
    Absent,
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    Decimal(Decimal<'a>),
    Text(Text<'a>),
    /// BINARY, VARBINARY, BLOB, GEOMETRY and VECTOR.
    Bytes(Cow<'a, [u8]>),
    Json(Jsonb<'a>),
    Date(Date),
    Time(Time),
    Datetime(Datetime),
    Timestamp(Timestamp),
    Year(u16),
    Enum {
        /// From 1; 0 is the empty text of a value that was not valid.
        index: u16,
        text: &'a str,
    },
    Set(MemberSet<'a>),
    Bit {
        value: u64,
        bits: u8,
    },
}

/// CHAR, VARCHAR or TEXT in the column's own character set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    pub bytes: &'a [u8],
    pub encoding: Encoding,
}

/// The members of a SET that are in a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberSet<'a> {
    /// The first member is the lowest bit.
    pub bits: u64,
    pub(super) members: &'a [Member],
}

impl<'a> MemberSet<'a> {
    /// The texts of the members in the set, in the order of the column's type.
    pub fn texts(self) -> impl Iterator<Item = &'a str> {
        let bits = self.bits;
        self.members
            .iter()
            .take(64)
            .enumerate()
            .filter(move |(index, _)| bits >> index & 1 == 1)
            .map(|(_, text)| text.as_deref().unwrap_or_default())
    }
}

impl<'a> Text<'a> {
    /// The text as UTF-8; borrowed unless it is latin1 with characters beyond ASCII.
    pub fn decode(self) -> Result<Cow<'a, str>, Malformed> {
        self.encoding.decode(self.bytes)
    }
}

impl<'a> Value<'a> {
    /// BINARY(n), whose trailing zeros the binlog strips.
    pub(super) fn padded(bytes: &'a [u8], length: usize) -> Self {
        if bytes.len() >= length {
            return Self::Bytes(Cow::Borrowed(bytes));
        }
        let mut padded = Vec::with_capacity(length);
        padded.extend_from_slice(bytes);
        padded.resize(length, 0);
        Self::Bytes(Cow::Owned(padded))
    }

    /// Appends the text that `SELECT` returns: UTF-8 for text, raw bytes for BIT and binary types,
    /// UTC for TIMESTAMP, JSON in the style asked for. Answers whether there is a value: neither
    /// NULL nor absent.
    ///
    /// After an error `out` may end in a part of the text.
    pub fn write_text(&self, json: JsonStyle, out: &mut Vec<u8>) -> Result<bool, Malformed> {
        match self {
            Self::Null | Self::Absent => return Ok(false),
            Self::Int(value) => write_signed(*value, out),
            Self::UInt(value) => write_unsigned(*value, out),
            Self::Float(value) => write_float(*value, out)?,
            Self::Double(value) => write_double(*value, out)?,
            Self::Decimal(value) => value.write_text(out)?,
            Self::Text(text) => out.extend_from_slice(text.decode()?.as_bytes()),
            Self::Bytes(bytes) => out.extend_from_slice(bytes),
            Self::Json(value) => value.write_text(json, out)?,
            Self::Date(value) => value.write_text(out),
            Self::Time(value) => value.write_text(out),
            Self::Datetime(value) => value.write_text(out),
            Self::Timestamp(value) => value.write_text(out),
            Self::Year(year) => write_padded(u64::from(*year), 4, out),
            Self::Enum { text, .. } => out.extend_from_slice(text.as_bytes()),
            Self::Set(set) => write_set(*set, out),
            Self::Bit { value, bits } => {
                let skipped = 8_usize.saturating_sub(usize::from(*bits).div_ceil(8));
                out.extend(value.to_be_bytes().into_iter().skip(skipped));
            }
        }
        Ok(true)
    }
}

fn write_set(set: MemberSet<'_>, out: &mut Vec<u8>) {
    for (place, text) in set.texts().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.extend_from_slice(text.as_bytes());
    }
}
