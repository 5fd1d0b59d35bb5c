//! A checked reader over bytes from outside, and what can be wrong with them.
//!
//! Promises:
//! - no read goes past the end, no length overflows, nothing panics;
//! - nothing is allocated: what is read is borrowed from the input.
//!
//! Not promised: that the bytes mean anything. Each decoder says what it makes of them.

use thiserror::Error;

/// Reads forward through `bytes`. A read that fails consumes nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ByteReader<'a> {
    rest: &'a [u8],
}

/// What is wrong with the bytes themselves; knows nothing of tables and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    #[error("{needed} bytes are needed where {available} are left")]
    Truncated { needed: usize, available: usize },
    #[error("a length-encoded integer starts with {first:#04x}")]
    LengthEncoding { first: u8 },
    #[error("{what} cannot be {value}")]
    OutOfRange { what: &'static str, value: u64 },
    #[error("text is not valid UTF-8")]
    NotUtf8,
    #[error("text in character set ascii holds a byte above 0x7f")]
    NotAscii,
    #[error("a floating-point value is not a finite number")]
    NotFinite,
    #[error("JSON value of unknown type {code:#04x}")]
    JsonType { code: u8 },
    #[error("JSON value is nested deeper than {depth_max} levels")]
    JsonDepth { depth_max: usize },
    #[error("JSON offset {offset} does not lie in its container of {length} bytes")]
    JsonOffset { offset: usize, length: usize },
    #[error("JSON values overlap")]
    JsonOverlap,
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(Malformed::Truncated { needed: count, available: self.rest.len() })?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(Malformed::Truncated { needed: N, available: self.rest.len() })?;
        self.rest = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    #[inline]
    pub(crate) fn u16_le(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32_le(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u64_le(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// An unsigned integer of `width` bytes (at most 8), least significant first.
    pub(crate) fn uint_le(&mut self, width: usize) -> Result<u64, Malformed> {
        debug_assert!(width <= 8, "wider than the value");
        Ok(u64_le(self.take(width)?))
    }

    /// Up to the next zero byte, which is read too.
    pub(crate) fn until_zero(&mut self) -> Result<&'a [u8], Malformed> {
        let available = self.rest.len();
        let length = self.rest.iter().position(|byte| *byte == 0);
        let length = length.ok_or(Malformed::Truncated { needed: available + 1, available })?;
        let taken = self.take(length)?;
        self.take(1)?;
        Ok(taken)
    }

    /// Six bytes, least significant first: a table id.
    pub(crate) fn u48_le(&mut self) -> Result<u64, Malformed> {
        Ok(u64_le(&self.array::<6>()?))
    }

    /// A length of `width` bytes (1 to 4), least significant first, then as many bytes.
    #[inline]
    pub(crate) fn prefixed(&mut self, width: u8) -> Result<&'a [u8], Malformed> {
        let mut ahead = *self;
        let length = match width {
            1 => usize::from(ahead.u8()?),
            2 => usize::from(ahead.u16_le()?),
            _ => to_usize(u64_le(ahead.take(usize::from(width))?)),
        };
        let taken = ahead.take(length)?;
        *self = ahead;
        Ok(taken)
    }

    /// MySQL's length-encoded integer: one byte up to 250, else a marker and 2, 3 or 8 bytes.
    pub(crate) fn length_encoded(&mut self) -> Result<u64, Malformed> {
        let mut ahead = *self;
        let value = match ahead.u8()? {
            first @ 0..=250 => u64::from(first),
            252 => u64::from(ahead.u16_le()?),
            253 => u64_le(&ahead.array::<3>()?),
            254 => u64::from_le_bytes(ahead.array()?),
            first @ (251 | 255) => return Err(Malformed::LengthEncoding { first }),
        };
        *self = ahead;
        Ok(value)
    }

    /// A length-encoded length, then as many bytes.
    pub(crate) fn length_encoded_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let mut ahead = *self;
        let length = to_usize(ahead.length_encoded()?);
        let taken = ahead.take(length)?;
        *self = ahead;
        Ok(taken)
    }
}

/// At most eight bytes as an unsigned integer, least significant first.
#[inline]
pub(crate) fn u64_le(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// At most eight bytes as an unsigned integer, most significant first.
#[inline]
pub(crate) fn u64_be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// A length from the input as a size in memory. One that does not fit cannot be there either, so it
/// becomes the largest: the read that follows fails.
#[inline]
pub(crate) fn to_usize(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// Whether bit `index` is set in a bitmap that counts from the least significant bit.
#[inline]
pub(crate) fn bit(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_past_the_end_is_an_error_and_consumes_nothing() {
        let mut reader = ByteReader::new(&[1, 2, 3]);

        let failed = reader.u32_le();

        assert_eq!(failed, Err(Malformed::Truncated { needed: 4, available: 3 }));
        assert_eq!(reader.rest(), [1, 2, 3]);
    }

    #[test]
    fn prefixed_bytes_that_are_not_all_there_consume_nothing() {
        let mut reader = ByteReader::new(&[3, 0, b'a', b'b']);

        let failed = reader.prefixed(2);

        assert_eq!(failed, Err(Malformed::Truncated { needed: 3, available: 2 }));
        assert_eq!(reader.rest().len(), 4);
    }

    #[test]
    fn prefixed_length_may_take_one_to_four_bytes() {
        for width in 1..=4_u8 {
            let mut bytes = vec![2];
            bytes.resize(usize::from(width), 0);
            bytes.extend(b"ab!");

            let mut reader = ByteReader::new(&bytes);

            assert_eq!(reader.prefixed(width), Ok(&b"ab"[..]));
            assert_eq!(reader.rest(), b"!");
        }
    }

    #[test]
    fn length_encoded_integers_have_four_widths() {
        let cases: [(&[u8], u64); 4] = [
            (&[250], 250),
            (&[252, 0xfb, 0], 251),
            (&[253, 1, 0, 1], 65_537),
            (&[254, 0, 0, 0, 0, 1, 0, 0, 0], 1 << 32),
        ];

        for (bytes, value) in cases {
            let mut reader = ByteReader::new(bytes);

            assert_eq!(reader.length_encoded(), Ok(value));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn text_ends_at_its_zero_byte() {
        let mut reader = ByteReader::new(b"shop\0rest");

        assert_eq!(reader.until_zero(), Ok(&b"shop"[..]));
        assert_eq!(reader.rest(), b"rest");
        assert_eq!(reader.until_zero(), Err(Malformed::Truncated { needed: 5, available: 4 }));
    }

    #[test]
    fn length_encoded_length_beyond_memory_is_truncation() {
        let mut bytes = vec![254];
        bytes.extend(u64::MAX.to_le_bytes());

        let failed = ByteReader::new(&bytes).length_encoded_bytes();

        assert_eq!(failed, Err(Malformed::Truncated { needed: usize::MAX, available: 0 }));
    }
}
