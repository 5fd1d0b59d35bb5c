//! Numbers and lines for people.

use std::{io::IsTerminal, time::Duration};

use jiff::Zoned;

/// A line of the story.
#[expect(clippy::print_stdout, reason = "the demo's output is its purpose")]
pub(super) fn say(line: impl AsRef<str>) {
    println!("{}", line.as_ref());
}

/// How a line stands out on a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Heading,
    Good,
    Bad,
}

/// The text in its tone; plain where colours are unwanted or there is no terminal.
pub(super) fn toned(tone: Tone, text: &str) -> String {
    if std::env::var_os("NO_COLOR").is_some() || !std::io::stdout().is_terminal() {
        return text.to_owned();
    }
    let code = match tone {
        Tone::Heading => "1",
        Tone::Good => "1;32",
        Tone::Bad => "1;31",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

/// The local time, to the millisecond.
pub(super) fn clock() -> String {
    Zoned::now().strftime("%H:%M:%S%.3f").to_string()
}

/// `5,000`.
pub(super) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `5.1 ms`, `380 ms`, `1.9 s`: three digits at most.
pub(super) fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1_000.0;
    match milliseconds {
        ..99.95 => format!("{milliseconds:.1} ms"),
        ..999.5 => format!("{milliseconds:.0} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// A latency, or a dash where none was measured.
pub(super) fn latency(latency: Option<Duration>) -> String {
    latency.map_or_else(|| "–".to_owned(), duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        let texts = [0, 7, 312, 5_000, 12_345, 1_234_567].map(thousands);

        assert_eq!(texts, ["0", "7", "312", "5,000", "12,345", "1,234,567"]);
    }

    #[test]
    fn durations_have_the_unit_that_suits_them() {
        let texts = [230, 5_149, 99_949, 99_951, 999_499, 999_500, 12_345_678]
            .map(|microseconds| duration(Duration::from_micros(microseconds)));

        assert_eq!(texts, ["0.2 ms", "5.1 ms", "99.9 ms", "100 ms", "999 ms", "1.0 s", "12.3 s"]);
    }
}
