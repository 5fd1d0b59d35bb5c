//! A JSON array or object: its header, and where its members lie.
//!
//! Small containers count in two bytes, large ones in four: number of members, size of the whole,
//! then for objects one entry for each key (offset, two bytes of length), then one for each value
//! (type, offset). Short scalars stand in the entry itself, in place of the offset.

use crate::source::bytes::{ByteReader, Malformed, to_usize};

pub(super) const LITERAL: u8 = 0x04;
pub(super) const INT16: u8 = 0x05;
pub(super) const UINT16: u8 = 0x06;
pub(super) const INT32: u8 = 0x07;
pub(super) const UINT32: u8 = 0x08;

pub(super) struct Container<'a> {
    /// The whole container; offsets count from its start.
    bytes: &'a [u8],
    large: bool,
    key_entries: &'a [u8],
    value_entries: &'a [u8],
    header_length: usize,
}

/// A value entry's content.
pub(super) struct Member<'a> {
    pub(super) code: u8,
    /// From the value's first byte on; more may follow.
    pub(super) data: &'a [u8],
    /// The value stands in the entry itself.
    pub(super) inlined: bool,
}

impl<'a> Container<'a> {
    pub(super) fn open(data: &'a [u8], large: bool, keys: bool) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(data);
        let count = read_offset(&mut reader, large)?;
        let size = read_offset(&mut reader, large)?;
        let bytes = ByteReader::new(data).take(size)?;
        // The size may be smaller than the header it is part of.
        let mut reader = ByteReader::new(bytes);
        reader.take(2 * offset_length(large))?;
        let key_entry = if keys { offset_length(large) + 2 } else { 0 };
        let key_entries = reader.take(count.saturating_mul(key_entry))?;
        let value_entries = reader.take(count.saturating_mul(1 + offset_length(large)))?;
        let header_length = bytes.len() - reader.rest().len();
        Ok(Self { bytes, large, key_entries, value_entries, header_length })
    }

    pub(super) fn header_length(&self) -> usize {
        self.header_length
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Result<&'a [u8], Malformed>> {
        self.key_entries.chunks_exact(offset_length(self.large) + 2).map(|entry| {
            let mut entry = ByteReader::new(entry);
            let offset = read_offset(&mut entry, self.large)?;
            let length = usize::from(entry.u16_le()?);
            ByteReader::new(self.at(offset)?).take(length)
        })
    }

    pub(super) fn values(&self) -> impl Iterator<Item = Result<Member<'a>, Malformed>> {
        self.value_entries.chunks_exact(1 + offset_length(self.large)).map(|entry| {
            let mut entry = ByteReader::new(entry);
            let code = entry.u8()?;
            let inlined = match code {
                LITERAL | INT16 | UINT16 => true,
                INT32 | UINT32 => self.large,
                _ => false,
            };
            let data =
                if inlined { entry.rest() } else { self.at(read_offset(&mut entry, self.large)?)? };
            Ok(Member { code, data, inlined })
        })
    }

    /// What lies at an offset, which must be behind the header.
    fn at(&self, offset: usize) -> Result<&'a [u8], Malformed> {
        self.bytes
            .get(offset..)
            .filter(|_| offset >= self.header_length)
            .ok_or(Malformed::JsonOffset { offset, length: self.bytes.len() })
    }
}

fn offset_length(large: bool) -> usize {
    if large { 4 } else { 2 }
}

fn read_offset(reader: &mut ByteReader<'_>, large: bool) -> Result<usize, Malformed> {
    if large {
        Ok(to_usize(u64::from(reader.u32_le()?)))
    } else {
        Ok(usize::from(reader.u16_le()?))
    }
}
