//! A value as `SELECT` prints it → the value that the binlog has of it.
//!
//! Promises: what a record takes from the one is byte for byte what it takes from the other; a text that
//! is not of its type is refused.
//!
//! Not promised, because the text does not tell: on MySQL 5.7, doubles inside JSON that have no fraction,
//! which it prints as integers (`1` where the binlog gives `1.0`).
//!
//! The session prints as [`super::read`] has it: utf8mb4, UTC.

use std::borrow::Cow;

use crate::source::{
    mysql::ColumnDefinition,
    row::{Date, Datetime, Text, Value},
    table_map::Encoding,
};

/// SERVER: the protocol's type codes (`enum_field_types`).
mod code {
    pub(super) const INTEGERS: [u8; 5] = [1, 2, 3, 8, 9];
    pub(super) const DOUBLE: u8 = 5;
    pub(super) const DECIMALS: [u8; 2] = [0, 246];
    pub(super) const TIMES: [u8; 2] = [7, 12];
    pub(super) const BYTES: [u8; 3] = [16, 242, 255];
    pub(super) const JSON: u8 = 245;
}

/// The value of a column. `is_single`: the column is a FLOAT, and the text that of its DOUBLE. `None`: it
/// cannot be one of that column.
pub(super) fn value<'a>(
    column: &ColumnDefinition,
    is_single: bool,
    text: Option<&'a [u8]>,
    compacted: &'a mut Vec<u8>,
) -> Option<Value<'a>> {
    let Some(bytes) = text else { return Some(Value::Null) };
    let plain = || str::from_utf8(bytes).ok();
    let value = match column.type_code {
        code if code::INTEGERS.contains(&code) => match column.is_unsigned() {
            true => Value::UInt(plain()?.parse().ok()?),
            false => Value::Int(plain()?.parse().ok()?),
        },
        code::DOUBLE => {
            let value: f64 = plain()?.parse().ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "the double was made of a float")]
            match is_single {
                true => Value::Float(value as f32),
                false => Value::Double(value),
            }
        }
        code if code::DECIMALS.contains(&code) => utf8(unpadded(bytes)),
        code if code::TIMES.contains(&code) => Value::Datetime(datetime(plain()?)?),
        code::JSON => {
            compact(bytes, compacted);
            utf8(compacted)
        }
        code if code::BYTES.contains(&code) => Value::Bytes(Cow::Borrowed(bytes)),
        // Dates, durations and years come in the binary collation too.
        10 | 11 | 13 => utf8(bytes),
        _ if column.is_binary() => Value::Bytes(Cow::Borrowed(bytes)),
        _ => utf8(bytes),
    };
    Some(value)
}

fn utf8(bytes: &[u8]) -> Value<'_> {
    Value::Text(Text { bytes, encoding: Encoding::Utf8mb4 })
}

/// Without the zeros that ZEROFILL puts in front, which the binlog does not know of.
fn unpadded(decimal: &[u8]) -> &[u8] {
    let mut rest = decimal;
    while let [b'0', behind @ ..] = rest
        && behind.first().is_some_and(u8::is_ascii_digit)
    {
        rest = behind;
    }
    rest
}

/// `2026-01-02 03:04:05.678`, also one that no calendar has.
fn datetime(text: &str) -> Option<Datetime> {
    let (date, time) = text.split_once(' ')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let fraction_digits = u8::try_from(fraction.len()).ok().filter(|digits| *digits <= 6)?;
    let small = |number: u16| u8::try_from(number).ok();
    Some(Datetime {
        date: Date { year, month: small(month)?, day: small(day)? },
        hour: small(hour)?,
        minute: small(minute)?,
        second: small(second)?,
        micros: format!("{fraction:0<6}").parse().ok()?,
        fraction_digits,
    })
}

fn numbers(text: &str, separator: char) -> Option<[u16; 3]> {
    let numbers: Option<Vec<u16>> = text.split(separator).map(|part| part.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// JSON without the blanks behind commas and colons.
fn compact(json: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.reserve(json.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for &byte in json {
        if byte == b' ' && !in_string {
            continue;
        }
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_string,
            b'"' => in_string = !in_string,
            _ => {}
        }
        out.push(byte);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(
        r#"{"a b": [1, -2.5, "x, y: \" z\\"], "c": " "}"#,
        r#"{"a b":[1,-2.5,"x, y: \" z\\"],"c":" "}"#
    )]
    #[case(r#""\\" "#, r#""\\""#)]
    fn only_blanks_outside_of_strings_go(#[case] json: &str, #[case] compacted: &str) {
        let mut out = b"before".to_vec();
        compact(json.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), compacted);
    }

    #[rstest]
    #[case("000012.50", "12.50")]
    #[case("0000.50", "0.50")]
    #[case("000", "0")]
    #[case("-0.5", "-0.5")]
    fn zeros_in_front_go_but_for_the_one_before_the_point(
        #[case] text: &str,
        #[case] number: &str,
    ) {
        assert_eq!(unpadded(text.as_bytes()), number.as_bytes());
    }

    #[rstest]
    #[case("2026-02-30 00:00:00")]
    #[case("0000-00-00 00:00:00.000")]
    #[case("9999-12-31 23:59:59.999999")]
    fn times_keep_their_text(#[case] text: &str) {
        let mut out = Vec::new();
        datetime(text).unwrap().write_text(&mut out);
        assert_eq!(out, text.as_bytes());
    }

    #[rstest]
    #[case("2026-02-30")]
    #[case("2026-02-30 00:00")]
    #[case("2026-02-30 00:00:00.1234567")]
    #[case("2026-02-30 00:00:00.x")]
    fn other_texts_are_no_times(#[case] text: &str) {
        assert_eq!(datetime(text), None);
    }
}
