//! A column's value → what the parts of a record take from it.

use uuid::Uuid;

use crate::{
    config::BinaryFormat,
    source::{
        Malformed,
        row::{JsonStyle, Value},
    },
};

/// What a value can say besides its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// NULL, or a date that no calendar has (`0000-00-00`, ALLOW_INVALID_DATES).
    Nothing,
    Integer(i128),
    /// Microseconds since the epoch, in UTC.
    Instant(i64),
    /// Bytes that stand for no characters.
    Bytes,
    Text,
}

impl Meaning {
    pub(super) fn of(value: &Value<'_>) -> Self {
        let instant = |micros: Option<i64>| micros.map_or(Self::Nothing, Self::Instant);
        match value {
            Value::Null | Value::Absent => Self::Nothing,
            Value::Int(value) => Self::Integer(i128::from(*value)),
            Value::UInt(value) => Self::Integer(i128::from(*value)),
            Value::Datetime(time) => instant(time.unix_micros_utc()),
            Value::Timestamp(time) => instant(time.unix_micros()),
            Value::Bytes(_) | Value::Bit { .. } => Self::Bytes,
            Value::Float(_)
            | Value::Double(_)
            | Value::Decimal(_)
            | Value::Text(_)
            | Value::Json(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Year(_)
            | Value::Enum { .. }
            | Value::Set(_) => Self::Text,
        }
    }
}

/// Appends the text of a value, bytes as they are unless `format` makes a UUID of them. Answers
/// whether there is a value: false is NULL.
pub(super) fn write_value(
    value: &Value<'_>,
    format: BinaryFormat,
    out: &mut Vec<u8>,
) -> Result<bool, Malformed> {
    if let Value::Bytes(bytes) = value
        && let Ok(bytes) = <[u8; 16]>::try_from(&**bytes)
        && let Some(uuid) = uuid(bytes, format)
    {
        let mut text = Uuid::encode_buffer();
        out.extend_from_slice(uuid.hyphenated().encode_lower(&mut text).as_bytes());
        return Ok(true);
    }
    value.write_text(JsonStyle::Compact, out)
}

fn uuid(bytes: [u8; 16], format: BinaryFormat) -> Option<Uuid> {
    match format {
        BinaryFormat::Raw => None,
        BinaryFormat::Uuid => Some(Uuid::from_bytes(bytes)),
        BinaryFormat::UuidSwapped => {
            // SERVER: `uuid_to_bin(…, true)` puts the third group first, then the second, then the
            // first, so that version 1 ids sort by time.
            let bits = u128::from_be_bytes(bytes);
            let (third, second) = (bits >> 112, bits >> 96 & 0xffff);
            let (first, rest) = (bits >> 64 & 0xffff_ffff, bits & u128::from(u64::MAX));
            Some(Uuid::from_u128(first << 96 | second << 80 | third << 64 | rest))
        }
    }
}
