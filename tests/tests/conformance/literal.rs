//! SQL literals of random values: half of them from the ends of the range.

use rowpost_tests::seed::Random;

/// One of some fixed texts.
pub(crate) fn one_of<'a>(random: &mut Random, texts: &[&'a str]) -> &'a str {
    texts[random.below(u32::try_from(texts.len()).unwrap_or(u32::MAX)) as usize]
}

pub(crate) fn integer(random: &mut Random, signed: bool, bits: u32) -> String {
    let max = u64::MAX >> (64 - bits);
    let value = match random.below(6) {
        0 => 0,
        1 => max,
        2 => max / 2,
        3 => max / 2 + 1,
        4 => 1,
        _ => random.draw() & max,
    };
    if signed {
        let unused = 64 - bits;
        ((value << unused).cast_signed() >> unused).to_string()
    } else {
        value.to_string()
    }
}

/// A double of any exponent, or one that is written with few digits.
pub(crate) fn double(random: &mut Random) -> String {
    match random.below(5) {
        0 => one_of(
            random,
            &["0", "-0.0", "1e15", "-1e-15", "1e-16", "0.1", "123456789012345678", "5e-324"],
        )
        .to_owned(),
        1 => decimal(random, 12, 4),
        // Some lie exactly between two numbers of 16 digits.
        2 => {
            format!("{}.{}", random.draw() >> 13, one_of(random, &["25", "5", "75", "125", "875"]))
        }
        _ => finite(random),
    }
}

fn finite(random: &mut Random) -> String {
    loop {
        let value = f64::from_bits(random.draw());
        if value.is_finite() {
            return format!("{value:e}");
        }
    }
}

/// Within FLOAT's range, with more digits than it keeps.
pub(crate) fn float(random: &mut Random) -> String {
    let value = f32::from_bits((random.draw() >> 32) as u32);
    match random.below(3) {
        0 => decimal(random, 9, 4),
        _ if value.is_finite() => format!("{value:e}"),
        _ => one_of(random, &["3.40282e38", "-1.17549e-38", "16777217", "0.1"]).to_owned(),
    }
}

/// Up to `precision` digits, `scale` of them behind the point.
pub(crate) fn decimal(random: &mut Random, precision: u32, scale: u32) -> String {
    let mut digits = |count: u32| -> String {
        let style = random.below(4);
        (0..random.below(count + 1))
            .map(|_| match style {
                0 => '9',
                1 => '0',
                _ => char::from_digit(random.below(10), 10).unwrap_or('0'),
            })
            .collect()
    };
    let (whole, fraction) = (digits(precision - scale), digits(scale));
    let sign = if random.chance(0.5) { "-" } else { "" };
    format!("{sign}0{whole}.{fraction}0")
}

/// Text of at most `length` of these characters, as a literal in `charset`.
pub(crate) fn text(random: &mut Random, characters: &str, length: u32) -> String {
    let characters: Vec<char> = characters.chars().collect();
    let count = u32::try_from(characters.len()).unwrap_or(u32::MAX);
    let length = if random.chance(0.2) { length } else { random.below(length + 1) };
    let text: String = (0..length).map(|_| characters[random.below(count) as usize]).collect();
    format!("_utf8mb4 x'{}'", hex(text.as_bytes()))
}

/// At most `length` bytes; often with zeros or blanks at the end, which the binlog strips.
pub(crate) fn bytes(random: &mut Random, length: u32) -> String {
    let mut bytes: Vec<u8> =
        (0..random.below(length + 1)).map(|_| (random.draw() >> 56) as u8).collect();
    if random.chance(0.5) {
        let tail = if random.chance(0.7) { 0 } else { b' ' };
        bytes.iter_mut().rev().take(random.below(4) as usize).for_each(|byte| *byte = tail);
    }
    format!("x'{}'", hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn date(random: &mut Random) -> String {
    match random.below(5) {
        0 => one_of(
            random,
            &["0000-00-00", "1000-01-01", "9999-12-31", "2024-02-30", "2024-00-00", "0001-01-01"],
        )
        .to_owned(),
        _ => format!(
            "{:04}-{:02}-{:02}",
            random.below(10_000),
            1 + random.below(12),
            1 + random.below(28)
        ),
    }
}

pub(crate) fn time(random: &mut Random) -> String {
    match random.below(5) {
        0 => one_of(
            random,
            &[
                "-838:59:59",
                "838:59:59",
                "00:00:00",
                "-00:00:00.000001",
                "-00:00:01",
                "-00:00:00.9",
            ],
        )
        .to_owned(),
        _ => {
            let sign = if random.chance(0.5) { "-" } else { "" };
            let hours = if random.chance(0.5) { random.below(24) } else { random.below(838) };
            format!("{sign}{hours:02}:{}", minutes(random))
        }
    }
}

fn minutes(random: &mut Random) -> String {
    format!("{:02}:{:02}.{:06}", random.below(60), random.below(60), random.below(1_000_000))
}

pub(crate) fn datetime(random: &mut Random) -> String {
    format!("{} {:02}:{}", date(random), random.below(24), minutes(random))
}

/// Within TIMESTAMP's range, in UTC.
pub(crate) fn timestamp(random: &mut Random) -> String {
    match random.below(5) {
        0 => one_of(random, &["0000-00-00 00:00:00", "1970-01-01 00:00:01", "2038-01-19 03:14:07"])
            .to_owned(),
        _ => format!(
            "{}-{:02}-{:02} {:02}:{}",
            1971 + random.below(66),
            1 + random.below(12),
            1 + random.below(28),
            random.below(24),
            minutes(random)
        ),
    }
}
