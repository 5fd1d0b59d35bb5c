//! Walks a binary JSON document and writes its text.

use super::{
    JsonStyle,
    container::{Container, INT16, INT32, LITERAL, Member, UINT16, UINT32},
    string::{write_base64, write_quoted},
};
use crate::source::{
    bytes::{ByteReader, Malformed, to_usize},
    row::{
        Date, Datetime, Decimal, Time,
        float::write_double,
        number::{write_signed, write_unsigned},
    },
};

/// SERVER: the deepest nesting that MySQL stores (`JSON_DOCUMENT_MAX_DEPTH`).
const DEPTH_MAX: usize = 100;

const SMALL_OBJECT: u8 = 0x00;
const LARGE_OBJECT: u8 = 0x01;
const SMALL_ARRAY: u8 = 0x02;
const LARGE_ARRAY: u8 = 0x03;
const INT64: u8 = 0x09;
const UINT64: u8 = 0x0a;
const DOUBLE: u8 = 0x0b;
const STRING: u8 = 0x0c;
const OPAQUE: u8 = 0x0f;

/// Column types that an opaque value may have and that have a text of their own.
mod opaque {
    pub(super) const TIMESTAMP: u8 = 7;
    pub(super) const DATE: u8 = 10;
    pub(super) const TIME: u8 = 11;
    pub(super) const DATETIME: u8 = 12;
    pub(super) const DECIMAL: u8 = 246;
    pub(super) const VAR_STRING: u8 = 253;
}

pub(super) struct Writer<'o> {
    style: JsonStyle,
    /// Bytes of the document that no value has claimed yet. In a document that MySQL wrote no two
    /// values share bytes, so the sum of their lengths is bounded by the document's; one that
    /// points twice at the same place could otherwise unfold to any size.
    unclaimed: usize,
    out: &'o mut Vec<u8>,
}

impl<'o> Writer<'o> {
    pub(super) fn new(style: JsonStyle, length: usize, out: &'o mut Vec<u8>) -> Self {
        Self { style, unclaimed: length, out }
    }

    /// Writes the document whose type is `code` and whose content starts `data`.
    pub(super) fn write(&mut self, code: u8, data: &[u8]) -> Result<(), Malformed> {
        self.value(&Member { code, data, inlined: false }, 0)
    }

    fn value(&mut self, member: &Member<'_>, depth: usize) -> Result<(), Malformed> {
        let data = member.data;
        match member.code {
            SMALL_OBJECT => self.object(&Container::open(data, false, true)?, depth),
            LARGE_OBJECT => self.object(&Container::open(data, true, true)?, depth),
            SMALL_ARRAY => self.array(&Container::open(data, false, false)?, depth),
            LARGE_ARRAY => self.array(&Container::open(data, true, false)?, depth),
            _ => {
                let mut reader = ByteReader::new(data);
                self.scalar(member.code, &mut reader)?;
                // An inlined scalar's bytes are part of its container's header.
                if member.inlined { Ok(()) } else { self.claim(data.len() - reader.rest().len()) }
            }
        }
    }

    fn object(&mut self, object: &Container<'_>, depth: usize) -> Result<(), Malformed> {
        let depth = self.enter(object, depth)?;
        self.out.push(b'{');
        for (place, (key, value)) in object.keys().zip(object.values()).enumerate() {
            let key = key?;
            self.claim(key.len())?;
            self.separate(place);
            write_quoted(key, self.out);
            self.out.push(b':');
            self.blank();
            self.value(&value?, depth)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn array(&mut self, array: &Container<'_>, depth: usize) -> Result<(), Malformed> {
        let depth = self.enter(array, depth)?;
        self.out.push(b'[');
        for (place, value) in array.values().enumerate() {
            self.separate(place);
            self.value(&value?, depth)?;
        }
        self.out.push(b']');
        Ok(())
    }

    /// Answers the depth of the container's members.
    fn enter(&mut self, container: &Container<'_>, depth: usize) -> Result<usize, Malformed> {
        self.claim(container.header_length())?;
        if depth < DEPTH_MAX {
            Ok(depth + 1)
        } else {
            Err(Malformed::JsonDepth { depth_max: DEPTH_MAX })
        }
    }

    fn claim(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.unclaimed = self.unclaimed.checked_sub(bytes).ok_or(Malformed::JsonOverlap)?;
        Ok(())
    }

    fn separate(&mut self, place: usize) {
        if place > 0 {
            self.out.push(b',');
            self.blank();
        }
    }

    fn blank(&mut self) {
        match self.style {
            JsonStyle::Compact => {}
            JsonStyle::Select | JsonStyle::Select57 => self.out.push(b' '),
        }
    }

    fn scalar(&mut self, code: u8, data: &mut ByteReader<'_>) -> Result<(), Malformed> {
        match code {
            LITERAL => self.literal(data.u8()?)?,
            INT16 => write_signed(i64::from(i16::from_le_bytes(data.array()?)), self.out),
            UINT16 => write_unsigned(u64::from(data.u16_le()?), self.out),
            INT32 => write_signed(i64::from(i32::from_le_bytes(data.array()?)), self.out),
            UINT32 => write_unsigned(u64::from(data.u32_le()?), self.out),
            INT64 => write_signed(i64::from_le_bytes(data.array()?), self.out),
            UINT64 => write_unsigned(u64::from_le_bytes(data.array()?), self.out),
            DOUBLE => self.double(f64::from_le_bytes(data.array()?))?,
            STRING => write_quoted(read_string(data)?, self.out),
            OPAQUE => {
                let column_type = data.u8()?;
                self.opaque(column_type, read_string(data)?)?;
            }
            code => return Err(Malformed::JsonType { code }),
        }
        Ok(())
    }

    fn literal(&mut self, code: u8) -> Result<(), Malformed> {
        let text: &[u8] = match code {
            0 => b"null",
            1 => b"true",
            2 => b"false",
            _ => {
                let value = u64::from(code);
                return Err(Malformed::OutOfRange { what: "JSON literal", value });
            }
        };
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// SERVER: from 8.0 on a double without fraction ends in `.0`, so that it reads back as one.
    fn double(&mut self, value: f64) -> Result<(), Malformed> {
        let start = self.out.len();
        write_double(value, self.out)?;
        let text = self.out.get(start..).unwrap_or_default();
        let looks_whole = !text.iter().any(|byte| matches!(byte, b'.' | b'e'));
        match self.style {
            JsonStyle::Compact | JsonStyle::Select if looks_whole => {
                self.out.extend_from_slice(b".0");
            }
            JsonStyle::Compact | JsonStyle::Select | JsonStyle::Select57 => {}
        }
        Ok(())
    }

    /// A value of a column type that JSON itself does not have.
    fn opaque(&mut self, column_type: u8, data: &[u8]) -> Result<(), Malformed> {
        match column_type {
            opaque::DECIMAL => {
                let mut reader = ByteReader::new(data);
                let [precision, scale] = reader.array()?;
                Decimal::new(reader.rest(), precision, scale)?.write_text(self.out)
            }
            opaque::DATE => {
                let datetime = Datetime::of_packed(read_packed(data)?);
                self.quoted(|out| Date::write_text(datetime.date, out));
                Ok(())
            }
            opaque::TIME => {
                let time = Time::of_packed(read_packed(data)?);
                self.quoted(|out| time.write_text(out));
                Ok(())
            }
            opaque::DATETIME | opaque::TIMESTAMP => {
                let datetime = Datetime::of_packed(read_packed(data)?);
                self.quoted(|out| datetime.write_text(out));
                Ok(())
            }
            _ => {
                self.bytes(column_type, data);
                Ok(())
            }
        }
    }

    /// SERVER: binary values print as their column type and base64. From 8.0 on, what an older
    /// server stored as VAR_STRING prints as the string it may have been; in records it does not,
    /// since it may as well be bytes.
    fn bytes(&mut self, column_type: u8, data: &[u8]) {
        let line_break: &[u8] = match self.style {
            JsonStyle::Select if column_type == opaque::VAR_STRING => {
                return write_quoted(data, self.out);
            }
            JsonStyle::Select57 => b"\n",
            JsonStyle::Compact | JsonStyle::Select => b"\\n",
        };
        self.quoted(|out| {
            out.extend_from_slice(b"base64:type");
            write_unsigned(u64::from(column_type), out);
            out.push(b':');
            write_base64(data, line_break, out);
        });
    }

    fn quoted(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b'"');
        write(self.out);
        self.out.push(b'"');
    }
}

/// Bytes with their length before them: seven bits a byte, least significant first, the highest bit
/// set where another byte follows.
fn read_string<'a>(data: &mut ByteReader<'a>) -> Result<&'a [u8], Malformed> {
    let mut length = 0_u64;
    for shift in [0, 7, 14, 21, 28] {
        let byte = data.u8()?;
        length |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return data.take(to_usize(length));
        }
    }
    Err(Malformed::OutOfRange { what: "length of a JSON string", value: length })
}

fn read_packed(data: &[u8]) -> Result<i64, Malformed> {
    Ok(i64::from_le_bytes(ByteReader::new(data).array()?))
}
