//! TRANSACTION_PAYLOAD events: a whole transaction's events, compressed.

use super::EventError;
use crate::source::bytes::ByteReader;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    None,
    Zstd,
}

/// What stands before the compressed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHeader {
    pub compression: Compression,
    pub payload_bytes: u64,
    pub unpacked_bytes: u64,
    /// Bytes of the event's body before the payload.
    pub header_bytes: usize,
}

impl PayloadHeader {
    /// More than any header has; enough of the body's start to parse it.
    pub const LENGTH_MAX: usize = 128;

    /// Reads the header from the start of the body. Each field is type, length, value; type 0 ends it.
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        let mut fields = ByteReader::new(body);
        let (mut payload, mut compression, mut unpacked) = (None, None, None);
        loop {
            let kind = fields.length_encoded()?;
            if kind == 0 {
                break;
            }
            let mut value = ByteReader::new(fields.length_encoded_bytes()?);
            match kind {
                1 => payload = Some(value.length_encoded()?),
                2 => compression = Some(value.length_encoded()?),
                3 => unpacked = Some(value.length_encoded()?),
                // SERVER: types from a later server may be passed over (codec of the event).
                _ => {}
            }
        }
        let payload_bytes = payload.ok_or(EventError::Invalid("a payload without its size"))?;
        let compression = match compression {
            Some(0) => Compression::Zstd,
            Some(255) => Compression::None,
            Some(_) => return Err(EventError::Invalid("a compression that is not known")),
            None => return Err(EventError::Invalid("a payload without its compression")),
        };
        let unpacked_bytes = match (compression, unpacked) {
            (_, Some(bytes)) => bytes,
            (Compression::None, None) => payload_bytes,
            (Compression::Zstd, None) => {
                return Err(EventError::Invalid("a payload without its uncompressed size"));
            }
        };
        let header_bytes = body.len() - fields.rest().len();
        Ok(Self { compression, payload_bytes, unpacked_bytes, header_bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_of_a_compressed_transaction_is_read() {
        // Compression zstd, uncompressed size 300, payload size 5, end.
        let body = [2, 1, 0, 3, 3, 0xfc, 0x2c, 0x01, 1, 1, 5, 0, b'p'];

        let header = PayloadHeader::parse(&body).unwrap();

        assert_eq!(
            header,
            PayloadHeader {
                compression: Compression::Zstd,
                payload_bytes: 5,
                unpacked_bytes: 300,
                header_bytes: 12,
            }
        );
    }

    #[test]
    fn field_of_a_later_server_is_passed_over() {
        let body = [9, 2, 0xaa, 0xbb, 2, 1, 0xff, 1, 1, 5, 0];

        let error = PayloadHeader::parse(&body);
        assert!(error.is_err(), "0xff is not a length-encoded integer");

        let body = [9, 2, 0xaa, 0xbb, 2, 3, 0xfc, 0xff, 0, 1, 1, 5, 0];
        let header = PayloadHeader::parse(&body).unwrap();
        assert_eq!(header.compression, Compression::None);
        assert_eq!(header.unpacked_bytes, 5);
    }

    #[test]
    fn header_that_leaves_something_out_is_refused() {
        assert!(PayloadHeader::parse(&[2, 1, 0, 1, 1, 5, 0]).is_err(), "no uncompressed size");
        assert!(PayloadHeader::parse(&[1, 1, 5, 0]).is_err(), "no compression");
        assert!(PayloadHeader::parse(&[2, 1, 7, 1, 1, 5, 0]).is_err(), "unknown compression");
        assert!(PayloadHeader::parse(&[2, 1, 0]).is_err(), "no end");
    }
}
