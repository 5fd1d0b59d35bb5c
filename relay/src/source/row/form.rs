//! Column → how its bytes become a value; settled once for each table map.
//!
//! Before this: `table_map`. After this: [`super::RowDecoder`].

use std::sync::Arc;

use super::{
    Date, Datetime, Decimal, Jsonb, Time, Timestamp,
    value::{MemberSet, Text, Value},
};
use crate::source::{
    bytes::{Malformed, u64_be, u64_le},
    decode_error::DecodeError,
    table_map::{Charset, Column, ColumnKind, Encoding, Members},
};

/// How the bytes of one column are to be understood.
#[derive(Debug, Clone)]
pub(super) enum Form {
    Signed {
        width: usize,
    },
    Unsigned,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    Text(Encoding),
    Bytes,
    /// BINARY(n): padded with zeros to its length again.
    Padded {
        length: usize,
    },
    Json,
    Enum(Arc<[Member]>),
    Set(Arc<[Member]>),
    Bit {
        bits: u8,
    },
    Year,
    Date,
    Time {
        fraction_digits: u8,
    },
    Datetime {
        fraction_digits: u8,
    },
    Timestamp {
        fraction_digits: u8,
    },
    OldTime,
    OldDatetime,
    OldTimestamp,
}

/// An ENUM's or SET's member as UTF-8; `None`: a text that `information_schema` could not show.
pub(super) type Member = Option<Box<str>>;

/// Why bytes of the right length are no value.
pub(super) enum Refused {
    Malformed(Malformed),
    Member { kind: &'static str, index: u64, members: usize },
    MemberText { index: u64 },
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl Form {
    /// The form of a column that is wanted; an error if too little is known of it or its character
    /// set cannot be decoded.
    pub(super) fn of(column: &Column, index: usize) -> Result<Self, DecodeError> {
        Ok(match column.kind {
            ColumnKind::Tiny => integer(column, index, 1)?,
            ColumnKind::Short => integer(column, index, 2)?,
            ColumnKind::Int24 => integer(column, index, 3)?,
            ColumnKind::Long => integer(column, index, 4)?,
            ColumnKind::Longlong => integer(column, index, 8)?,
            ColumnKind::Float => Self::Float,
            ColumnKind::Double => Self::Double,
            ColumnKind::Decimal { precision, scale } => Self::Decimal { precision, scale },
            ColumnKind::Char { bytes_max } => match character(column, index)? {
                None => Self::Padded { length: usize::from(bytes_max) },
                Some(encoding) => Self::Text(encoding),
            },
            ColumnKind::Varchar { .. } | ColumnKind::Blob { .. } => {
                match character(column, index)? {
                    None => Self::Bytes,
                    Some(encoding) => Self::Text(encoding),
                }
            }
            ColumnKind::Json { .. } => Self::Json,
            ColumnKind::Geometry { .. } | ColumnKind::Vector { .. } => Self::Bytes,
            ColumnKind::Enum { .. } => Self::Enum(members(column, index)?),
            ColumnKind::Set { .. } => Self::Set(members(column, index)?),
            ColumnKind::Bit { bits } => Self::Bit { bits },
            ColumnKind::Year => Self::Year,
            ColumnKind::Date => Self::Date,
            ColumnKind::Time { fraction_digits } => Self::Time { fraction_digits },
            ColumnKind::Datetime { fraction_digits } => Self::Datetime { fraction_digits },
            ColumnKind::Timestamp { fraction_digits } => Self::Timestamp { fraction_digits },
            ColumnKind::OldTime => Self::OldTime,
            ColumnKind::OldDatetime => Self::OldDatetime,
            ColumnKind::OldTimestamp => Self::OldTimestamp,
        })
    }

    /// The value of a column's bytes, which have the length that the column's layout says.
    #[inline]
    pub(super) fn value<'a>(&'a self, bytes: &'a [u8]) -> Result<Value<'a>, Refused> {
        Ok(match self {
            Self::Signed { width } => Value::Int(sign_extended(u64_le(bytes), *width)),
            Self::Unsigned => Value::UInt(u64_le(bytes)),
            Self::Float => Value::Float(f32::from_le_bytes(exactly(bytes)?)),
            Self::Double => Value::Double(f64::from_le_bytes(exactly(bytes)?)),
            Self::Decimal { precision, scale } => {
                Value::Decimal(Decimal::new(bytes, *precision, *scale)?)
            }
            Self::Text(encoding) => Value::Text(Text { bytes, encoding: *encoding }),
            Self::Bytes => Value::Bytes(bytes.into()),
            Self::Padded { length } => Value::padded(bytes, *length),
            Self::Json => Value::Json(Jsonb::new(bytes)),
            Self::Enum(members) => enum_value(members, u64_le(bytes))?,
            Self::Set(members) => set_value(members, u64_le(bytes))?,
            Self::Bit { bits } => Value::Bit { value: u64_be(bytes), bits: *bits },
            Self::Year => Value::Year(year(bytes)),
            Self::Date => Value::Date(Date::unpack(bytes)),
            Self::Time { fraction_digits } => Value::Time(Time::unpack(bytes, *fraction_digits)),
            Self::Datetime { fraction_digits } => {
                Value::Datetime(Datetime::unpack(bytes, *fraction_digits))
            }
            Self::Timestamp { fraction_digits } => {
                Value::Timestamp(Timestamp::unpack(bytes, *fraction_digits))
            }
            Self::OldTime => Value::Time(Time::unpack_old(bytes)),
            Self::OldDatetime => Value::Datetime(Datetime::unpack_old(bytes)),
            Self::OldTimestamp => Value::Timestamp(Timestamp::unpack_old(bytes)),
        })
    }
}

fn integer(column: &Column, index: usize, width: usize) -> Result<Form, DecodeError> {
    match column.unsigned {
        Some(true) => Ok(Form::Unsigned),
        Some(false) => Ok(Form::Signed { width }),
        None => Err(not_described(column, index, "sign")),
    }
}

/// The encoding of a text column; `None`: bytes.
fn character(column: &Column, index: usize) -> Result<Option<Encoding>, DecodeError> {
    match &column.charset {
        Some(Charset::Binary) => Ok(None),
        Some(Charset::Text(encoding)) => Ok(Some(*encoding)),
        Some(Charset::Other(charset)) => Err(unsupported(column, index, charset)),
        None => Err(not_described(column, index, "character set")),
    }
}

fn members(column: &Column, index: usize) -> Result<Arc<[Member]>, DecodeError> {
    let members =
        column.members.as_ref().ok_or_else(|| not_described(column, index, "member texts"))?;
    let encoding = match &members.charset {
        // Texts of a binary ENUM are bytes; as UTF-8 they are what SELECT shows.
        Charset::Binary => Encoding::Utf8mb4,
        Charset::Text(encoding) => *encoding,
        Charset::Other(charset) => return Err(unsupported(column, index, charset)),
    };
    members
        .texts
        .iter()
        .map(|text| member(members, encoding, text))
        .collect::<Result<_, _>>()
        .map_err(|source| DecodeError::Value { column: column.label(index), source })
}

fn member(members: &Members, encoding: Encoding, text: &[u8]) -> Result<Member, Malformed> {
    let text = encoding.decode(text)?;
    let lost = members.lossy && text.contains('?');
    Ok((!lost).then(|| Box::from(text)))
}

fn not_described(column: &Column, index: usize, missing: &'static str) -> DecodeError {
    DecodeError::NotDescribed { column: column.label(index), missing }
}

fn unsupported(column: &Column, index: usize, charset: &Arc<str>) -> DecodeError {
    DecodeError::Charset { column: column.label(index), charset: Arc::clone(charset) }
}

fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Truncated { needed: N, available: bytes.len() })
}

/// The lowest `width` bytes of `value` as a signed number.
fn sign_extended(value: u64, width: usize) -> i64 {
    let unused = 64_usize.saturating_sub(width * 8);
    (value << unused).cast_signed() >> unused
}

/// SERVER: 0 is the year 0000, anything else counts from 1900.
fn year(bytes: &[u8]) -> u16 {
    match bytes.first() {
        None | Some(0) => 0,
        Some(year) => 1900 + u16::from(*year),
    }
}

/// SERVER: member numbers start at 1; 0 is the empty text of a value that was not valid.
fn enum_value(members: &[Member], index: u64) -> Result<Value<'_>, Refused> {
    let Some(place) = index.checked_sub(1) else {
        return Ok(Value::Enum { index: 0, text: "" });
    };
    let member = usize::try_from(place).ok().and_then(|place| members.get(place));
    match (member, u16::try_from(index)) {
        (Some(Some(text)), Ok(index)) => Ok(Value::Enum { index, text }),
        (Some(None), _) => Err(Refused::MemberText { index }),
        (_, _) => Err(Refused::Member { kind: "ENUM", index, members: members.len() }),
    }
}

fn set_value(members: &[Member], bits: u64) -> Result<Value<'_>, Refused> {
    for index in (0..u64::from(u64::BITS)).filter(|index| bits >> index & 1 == 1) {
        let number = index.saturating_add(1);
        match usize::try_from(index).ok().and_then(|index| members.get(index)) {
            Some(Some(_)) => {}
            Some(None) => return Err(Refused::MemberText { index: number }),
            None => {
                let members = members.len();
                return Err(Refused::Member { kind: "SET", index: number, members });
            }
        }
    }
    Ok(Value::Set(MemberSet { bits, members }))
}
