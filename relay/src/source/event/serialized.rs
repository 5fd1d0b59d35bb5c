//! Messages of MySQL's serialization library (mysql/serialization), which writes GTID_TAGGED events.
//!
//! A message is its format version, its size, the number of its last field that must be understood,
//! and then pairs of field number and value, ascending. Integers take 1 to 9 bytes: the count of
//! trailing one bits of the first byte says how many more follow.

use super::EventError;
use crate::source::bytes::ByteReader;

const FORMAT_VERSION: u64 = 1;

#[derive(Debug)]
pub(super) struct Message<'a> {
    fields: ByteReader<'a>,
    /// The reader must understand all fields up to this one.
    last_non_ignorable: u64,
}

impl<'a> Message<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, EventError> {
        let mut fields = ByteReader::new(bytes);
        if unsigned(&mut fields)? != FORMAT_VERSION {
            return Err(EventError::Invalid("a serialization format that is not known"));
        }
        let size = usize::try_from(unsigned(&mut fields)?)
            .map_err(|_| EventError::Invalid("a message beyond the address space"))?;
        // The size counts what has been read of the message, too.
        let read = bytes.len() - fields.rest().len();
        let rest = size
            .checked_sub(read)
            .ok_or(EventError::Invalid("a message smaller than its own header"))?;
        let mut fields = ByteReader::new(fields.take(rest)?);
        let last_non_ignorable = unsigned(&mut fields)?;
        Ok(Self { fields, last_non_ignorable })
    }

    /// Number of the next field, whose value must be read (or skipped) next; `None` at the end.
    pub(super) fn next_field(&mut self) -> Result<Option<u64>, EventError> {
        if self.fields.is_empty() { Ok(None) } else { self.unsigned().map(Some) }
    }

    pub(super) fn unsigned(&mut self) -> Result<u64, EventError> {
        unsigned(&mut self.fields)
    }

    /// Zigzag, but with the sign in the lowest bit of the one's complement.
    pub(super) fn signed(&mut self) -> Result<i64, EventError> {
        let encoded = self.unsigned()?;
        let magnitude = i64::try_from(encoded >> 1)
            .map_err(|_| EventError::Invalid("a signed integer out of range"))?;
        Ok(if encoded & 1 == 0 { magnitude } else { -magnitude - 1 })
    }

    pub(super) fn skip_integer(&mut self) -> Result<(), EventError> {
        self.unsigned().map(drop)
    }

    /// An array of single bytes, each written as an integer of its own.
    pub(super) fn byte_array<const N: usize>(&mut self) -> Result<[u8; N], EventError> {
        let mut array = [0; N];
        for byte in &mut array {
            *byte = u8::try_from(self.unsigned()?)
                .map_err(|_| EventError::Invalid("a byte above 255"))?;
        }
        Ok(array)
    }

    pub(super) fn string(&mut self) -> Result<&'a [u8], EventError> {
        let length = usize::try_from(self.unsigned()?)
            .map_err(|_| EventError::Invalid("a string beyond the address space"))?;
        Ok(self.fields.take(length)?)
    }

    /// Whether what is left, from an unknown field on, may be passed over.
    pub(super) fn end_at_unknown(&self, field: u64) -> Result<(), EventError> {
        if field <= self.last_non_ignorable {
            return Err(EventError::Invalid("a field that must be understood and is not known"));
        }
        Ok(())
    }
}

/// One to nine bytes; the count of trailing ones in the first says how many follow it.
pub(super) fn unsigned(fields: &mut ByteReader<'_>) -> Result<u64, EventError> {
    let first = fields.u8()?;
    let more = first.trailing_ones();
    let high = fields.uint_le(more as usize)?;
    // The first byte gives its bits above the marker: 7 - more of them, none from seven on.
    let low_bits = 7_u32.saturating_sub(more);
    let low = u64::from(first).checked_shr(more + 1).unwrap_or(0);
    Ok(if low_bits == 0 { high } else { low | (high << low_bits) })
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::source::event::gtid::GtidEvent;

    fn encode(value: u64) -> Vec<u8> {
        let bits = 64 - value.leading_zeros();
        let bytes = bits.div_ceil(7).clamp(1, 9);
        let more = bytes - 1;
        if more >= 8 {
            let mut out = vec![0xff];
            out.extend(value.to_le_bytes());
            return out;
        }
        let marked = (u128::from(value) << bytes) | ((1 << more) - 1);
        marked.to_le_bytes()[..bytes as usize].to_vec()
    }

    #[test]
    fn integers_of_every_width_are_read() {
        for shift in 0..64 {
            for value in [1_u64 << shift, (1 << shift) - 1, u64::MAX >> shift] {
                let bytes = encode(value);
                assert_eq!(unsigned(&mut ByteReader::new(&bytes)), Ok(value), "{bytes:x?}");
            }
        }
    }

    fn message(fields: &[u8], last_non_ignorable: u64) -> Vec<u8> {
        let mut tail = encode(last_non_ignorable);
        tail.extend(fields);
        let mut message = encode(1);
        message.extend(encode(2 + tail.len() as u64));
        message.extend(tail);
        message
    }

    fn tagged_gtid_fields() -> Vec<u8> {
        let source: Uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562".parse().unwrap();
        let mut fields = encode(0);
        fields.extend(encode(1));
        fields.extend(encode(1));
        fields.extend(source.as_bytes().iter().flat_map(|byte| encode(u64::from(*byte))));
        fields.extend(encode(2));
        fields.extend(encode(23 << 1));
        fields.extend(encode(3));
        fields.extend(encode(5));
        fields.extend(b"mytag");
        fields.extend(encode(6));
        fields.extend(encode(1_700_000_000_000_000));
        fields
    }

    #[test]
    fn tagged_gtid_is_read() {
        let event = GtidEvent::parse_tagged(&message(&tagged_gtid_fields(), 8)).unwrap();

        let gtid = event.gtid.unwrap().to_string();
        assert_eq!(gtid, "3e11fa47-71ca-11e1-9e33-c80aa9429562:mytag:23");
        assert_eq!(event.original_commit_us, Some(1_700_000_000_000_000));
    }

    #[test]
    fn later_field_is_passed_over_only_where_the_server_allows_it() {
        let mut fields = tagged_gtid_fields();
        fields.extend(encode(12));
        fields.extend(b"what a later server adds");

        assert!(GtidEvent::parse_tagged(&message(&fields, 8)).is_ok());
        assert!(GtidEvent::parse_tagged(&message(&fields, 12)).is_err());
    }

    #[test]
    fn truncated_message_is_an_error() {
        let whole = message(&tagged_gtid_fields(), 8);

        for length in 0..whole.len() {
            assert!(GtidEvent::parse_tagged(&whole[..length]).is_err(), "{length} bytes");
        }
    }
}
