//! MySQL's text form of GTIDs and GTID sets → values.
//!
//! Takes what a server prints as `@@gtid_executed` and takes for `gtid_purged`: upper or lower case,
//! white space and newlines between the parts, intervals in any order and overlapping, empty items
//! between commas. Stricter than a server where a text is more likely somebody's slip, which would
//! move a position: a reversed interval (`9-5`), a UUID or a tag without a number (a server takes all
//! three as nothing), and a UUID in another spelling than the one that servers print.

use std::str::FromStr;

use uuid::{Uuid, fmt::Hyphenated};

use super::{GTID_NUMBER_MAX, Gtid, GtidInterval, GtidSet, GtidTag};

pub(super) const TAG_RULE: &str =
    "a tag has at most 32 characters, the first of a-z and _, the others of a-z, 0-9 and _";

/// The text is not a GTID or GTID set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {expected}: {reason} (at character {})", .at + 1)]
pub struct ParseGtidError {
    /// What it should have been: `GTID`, `GTID set` or `GTID tag`.
    pub expected: &'static str,
    /// The text; of a long one the neighbourhood of the fault.
    pub text: String,
    /// Bytes of the whole text before the fault.
    pub at: usize,
    pub reason: &'static str,
}

impl ParseGtidError {
    pub(super) fn new(expected: &'static str, text: &str, at: usize, reason: &'static str) -> Self {
        Self { expected, text: neighbourhood(text, at), at, reason }
    }
}

/// A set may have thousands of intervals; a message that repeats them all helps nobody.
fn neighbourhood(text: &str, at: usize) -> String {
    const BEFORE: usize = 60;
    const AFTER: usize = 40;
    if text.len() <= BEFORE + AFTER {
        return text.to_owned();
    }
    let from = text.floor_char_boundary(at.saturating_sub(BEFORE));
    let to = text.ceil_char_boundary(at.saturating_add(AFTER));
    let cut = text.get(from..to).unwrap_or_default();
    let (head, tail) = (if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" });
    format!("{head}{cut}{tail}")
}

pub(super) fn parse_gtid(text: &str) -> Result<Gtid, ParseGtidError> {
    let mut scanner = Scanner::new("GTID", text);
    let source = scanner.source()?;
    let tag = scanner.tag()?.unwrap_or_default();
    let number = scanner.number()?;
    scanner.end("expected the end after the number")?;
    Ok(Gtid { source, tag, number })
}

pub(super) fn parse_gtid_set(text: &str) -> Result<GtidSet, ParseGtidError> {
    let mut set = GtidSet::default();
    let mut scanner = Scanner::new("GTID set", text);
    loop {
        while scanner.take(',') {}
        if scanner.rest.is_empty() {
            return Ok(set);
        }
        let source = scanner.source()?;
        let mut tag = GtidTag::UNTAGGED;
        loop {
            tag = scanner.tag()?.unwrap_or(tag);
            set.insert_interval(source, tag, scanner.interval()?);
            if !scanner.take(':') {
                break;
            }
        }
        if !scanner.rest.starts_with(',') {
            scanner.end("expected `:`, `,` or the end after the number")?;
        }
    }
}

/// Walks over a text. White space before `rest` is always skipped already.
struct Scanner<'a> {
    expected: &'static str,
    text: &'a str,
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn new(expected: &'static str, text: &'a str) -> Self {
        Self { expected, text, rest: text.trim_start() }
    }

    /// A UUID and the colon behind it.
    fn source(&mut self) -> Result<Uuid, ParseGtidError> {
        let before = self.rest;
        let word = self.word(|c| c.is_ascii_alphanumeric() || c == '-');
        let uuid = Hyphenated::from_str(word)
            .map_err(|_| self.error_at(before, "expected a UUID, 8-4-4-4-12 hexadecimal digits"))?;
        if self.take(':') {
            Ok(uuid.into_uuid())
        } else {
            Err(self.error_at(self.rest, "expected `:` and a number after the UUID"))
        }
    }

    /// A tag and the colon behind it, if a tag is next.
    fn tag(&mut self) -> Result<Option<GtidTag>, ParseGtidError> {
        if !self.rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return Ok(None);
        }
        let before = self.rest;
        let word = self.word(|c| c.is_ascii_alphanumeric() || c == '_');
        let tag = GtidTag::from_text(word).ok_or_else(|| self.error_at(before, TAG_RULE))?;
        if self.take(':') {
            Ok(Some(tag))
        } else {
            Err(self.error_at(self.rest, "expected `:` and a number after the tag"))
        }
    }

    fn interval(&mut self) -> Result<GtidInterval, ParseGtidError> {
        let before = self.rest;
        let first = self.number()?;
        let last = if self.take('-') { self.number()? } else { first };
        GtidInterval::new(first, last)
            .ok_or_else(|| self.error_at(before, "the interval ends before it begins"))
    }

    fn number(&mut self) -> Result<u64, ParseGtidError> {
        let before = self.rest;
        let digits = self.word(|c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.error_at(before, "expected a number"));
        }
        match digits.parse() {
            Ok(0) => Err(self.error_at(before, "transaction numbers begin at 1")),
            Ok(number) if number <= GTID_NUMBER_MAX => Ok(number),
            // Digits alone fail to parse only when they are too many.
            Ok(_) | Err(_) => {
                Err(self.error_at(before, "transaction numbers end at 9223372036854775806"))
            }
        }
    }

    fn end(&self, reason: &'static str) -> Result<(), ParseGtidError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.error_at(self.rest, reason)) }
    }

    fn take(&mut self, expected: char) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn word(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        word
    }

    fn error_at(&self, rest: &str, reason: &'static str) -> ParseGtidError {
        ParseGtidError::new(self.expected, self.text, self.text.len() - rest.len(), reason)
    }
}
