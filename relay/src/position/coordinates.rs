//! A place in the binlog files.

use std::{cmp::Ordering, fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// File name and byte position in the binlog of one server. Means nothing on another server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BinlogCoordinates {
    /// For example `bin-log.000042`.
    pub file: Arc<str>,
    /// Bytes from the start of the file. 64 bits: a file that ends in a giant transaction can be
    /// larger than the 4 GiB that an event header's 32 bits can name.
    pub position: u64,
}

/// The text does not name a place in a binlog file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` are not binlog coordinates of the form `file:position`, for example \
     `bin-log.000042:4`: {reason}"
)]
pub struct ParseCoordinatesError {
    pub text: String,
    pub reason: &'static str,
}

impl BinlogCoordinates {
    /// Where the first event of a file begins.
    ///
    /// SERVER: behind the four magic bytes; a dump from before it is refused.
    pub const FIRST_EVENT: u64 = 4;

    /// The file's number in its series; a server's first is 1.
    pub fn number(&self) -> Option<u64> {
        self.sequence().map(|(_, number)| number)
    }

    /// Base name and sequence number: `bin-log.000042` → `bin-log`, 42.
    fn sequence(&self) -> Option<(&str, u64)> {
        let (base, number) = self.file.rsplit_once('.')?;
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if base.is_empty() || !is_number {
            return None;
        }
        Some((base, number.parse().ok()?))
    }
}

/// Defined within one series of files (one base name) only.
///
/// SERVER: the sequence number is padded to six digits and grows past them, so the names do not sort
/// as text: `bin-log.999999` comes before `bin-log.1000000`.
impl PartialOrd for BinlogCoordinates {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        if self.file == other.file {
            return Some(self.position.cmp(&other.position));
        }
        let ((base, number), (other_base, other_number)) = (self.sequence()?, other.sequence()?);
        // Two spellings of one number are not of one series: a server has only one of them.
        (base == other_base && number != other_number).then(|| number.cmp(&other_number))
    }
}

impl fmt::Display for BinlogCoordinates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.position)
    }
}

impl FromStr for BinlogCoordinates {
    type Err = ParseCoordinatesError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = |reason| ParseCoordinatesError { text: text.to_owned(), reason };
        let (file, position) =
            text.trim().rsplit_once(':').ok_or_else(|| error("the `:` is missing"))?;
        let position = position
            .parse()
            .map_err(|_| error("what follows the last `:` is not a number of bytes"))?;
        if position < Self::FIRST_EVENT {
            return Err(error("the first event of a binlog file is at 4"));
        }
        if file.contains(['/', '\\']) {
            return Err(error("the file is named without its directory"));
        }
        let coordinates = Self { file: file.into(), position };
        match coordinates.sequence() {
            Some(_) => Ok(coordinates),
            None => Err(error("a binlog file's name ends in `.` and its number")),
        }
    }
}
