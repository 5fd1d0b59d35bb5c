//! Events about the binlog files themselves: ROTATE and FORMAT_DESCRIPTION; and INCIDENT.

use std::borrow::Cow;

use super::EventError;
use crate::source::bytes::ByteReader;

/// The next file, and where in it the next event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RotateEvent<'a> {
    pub file: &'a str,
    pub position: u64,
}

impl<'a> RotateEvent<'a> {
    pub fn parse(body: &'a [u8]) -> Result<Self, EventError> {
        let mut fields = ByteReader::new(body);
        let position = fields.u64_le()?;
        let file = std::str::from_utf8(fields.rest())
            .map_err(|_| EventError::Invalid("a file name that is not UTF-8"))?;
        if file.is_empty() {
            return Err(EventError::Invalid("an empty file name"));
        }
        Ok(Self { file, position })
    }
}

/// What stands behind every event of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumAlgorithm {
    None,
    Crc32,
}

/// First event of every file; sent at the start of every dump too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatDescription {
    pub checksum: ChecksumAlgorithm,
    /// When the server began to write the file after a start; 0 in files begun by a rotation, and in
    /// a dump that begins inside a file.
    pub created: u32,
}

impl FormatDescription {
    /// SERVER: since MySQL 5.6.1 the event ends in the algorithm (one byte) and a checksum (four
    /// bytes), which are there even if the algorithm is "none".
    pub const FOOTER_LENGTH: usize = 1 + 4;

    /// Reads the body with its footer.
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        const SERVER_VERSION_LENGTH: usize = 50;
        let (content, footer) = body
            .split_last_chunk::<{ Self::FOOTER_LENGTH }>()
            .ok_or(EventError::truncated(Self::FOOTER_LENGTH, body.len()))?;
        let mut fields = ByteReader::new(content);
        if fields.u16_le()? != 4 {
            return Err(EventError::Invalid("a binlog format other than version 4"));
        }
        fields.take(SERVER_VERSION_LENGTH)?;
        let created = fields.u32_le()?;
        if usize::from(fields.u8()?) != super::EventHeader::LENGTH {
            return Err(EventError::Invalid("event headers that are not 19 bytes long"));
        }
        let [algorithm, ..] = footer;
        let checksum = match algorithm {
            0 => ChecksumAlgorithm::None,
            1 => ChecksumAlgorithm::Crc32,
            _ => return Err(EventError::Invalid("a checksum algorithm that is not known")),
        };
        Ok(Self { checksum, created })
    }
}

/// The text of an INCIDENT: the source may have lost events.
pub fn incident_message(body: &[u8]) -> Cow<'_, str> {
    let mut fields = ByteReader::new(body);
    let message = fields
        .u16_le()
        .and_then(|_kind| fields.u8())
        .and_then(|length| fields.take(usize::from(length)));
    String::from_utf8_lossy(message.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotate_names_file_and_position() {
        let rotate = RotateEvent::parse(b"\x04\0\0\0\0\0\0\0bin-log.000002").unwrap();

        assert_eq!(rotate, RotateEvent { file: "bin-log.000002", position: 4 });
    }

    #[test]
    fn rotate_without_a_file_name_is_refused() {
        assert!(RotateEvent::parse(b"\x04\0\0\0\0\0\0\0").is_err());
        assert!(RotateEvent::parse(b"\x04\0\0\0").is_err());
    }

    fn format_description(algorithm: u8) -> Vec<u8> {
        let mut body = vec![4, 0];
        body.extend(b"9.7.4");
        body.resize(2 + 50, 0);
        body.extend([1, 2, 3, 4, 19]);
        body.extend([0; 42]);
        body.extend([algorithm, 0xde, 0xad, 0xbe, 0xef]);
        body
    }

    #[test]
    fn format_description_says_whether_events_have_checksums() {
        let none = FormatDescription::parse(&format_description(0)).unwrap();
        let crc32 = FormatDescription::parse(&format_description(1)).unwrap();

        assert_eq!(none.checksum, ChecksumAlgorithm::None);
        assert_eq!(crc32.checksum, ChecksumAlgorithm::Crc32);
        assert_eq!(crc32.created, 0x0403_0201);
    }

    #[test]
    fn unknown_checksum_algorithm_is_refused() {
        assert!(FormatDescription::parse(&format_description(2)).is_err());
    }

    #[test]
    fn incident_shows_its_message() {
        assert_eq!(incident_message(b"\x01\0\x04lost"), "lost");
        assert_eq!(incident_message(b"\x01"), "");
    }
}
