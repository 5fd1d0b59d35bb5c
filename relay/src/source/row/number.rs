//! Integers → decimal digits.

/// Appends an unsigned integer.
#[inline]
pub(super) fn write_unsigned(value: u64, out: &mut Vec<u8>) {
    write_padded(value, 1, out);
}

/// Appends a signed integer.
#[inline]
pub(super) fn write_signed(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    write_unsigned(value.unsigned_abs(), out);
}

/// Appends an unsigned integer with zeros in front up to `width` digits (20 at most).
#[inline]
pub(super) fn write_padded(value: u64, width: usize, out: &mut Vec<u8>) {
    // u64::MAX has 20 digits.
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut unused = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        unused -= 1;
        if rest == 0 {
            break;
        }
    }
    let start = unused.min(digits.len().saturating_sub(width));
    out.extend_from_slice(digits.get(start..).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_print_up_to_both_ends_of_their_range() {
        let mut out = Vec::new();
        write_signed(i64::MIN, &mut out);
        out.push(b' ');
        write_unsigned(u64::MAX, &mut out);
        out.push(b' ');
        write_padded(7, 3, &mut out);
        out.push(b' ');
        write_padded(1234, 3, &mut out);

        assert_eq!(out, b"-9223372036854775808 18446744073709551615 007 1234");
    }
}
