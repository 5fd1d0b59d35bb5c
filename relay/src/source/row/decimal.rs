//! DECIMAL's packed digits → text.

use super::number::write_padded;
use crate::source::{
    bytes::{ByteReader, Malformed, u64_be},
    table_map::{decimal_bytes, odd_digit_bytes},
};

/// A DECIMAL, still packed: its digits lie in the binlog as groups of up to nine.
///
/// Text is the only form it is given out in: no number type holds 65 digits without rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decimal<'a> {
    bytes: &'a [u8],
    precision: u8,
    scale: u8,
}

impl<'a> Decimal<'a> {
    /// `bytes` must have exactly the length that precision and scale ask for.
    pub(super) fn new(bytes: &'a [u8], precision: u8, scale: u8) -> Result<Self, Malformed> {
        if !(1..=65).contains(&precision) || scale > precision {
            return Err(Malformed::OutOfRange {
                what: "precision of a DECIMAL",
                value: u64::from(precision),
            });
        }
        let needed = decimal_bytes(precision, scale);
        if bytes.len() != needed {
            return Err(Malformed::Truncated { needed, available: bytes.len() });
        }
        Ok(Self { bytes, precision, scale })
    }

    /// Appends the digits with all `scale` places, as `SELECT` prints them.
    pub fn write_text(&self, out: &mut Vec<u8>) -> Result<(), Malformed> {
        // SERVER: the highest bit is the inverted sign; all other bits of a negative number are
        // inverted.
        let (mut buffer, length) = self.digit_groups();
        let Some(groups) = buffer.get_mut(..length) else { return Ok(()) };
        let Some(first) = groups.first_mut() else { return Ok(()) };
        let negative = *first & 0x80 == 0;
        *first ^= 0x80;
        if negative {
            for byte in groups.iter_mut() {
                *byte = !*byte;
            }
            out.push(b'-');
        }

        let mut groups = ByteReader::new(groups);
        write_integer_digits(&mut groups, self.precision.saturating_sub(self.scale), out)?;
        if self.scale > 0 {
            out.push(b'.');
            write_fraction_digits(&mut groups, self.scale, out)?;
        }
        Ok(())
    }

    /// A copy that may be changed, and its length. 65 digits take at most 32 bytes.
    fn digit_groups(&self) -> ([u8; 32], usize) {
        let mut buffer = [0; 32];
        let length = self.bytes.len().min(buffer.len());
        for (copy, byte) in buffer.iter_mut().zip(self.bytes) {
            *copy = *byte;
        }
        (buffer, length)
    }
}

/// Digits before the point: the odd group comes first. Leading zeros are left out.
fn write_integer_digits(
    groups: &mut ByteReader<'_>,
    digits: u8,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    let mut written = false;
    for width in std::iter::once(digits % 9).chain((0..digits / 9).map(|_| 9)) {
        let group = read_group(groups, width)?;
        if written {
            write_padded(group, usize::from(width), out);
        } else if group > 0 {
            write_padded(group, 1, out);
            written = true;
        }
    }
    if !written {
        out.push(b'0');
    }
    Ok(())
}

/// Digits behind the point: the odd group comes last.
fn write_fraction_digits(
    groups: &mut ByteReader<'_>,
    digits: u8,
    out: &mut Vec<u8>,
) -> Result<(), Malformed> {
    for width in (0..digits / 9).map(|_| 9).chain(std::iter::once(digits % 9)) {
        let group = read_group(groups, width)?;
        if width > 0 {
            write_padded(group, usize::from(width), out);
        }
    }
    Ok(())
}

fn read_group(groups: &mut ByteReader<'_>, digits: u8) -> Result<u64, Malformed> {
    let group = u64_be(groups.take(odd_digit_bytes(digits).min(4))?);
    if group < 10_u64.pow(u32::from(digits)) {
        Ok(group)
    } else {
        Err(Malformed::OutOfRange { what: "group of decimal digits", value: group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], precision: u8, scale: u8) -> Result<String, Malformed> {
        let mut out = Vec::new();
        Decimal::new(bytes, precision, scale)?.write_text(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    /// The example of the server's own source comment (decimal2bin): 1234567890.1234.
    #[test]
    fn digits_are_unpacked_from_groups_of_nine() {
        let positive = [0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        let negative = positive.map(|byte: u8| !byte);

        assert_eq!(text(&positive, 14, 4).unwrap(), "1234567890.1234");
        assert_eq!(text(&negative, 14, 4).unwrap(), "-1234567890.1234");
    }

    #[test]
    fn leading_zeros_go_and_trailing_zeros_stay() {
        assert_eq!(text(&[0x80, 0x00, 0x28], 5, 2).unwrap(), "0.40");
        assert_eq!(text(&[0x80, 0x00], 3, 0).unwrap(), "0");
        assert_eq!(text(&[0x80], 2, 2).unwrap(), "0.00");
    }

    #[test]
    fn a_group_of_more_digits_than_it_may_have_is_an_error() {
        assert!(matches!(text(&[0xe4], 2, 0), Err(Malformed::OutOfRange { .. })));
    }

    #[test]
    fn bytes_of_another_length_are_an_error() {
        assert!(matches!(text(&[0x80], 5, 2), Err(Malformed::Truncated { .. })));
        assert!(matches!(text(&[0x80], 99, 0), Err(Malformed::OutOfRange { .. })));
    }

    /// Found by fuzzing: inside JSON nothing stood in the number's place.
    #[test]
    fn a_decimal_without_digits_is_an_error() {
        assert!(matches!(text(&[], 0, 0), Err(Malformed::OutOfRange { .. })));
    }
}
