//! Dates and times: packed fields → parts → text.
//!
//! Values are given as the server keeps them: a month or day may be zero, and a TIME reaches from
//! -838:59:59 to 838:59:59.

use super::number::write_padded;
use crate::source::bytes::{u64_be, u64_le};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// A duration or time of day, negative or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time {
    pub negative: bool,
    pub hours: u16,
    pub minutes: u8,
    pub seconds: u8,
    pub micros: u32,
    /// Places that the column has, 0 to 6.
    pub fraction_digits: u8,
}

/// A DATETIME, which has no time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Datetime {
    pub date: Date,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub micros: u32,
    pub fraction_digits: u8,
}

/// A TIMESTAMP: an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Since the epoch; with `micros` zero too it is the zero date.
    pub seconds: u32,
    pub micros: u32,
    pub fraction_digits: u8,
}

impl Date {
    /// Three bytes: five bits of day, four of month, the rest is the year.
    pub(super) fn unpack(bytes: &[u8]) -> Self {
        let packed = u64_le(bytes);
        Self { year: (packed >> 9 & 0x7fff) as u16, ..Self::of_days(packed) }
    }

    /// Month and day from the lowest nine bits.
    fn of_days(packed: u64) -> Self {
        Self { year: 0, month: (packed >> 5 & 0xf) as u8, day: (packed & 0x1f) as u8 }
    }

    pub fn write_text(self, out: &mut Vec<u8>) {
        write_padded(u64::from(self.year), 4, out);
        out.push(b'-');
        write_padded(u64::from(self.month), 2, out);
        out.push(b'-');
        write_padded(u64::from(self.day), 2, out);
    }
}

impl Time {
    /// SERVER: three bytes and the fraction as one big-endian number with an offset, so that
    /// negative times sort before positive ones (`my_time_packed_to_binary`).
    pub(super) fn unpack(bytes: &[u8], fraction_digits: u8) -> Self {
        let fraction_bytes = u32::from(fraction_digits.min(6).div_ceil(2));
        let fraction_bits = 8 * fraction_bytes;
        let packed = u64_be(bytes).cast_signed().wrapping_sub(0x80_0000 << fraction_bits);
        let magnitude = packed.unsigned_abs();
        let micros = micros(magnitude & low_bits(fraction_bits), fraction_bytes);
        let fields = magnitude >> fraction_bits;
        Self { micros, fraction_digits, ..Self::of_fields(packed < 0, fields) }
    }

    /// The form inside JSON: microseconds in the lowest 24 bits, negative as a whole.
    pub(super) fn of_packed(packed: i64) -> Self {
        let magnitude = packed.unsigned_abs();
        let micros = (magnitude & 0xff_ffff) as u32;
        Self { micros, fraction_digits: 6, ..Self::of_fields(packed < 0, magnitude >> 24) }
    }

    /// Hours, minutes and seconds from ten, six and six bits.
    fn of_fields(negative: bool, fields: u64) -> Self {
        Self {
            negative,
            hours: (fields >> 12 & 0x3ff) as u16,
            minutes: (fields >> 6 & 0x3f) as u8,
            seconds: (fields & 0x3f) as u8,
            micros: 0,
            fraction_digits: 0,
        }
    }

    /// Before 5.6: `hhmmss` as a signed decimal number in three bytes.
    pub(super) fn unpack_old(bytes: &[u8]) -> Self {
        let signed = (u64_le(bytes) << 40).cast_signed() >> 40;
        let number = signed.unsigned_abs();
        Self {
            negative: signed < 0,
            hours: (number / 10_000 % 1_000) as u16,
            minutes: (number / 100 % 100) as u8,
            seconds: (number % 100) as u8,
            micros: 0,
            fraction_digits: 0,
        }
    }

    pub fn write_text(self, out: &mut Vec<u8>) {
        if self.negative {
            out.push(b'-');
        }
        write_padded(u64::from(self.hours), 2, out);
        out.push(b':');
        write_padded(u64::from(self.minutes), 2, out);
        out.push(b':');
        write_padded(u64::from(self.seconds), 2, out);
        write_fraction(self.micros, self.fraction_digits, out);
    }
}

impl Datetime {
    /// SERVER: five bytes big-endian with an offset (`my_datetime_packed_to_binary`), then the
    /// fraction: 17 bits of year times 13 plus month, five of day, five of hour, six of minute, six
    /// of second.
    pub(super) fn unpack(bytes: &[u8], fraction_digits: u8) -> Self {
        let (fields, fraction) = bytes.split_at_checked(5).unwrap_or((bytes, &[]));
        let fields = u64_be(fields) & low_bits(39);
        let micros = micros(u64_be(fraction), u32::from(fraction_digits).div_ceil(2));
        Self { micros, fraction_digits, ..Self::of_fields(fields) }
    }

    /// The form inside JSON: microseconds in the lowest 24 bits.
    pub(super) fn of_packed(packed: i64) -> Self {
        let magnitude = packed.unsigned_abs();
        let micros = (magnitude & 0xff_ffff) as u32;
        Self { micros, fraction_digits: 6, ..Self::of_fields(magnitude >> 24) }
    }

    fn of_fields(fields: u64) -> Self {
        let year_month = fields >> 22;
        Self {
            date: Date {
                year: ((year_month / 13) & 0xffff) as u16,
                month: (year_month % 13) as u8,
                day: (fields >> 17 & 0x1f) as u8,
            },
            hour: (fields >> 12 & 0x1f) as u8,
            minute: (fields >> 6 & 0x3f) as u8,
            second: (fields & 0x3f) as u8,
            micros: 0,
            fraction_digits: 0,
        }
    }

    fn of_parts(
        date: Date,
        [hour, minute, second]: [u8; 3],
        (micros, fraction_digits): (u32, u8),
    ) -> Self {
        Self { date, hour, minute, second, micros, fraction_digits }
    }

    /// Before 5.6: `YYYYMMDDhhmmss` as a decimal number in eight bytes.
    pub(super) fn unpack_old(bytes: &[u8]) -> Self {
        let number = u64_le(bytes);
        Self {
            date: Date {
                year: (number / 10_000_000_000 % 10_000) as u16,
                month: (number / 100_000_000 % 100) as u8,
                day: (number / 1_000_000 % 100) as u8,
            },
            hour: (number / 10_000 % 100) as u8,
            minute: (number / 100 % 100) as u8,
            second: (number % 100) as u8,
            micros: 0,
            fraction_digits: 0,
        }
    }

    /// Microseconds since the epoch if the time is meant as UTC; `None` for a zero date and any
    /// other day that no calendar has.
    pub fn unix_micros_utc(self) -> Option<i64> {
        let date = jiff::civil::Date::new(
            i16::try_from(self.date.year).ok()?,
            i8::try_from(self.date.month).ok()?,
            i8::try_from(self.date.day).ok()?,
        )
        .ok()?;
        // Counted by days: jiff's instants end a day before its last civil date.
        let days = jiff::civil::date(1970, 1, 1).until(date).ok()?.get_days();
        let of_day = [(24, self.hour), (60, self.minute), (60, self.second)];
        let seconds = of_day.into_iter().try_fold(i64::from(days), |units, (per_unit, part)| {
            let part = i64::from(part);
            (part < per_unit).then(|| units * per_unit + part)
        })?;
        Some(seconds * 1_000_000 + i64::from(self.micros))
    }

    pub fn write_text(self, out: &mut Vec<u8>) {
        self.date.write_text(out);
        out.push(b' ');
        write_padded(u64::from(self.hour), 2, out);
        out.push(b':');
        write_padded(u64::from(self.minute), 2, out);
        out.push(b':');
        write_padded(u64::from(self.second), 2, out);
        write_fraction(self.micros, self.fraction_digits, out);
    }
}

impl Timestamp {
    /// Four bytes of seconds big-endian, then the fraction.
    pub(super) fn unpack(bytes: &[u8], fraction_digits: u8) -> Self {
        let (seconds, fraction) = bytes.split_at_checked(4).unwrap_or((bytes, &[]));
        let micros = micros(u64_be(fraction), u32::from(fraction_digits).div_ceil(2));
        Self { seconds: (u64_be(seconds) & 0xffff_ffff) as u32, micros, fraction_digits }
    }

    /// Before 5.6: four bytes of seconds little-endian.
    pub(super) fn unpack_old(bytes: &[u8]) -> Self {
        let seconds = (u64_le(bytes) & 0xffff_ffff) as u32;
        Self { seconds, micros: 0, fraction_digits: 0 }
    }

    /// Microseconds since the epoch; `None` for the zero date.
    pub fn unix_micros(self) -> Option<i64> {
        (self.seconds > 0 || self.micros > 0)
            .then(|| i64::from(self.seconds) * 1_000_000 + i64::from(self.micros))
    }

    /// The civil time in UTC.
    pub fn to_datetime_utc(self) -> Datetime {
        let zero = Date { year: 0, month: 0, day: 0 };
        let fraction = (self.micros, self.fraction_digits);
        if self.unix_micros().is_none() {
            return Datetime::of_parts(zero, [0; 3], fraction);
        }
        let instant = jiff::Timestamp::from_second(i64::from(self.seconds))
            .expect("seconds in 32 bits end in 2106, long before jiff's last year");
        let civil = jiff::tz::Offset::UTC.to_datetime(instant);
        let date = Date {
            year: civil.year().unsigned_abs(),
            month: civil.month().unsigned_abs(),
            day: civil.day().unsigned_abs(),
        };
        let time = [civil.hour(), civil.minute(), civil.second()].map(i8::unsigned_abs);
        Datetime::of_parts(date, time, fraction)
    }

    /// Appends the time in UTC: what `SELECT` prints with `time_zone = '+00:00'`.
    pub fn write_text(self, out: &mut Vec<u8>) {
        self.to_datetime_utc().write_text(out);
    }
}

/// Fractions are stored in 0 to 3 bytes of two digits each.
fn micros(fraction: u64, bytes: u32) -> u32 {
    let scale = match bytes {
        0 | 1 => 10_000,
        2 => 100,
        _ => 1,
    };
    (fraction & 0xff_ffff) as u32 * scale
}

/// Appends the point and the first `digits` places; nothing for a column without fraction.
fn write_fraction(micros: u32, digits: u8, out: &mut Vec<u8>) {
    if digits == 0 {
        return;
    }
    out.push(b'.');
    let hidden = 6_u32.saturating_sub(u32::from(digits));
    write_padded(u64::from(micros / 10_u32.pow(hidden)), usize::from(digits), out);
}

fn low_bits(count: u32) -> u64 {
    1_u64.checked_shl(count).map_or(u64::MAX, |bit| bit - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(bytes: &[u8], digits: u8) -> String {
        let mut out = Vec::new();
        Time::unpack(bytes, digits).write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn datetime(value: Datetime) -> String {
        let mut out = Vec::new();
        value.write_text(&mut out);
        String::from_utf8(out).unwrap()
    }

    /// Bytes as MySQL 9.7.4 wrote them. A reader that takes the fraction of a negative time for
    /// positive is wrong by up to a second, or by far more.
    #[test]
    fn negative_times_keep_their_fraction() {
        assert_eq!(time(&[0x7f, 0xef, 0x7c, 0xd3], 2), "-01:02:03.45");
        assert_eq!(time(&[0x7f, 0xff, 0xff, 0xff], 2), "-00:00:00.01");
        assert_eq!(time(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff], 6), "-00:00:00.000001");
        assert_eq!(time(&[0x7f, 0xef, 0x7d], 0), "-01:02:03");
    }

    #[test]
    fn time_reaches_to_its_ends() {
        assert_eq!(time(&[0x80, 0x00, 0x00], 0), "00:00:00");
        assert_eq!(time(&[0xb4, 0x6e, 0xfb], 0), "838:59:59");
        assert_eq!(time(&[0x4b, 0x91, 0x05], 0), "-838:59:59");
    }

    #[test]
    fn zero_and_last_datetime_are_printed_as_they_are() {
        let zero = Datetime::unpack(&[0x80, 0, 0, 0, 0], 0);
        let last = Datetime::unpack(&[0xfe, 0xf3, 0xff, 0x7e, 0xfb, 0x0f, 0x42, 0x3f], 6);

        assert_eq!(datetime(zero), "0000-00-00 00:00:00");
        assert_eq!(datetime(last), "9999-12-31 23:59:59.999999");
        assert_eq!(zero.unix_micros_utc(), None);
        assert_eq!(last.unix_micros_utc(), Some(253_402_300_799_999_999));
    }

    #[test]
    fn odd_numbers_of_fraction_digits_drop_the_last_stored_digit() {
        let timestamp = Timestamp::unpack(&[0, 0, 0, 1, 0x04, 0xce], 3);
        let mut out = Vec::new();

        timestamp.write_text(&mut out);

        assert_eq!(out, b"1970-01-01 00:00:01.123");
        assert_eq!(timestamp.unix_micros(), Some(1_123_000));
    }

    #[test]
    fn timestamp_zero_is_the_zero_date_and_the_last_one_is_in_2106() {
        assert_eq!(
            datetime(Timestamp::unpack(&[0; 4], 0).to_datetime_utc()),
            "0000-00-00 00:00:00"
        );
        assert_eq!(
            datetime(Timestamp::unpack(&[0xff; 4], 0).to_datetime_utc()),
            "2106-02-07 06:28:15"
        );
    }

    #[test]
    fn formats_of_before_5_6_are_decimal_numbers() {
        let time = Time::unpack_old(&[0x85, 0xd4, 0xff]);
        let stamp = 20_240_229_235_958_u64.to_le_bytes();
        let mut out = Vec::new();
        time.write_text(&mut out);

        assert_eq!(out, b"-01:11:31");
        assert_eq!(datetime(Datetime::unpack_old(&stamp)), "2024-02-29 23:59:58");
        assert_eq!(Timestamp::unpack_old(&[1, 0, 0, 0]).seconds, 1);
    }
}
