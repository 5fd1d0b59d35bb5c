//! A column of a table map: its type with its metadata, and what else is known of it.

use std::sync::Arc;

use super::Charset;
use crate::source::bytes::{ByteReader, Malformed};

/// One column, in the table's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub kind: ColumnKind,
    pub nullable: bool,
    /// `None`: the binlog carries no names and the table has not been described.
    pub name: Option<Arc<str>>,
    /// `None`: not known, or not a number.
    pub unsigned: Option<bool>,
    /// `None`: not known, or neither text nor bytes.
    pub charset: Option<Charset>,
    /// `None`: not known, or neither ENUM nor SET.
    pub members: Option<Members>,
    /// Part of the primary key. Known only where the binlog carries full metadata.
    pub primary_key: bool,
}

/// The texts of an ENUM's or SET's members, in the order of their numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Members {
    /// Character set of `texts`: the column's own, or UTF-8 once described.
    pub charset: Charset,
    pub texts: Arc<[Box<[u8]>]>,
    /// A `?` in `texts` may stand for a character that `information_schema` could not show.
    pub lossy: bool,
}

/// A column's type as the binlog stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Tiny,
    Short,
    Int24,
    Long,
    Longlong,
    Float,
    Double,
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// CHAR and BINARY.
    Char {
        bytes_max: u16,
    },
    /// VARCHAR and VARBINARY.
    Varchar {
        bytes_max: u16,
    },
    /// All TEXT and BLOB types.
    Blob {
        length_bytes: u8,
    },
    Json {
        length_bytes: u8,
    },
    Geometry {
        length_bytes: u8,
    },
    Vector {
        length_bytes: u8,
    },
    Enum {
        pack_bytes: u8,
    },
    Set {
        pack_bytes: u8,
    },
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
    /// TIME as servers before 5.6 stored it; such columns live on until their table is rebuilt.
    OldTime,
    OldDatetime,
    OldTimestamp,
}

/// How many bytes a value takes in a row image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Fixed(usize),
    /// A length of so many bytes comes first.
    Prefixed(u8),
}

impl Column {
    pub(super) fn new(kind: ColumnKind, nullable: bool) -> Self {
        Self {
            kind,
            nullable,
            name: None,
            unsigned: None,
            charset: None,
            members: None,
            primary_key: false,
        }
    }

    /// The name, or the column's place in the table (from 1) where the name is not known.
    pub fn label(&self, index: usize) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| format!("#{}", index.saturating_add(1)).into())
    }
}

impl ColumnKind {
    /// Reads the metadata that follows the type code in a table map. `None`: an unknown type.
    pub(super) fn read(code: u8, metadata: &mut ByteReader<'_>) -> Result<Option<Self>, Malformed> {
        Ok(Some(match code {
            1 => Self::Tiny,
            2 => Self::Short,
            3 => Self::Long,
            4 => {
                bounded("bytes of a FLOAT", metadata.u8()?, 4, 4)?;
                Self::Float
            }
            5 => {
                bounded("bytes of a DOUBLE", metadata.u8()?, 8, 8)?;
                Self::Double
            }
            7 => Self::OldTimestamp,
            8 => Self::Longlong,
            9 => Self::Int24,
            // SERVER: 14 (NEWDATE) is DATE's type inside the server; the binlog has 10.
            10 | 14 => Self::Date,
            11 => Self::OldTime,
            12 => Self::OldDatetime,
            13 => Self::Year,
            15 | 253 => Self::Varchar { bytes_max: metadata.u16_le()? },
            16 => Self::read_bit(metadata)?,
            17 => Self::Timestamp { fraction_digits: fraction_digits(metadata)? },
            18 => Self::Datetime { fraction_digits: fraction_digits(metadata)? },
            19 => Self::Time { fraction_digits: fraction_digits(metadata)? },
            242 => Self::Vector { length_bytes: length_bytes(metadata)? },
            245 => Self::Json { length_bytes: length_bytes(metadata)? },
            246 => Self::read_decimal(metadata)?,
            247 | 248 | 254 => Self::read_string(metadata)?,
            249..=252 => Self::Blob { length_bytes: length_bytes(metadata)? },
            255 => Self::Geometry { length_bytes: length_bytes(metadata)? },
            _ => return Ok(None),
        }))
    }

    fn read_bit(metadata: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let [odd_bits, whole_bytes] = metadata.array()?;
        let bits = u64::from(whole_bytes) * 8 + u64::from(odd_bits);
        match u8::try_from(bits) {
            Ok(bits) if bits <= 64 => Ok(Self::Bit { bits }),
            Ok(_) | Err(_) => Err(Malformed::OutOfRange { what: "bits of a BIT", value: bits }),
        }
    }

    fn read_decimal(metadata: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let [precision, scale] = metadata.array()?;
        bounded("precision of a DECIMAL", precision, 1, 65)?;
        bounded("scale of a DECIMAL", scale, 0, precision)?;
        Ok(Self::Decimal { precision, scale })
    }

    /// SERVER: CHAR, ENUM and SET share type 254. The first byte is the real type; where the length
    /// needs more than eight bits, bits 4 and 5 of that byte carry the two upper ones, inverted
    /// (`Field_string::do_save_field_metadata`).
    fn read_string(metadata: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let [real_type, length] = metadata.array()?;
        match real_type {
            247 => Ok(Self::Enum { pack_bytes: bounded("bytes of an ENUM", length, 1, 2)? }),
            248 => Ok(Self::Set { pack_bytes: bounded("bytes of a SET", length, 1, 8)? }),
            _ if real_type | 0x30 == 254 => {
                let upper = u16::from(!real_type & 0x30) << 4;
                Ok(Self::Char { bytes_max: upper | u16::from(length) })
            }
            _ => Err(Malformed::OutOfRange {
                what: "real type of a string column",
                value: u64::from(real_type),
            }),
        }
    }

    pub(crate) fn layout(self) -> Layout {
        match self {
            Self::Tiny | Self::Year => Layout::Fixed(1),
            Self::Short => Layout::Fixed(2),
            Self::Int24 | Self::Date | Self::OldTime => Layout::Fixed(3),
            Self::Long | Self::Float | Self::OldTimestamp => Layout::Fixed(4),
            Self::Longlong | Self::Double | Self::OldDatetime => Layout::Fixed(8),
            Self::Decimal { precision, scale } => Layout::Fixed(decimal_bytes(precision, scale)),
            Self::Char { bytes_max } | Self::Varchar { bytes_max } => {
                Layout::Prefixed(if bytes_max > 255 { 2 } else { 1 })
            }
            Self::Blob { length_bytes }
            | Self::Json { length_bytes }
            | Self::Geometry { length_bytes }
            | Self::Vector { length_bytes } => Layout::Prefixed(length_bytes),
            Self::Enum { pack_bytes } | Self::Set { pack_bytes } => {
                Layout::Fixed(usize::from(pack_bytes))
            }
            Self::Bit { bits } => Layout::Fixed(usize::from(bits).div_ceil(8)),
            Self::Time { fraction_digits } => Layout::Fixed(3 + fraction_bytes(fraction_digits)),
            Self::Datetime { fraction_digits } => {
                Layout::Fixed(5 + fraction_bytes(fraction_digits))
            }
            Self::Timestamp { fraction_digits } => {
                Layout::Fixed(4 + fraction_bytes(fraction_digits))
            }
        }
    }

    /// Numbers, in the sense of the table map's signedness bits.
    pub(super) fn is_numeric(self) -> bool {
        self.is_integer() || matches!(self, Self::Float | Self::Double | Self::Decimal { .. })
    }

    pub(crate) fn is_integer(self) -> bool {
        matches!(self, Self::Tiny | Self::Short | Self::Int24 | Self::Long | Self::Longlong)
    }

    /// Text or bytes, in the sense of the table map's character sets: not ENUM, SET or JSON.
    pub(super) fn is_character(self) -> bool {
        matches!(self, Self::Char { .. } | Self::Varchar { .. } | Self::Blob { .. })
    }

    pub(super) fn has_members(self) -> bool {
        matches!(self, Self::Enum { .. } | Self::Set { .. })
    }
}

fn fraction_digits(metadata: &mut ByteReader<'_>) -> Result<u8, Malformed> {
    bounded("fraction digits", metadata.u8()?, 0, 6)
}

fn length_bytes(metadata: &mut ByteReader<'_>) -> Result<u8, Malformed> {
    bounded("length bytes of a BLOB", metadata.u8()?, 1, 4)
}

fn bounded(what: &'static str, value: u8, min: u8, max: u8) -> Result<u8, Malformed> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(Malformed::OutOfRange { what, value: u64::from(value) })
    }
}

fn fraction_bytes(digits: u8) -> usize {
    usize::from(digits).div_ceil(2)
}

/// Bytes of a DECIMAL: nine digits take four bytes, a rest of digits at either end fewer.
pub(crate) fn decimal_bytes(precision: u8, scale: u8) -> usize {
    digit_bytes(precision.saturating_sub(scale)) + digit_bytes(scale)
}

fn digit_bytes(digits: u8) -> usize {
    usize::from(digits / 9) * 4 + odd_digit_bytes(digits % 9)
}

/// Bytes of a group of fewer than nine decimal digits.
pub(crate) fn odd_digit_bytes(digits: u8) -> usize {
    usize::from(digits).div_ceil(2)
}
