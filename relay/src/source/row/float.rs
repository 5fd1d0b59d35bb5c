//! FLOAT and DOUBLE → the text that MySQL prints for them.

use std::io::Write;

use super::number::{write_padded, write_signed, write_unsigned};
use crate::source::bytes::Malformed;

/// Appends a FLOAT: at most six significant digits, as `SELECT` prints it.
pub(super) fn write_float(value: f32, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let mut scientific = Scientific::default();
    write!(scientific, "{:.5e}", f64::from(value)).map_err(|_| Malformed::NotFinite)?;
    write_scientific(&scientific, out)
}

/// Appends a DOUBLE: the shortest digits that give the same value again.
pub(super) fn write_double(value: f64, out: &mut Vec<u8>) -> Result<(), Malformed> {
    if write_short_double(value, out) {
        return Ok(());
    }
    let mut scientific = Scientific::default();
    write!(scientific, "{value:e}").map_err(|_| Malformed::NotFinite)?;
    scientific.settle_tie(value);
    write_scientific(&scientific, out)
}

/// Appends a DOUBLE of few decimal places, which is what prices and the like are, some five times
/// faster than the general way. Answers whether it did.
///
/// A quotient of two integers that are exact as doubles is rounded correctly, so if it equals the
/// value, the integer's digits read back as the value. The first number of places that does is the
/// shortest, and below 15 digits no two integers come into question.
fn write_short_double(value: f64, out: &mut Vec<u8>) -> bool {
    const DIGITS_MAX: f64 = 1e15;
    const POWERS: [(usize, f64, u64); 5] =
        [(0, 1e0, 1), (1, 1e1, 10), (2, 1e2, 100), (3, 1e3, 1_000), (4, 1e4, 10_000)];
    let magnitude = value.abs();
    for (places, power, integer_power) in POWERS {
        let scaled = (magnitude * power).round();
        if scaled >= DIGITS_MAX || !scaled.is_finite() {
            return false;
        }
        if scaled / power != magnitude {
            continue;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a whole number from 0 to 1e15"
        )]
        let digits = scaled as u64;
        if value.is_sign_negative() {
            out.push(b'-');
        }
        write_unsigned(digits / integer_power, out);
        if places > 0 {
            out.push(b'.');
            write_padded(digits % integer_power, places, out);
        }
        return true;
    }
    false
}

/// Room for `-d.dddddddddddddddde-ddd`, the longest that a double needs.
#[derive(Default)]
struct Scientific {
    bytes: [u8; 32],
    length: usize,
}

impl Scientific {
    /// Makes the last of the shortest digits even where two numbers of that length are equally near:
    /// the server takes the even one then, the standard library the larger one.
    ///
    /// That happens only where the value has exactly one digit more, a 5, and so many digits that
    /// both neighbours still read back as the value.
    fn settle_tie(&mut self, value: f64) {
        const DIGITS_MIN: usize = 15;
        let (mantissa, point) = match self.parts() {
            Some((mantissa, exponent)) => (mantissa, exponent.saturating_add(1)),
            None => return,
        };
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
        let places = i32::try_from(digits + 1).map_or(0, |all| all.saturating_sub(point));
        if digits < DIGITS_MIN || places <= 0 || binary_places(value) != places.unsigned_abs() {
            return;
        }
        let last = mantissa.len().saturating_sub(1);
        let mut exact = Self::default();
        if write!(exact, "{value:.digits$e}").is_ok() {
            let below = exact.bytes.get(last).copied().unwrap_or(b'9');
            let even = if below % 2 == 0 { below } else { below.saturating_add(1) };
            if let Some(digit) = self.bytes.get_mut(last).filter(|_| even <= b'9') {
                *digit = even;
            }
        }
    }

    /// Mantissa and exponent; `None` for infinity and NaN, which print without an exponent.
    fn parts(&self) -> Option<(&str, i32)> {
        let text = str::from_utf8(self.bytes.get(..self.length)?).ok()?;
        let (mantissa, exponent) = text.split_once('e')?;
        Some((mantissa, exponent.parse().ok()?))
    }
}

/// How many places a value has behind the point in binary, which is how many it has in decimal.
fn binary_places(value: f64) -> u32 {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = bits >> 52 & 0x7ff;
    // A normal number has one bit more, which is not stored.
    let (mantissa, exponent) = match exponent {
        0 => (fraction, 1),
        _ => (fraction | 1 << 52, exponent),
    };
    // The value is the mantissa times two to the power of the exponent less 1075.
    let shift = u32::try_from(exponent).unwrap_or(0) + mantissa.trailing_zeros();
    1075_u32.saturating_sub(shift)
}

impl Write for Scientific {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        let mut room = self.bytes.get_mut(self.length..).unwrap_or_default();
        let written = room.write(text)?;
        self.length += written;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Prints a number given as `-d.ddde-d` the way MySQL does (`my_gcvt`): plain digits where the
/// decimal point falls no further than 14 places before or 15 behind the first digit or inside the
/// digits, else one digit before the point and an exponent without sign or padding.
fn write_scientific(scientific: &Scientific, out: &mut Vec<u8>) -> Result<(), Malformed> {
    let (mantissa, exponent) = scientific.parts().ok_or(Malformed::NotFinite)?;
    let unsigned = mantissa.strip_prefix('-').unwrap_or(mantissa);
    if unsigned.len() < mantissa.len() {
        out.push(b'-');
    }
    let (first, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let (first, fraction) = (first.as_bytes(), fraction.trim_end_matches('0').as_bytes());

    // Digits before the decimal point if there is no exponent; negative: zeros behind the point.
    let point = exponent.saturating_add(1);
    let digits = first.len().saturating_add(fraction.len());
    let inside = usize::try_from(point).is_ok_and(|point| point < digits);
    if (-14..=15).contains(&point) || inside {
        write_plain(first, fraction, point, out);
    } else {
        out.extend_from_slice(first);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
        out.push(b'e');
        write_signed(i64::from(exponent), out);
    }
    Ok(())
}

fn write_plain(first: &[u8], fraction: &[u8], point: i32, out: &mut Vec<u8>) {
    let digits = first.iter().chain(fraction).copied();
    match usize::try_from(point) {
        Ok(before @ 1..) => {
            out.extend(digits.clone().chain(std::iter::repeat(b'0')).take(before));
            let mut behind = digits.skip(before).peekable();
            if behind.peek().is_some() {
                out.push(b'.');
                out.extend(behind);
            }
        }
        Ok(_) | Err(_) if first == b"0" => out.push(b'0'),
        Ok(_) | Err(_) => {
            out.extend_from_slice(b"0.");
            let zeros = usize::try_from(point.unsigned_abs()).unwrap_or_default();
            out.extend(std::iter::repeat_n(b'0', zeros));
            out.extend(digits);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    fn double(value: f64) -> String {
        let mut out = Vec::new();
        write_double(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn float(value: f32) -> String {
        let mut out = Vec::new();
        write_float(value, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The right-hand sides are what MySQL 5.7.22 and 9.7.4 print.
    #[test]
    fn doubles_print_as_the_server_prints_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (123_456_789_012_345.0, "123456789012345"),
            (1_234_567_890_123_456.0, "1.234567890123456e15"),
            (1_234_567_890_123_456.5, "1234567890123456.5"),
            (12_345_678_901_234_567.0, "1.2345678901234568e16"),
            (1e-15, "0.000000000000001"),
            (1.5e-15, "0.0000000000000015"),
            (1e-16, "1e-16"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
        ];

        for (value, text) in cases {
            assert_eq!(double(value), text);
        }
    }

    /// Exactly between two numbers of 16 digits the server takes the even one.
    #[test]
    #[expect(clippy::excessive_precision, reason = "the digits beyond the shortest are the point")]
    fn doubles_between_two_neighbours_print_the_even_one() {
        let cases = [
            (692_638_233_139_134.25, "692638233139134.2"),
            (692_638_233_139_134.75, "692638233139134.8"),
            (-692_638_233_139_135.25, "-692638233139135.2"),
            (1_384_638_233_139_135.25, "1384638233139135.2"),
            (1_384_638_233_139_135.75, "1384638233139135.8"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
        ];

        for (value, text) in cases {
            assert_eq!(double(value), text);
        }
    }

    fn general(value: f64) -> String {
        let (mut scientific, mut out) = (Scientific::default(), Vec::new());
        write!(scientific, "{value:e}").unwrap();
        scientific.settle_tie(value);
        write_scientific(&scientific, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    proptest! {
        #[test]
        fn any_double_reads_back_as_itself(bits: u64) {
            let value = f64::from_bits(bits);
            if value.is_finite() {
                prop_assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), bits);
            }
        }

        #[test]
        fn doubles_of_few_places_print_alike_both_ways(
            digits in -2_000_000_000_000_000_i64..2_000_000_000_000_000,
            places in 0_i32..8,
            nudge in -1_i64..=1,
        ) {
            let value = digits as f64 / 10_f64.powi(places);
            let value = f64::from_bits(value.to_bits().wrapping_add_signed(nudge));
            if value.is_finite() {
                prop_assert_eq!(double(value), general(value));
            }
        }

        #[test]
        fn small_doubles_print_alike_both_ways(digits in -200_000_i64..200_000, places in 0_i32..8) {
            let value = digits as f64 / 10_f64.powi(places);
            prop_assert_eq!(double(value), general(value));
        }
    }

    /// The right-hand sides are what MySQL 5.7.22 and 9.7.4 print.
    #[test]
    fn floats_print_with_six_digits_as_the_server_prints_them() {
        let cases = [
            (0.1, "0.1"),
            (16_777_216.0, "16777200"),
            (1.234_57e-5, "0.0000123457"),
            (-1.234_57e-15, "-0.00000000000000123457"),
            (1.234_57e14, "123457000000000"),
            (1.234_57e15, "1.23457e15"),
            (1e-16, "1e-16"),
            (f32::MAX, "3.40282e38"),
            // Exactly between two numbers of six digits: the even one.
            (1_234_565.0, "1234560"),
            (1_234_575.0, "1234580"),
        ];

        for (value, text) in cases {
            assert_eq!(float(value), text);
        }
    }

    #[test]
    fn a_value_that_is_not_finite_is_an_error() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(write_double(value, &mut Vec::new()), Err(Malformed::NotFinite));
        }
        assert_eq!(write_float(f32::NAN, &mut Vec::new()), Err(Malformed::NotFinite));
    }
}
