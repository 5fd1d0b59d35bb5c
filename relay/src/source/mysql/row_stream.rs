//! Answers to text queries, one row after the other, with their bytes as they came.
//!
//! Promises: one row is in memory at a time, whatever the size of the answer; nothing of a row is
//! replaced or cut.
//!
//! Before this: `packet`. After this: whoever reads rows of tables.

use std::ops::Range;

use super::{
    ConnectionError,
    packet::PacketStream,
    result_set::{is_eof, leading_name, server_error},
};
use crate::source::{Malformed, bytes::ByteReader};

/// The largest row. SERVER: `max_allowed_packet` is 1 GiB at most, and no row is larger than that.
const ROW_BYTES_MAX: usize = 1 << 30;

/// A column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDefinition {
    pub name: String,
    /// The protocol's type code.
    pub type_code: u8,
    /// Collation id; 63 is bytes.
    pub collation: u16,
    pub flags: u16,
}

impl ColumnDefinition {
    const BINARY: u16 = 63;
    const UNSIGNED: u16 = 1 << 5;

    pub fn is_binary(&self) -> bool {
        self.collation == Self::BINARY
    }

    pub fn is_unsigned(&self) -> bool {
        self.flags & Self::UNSIGNED != 0
    }

    /// The name, the original name, then what has a fixed length.
    fn parse(packet: &[u8]) -> Result<Self, Malformed> {
        let mut fields = ByteReader::new(packet);
        let name = leading_name(&mut fields)?;
        fields.length_encoded_bytes()?;
        let _length_of_the_rest = fields.u8()?;
        let collation = fields.u16_le()?;
        let _display_length = fields.u32_le()?;
        let type_code = fields.u8()?;
        Ok(Self { name, type_code, collation, flags: fields.u16_le()? })
    }
}

/// One row: the text of each value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ByteRow {
    packet: Vec<u8>,
    values: Vec<Option<Range<usize>>>,
}

impl ByteRow {
    pub(super) fn parse(packet: Vec<u8>, columns: usize) -> Result<Self, Malformed> {
        const NULL: u8 = 0xfb;
        let mut fields = ByteReader::new(&packet);
        let mut values = Vec::with_capacity(columns);
        for _ in 0..columns {
            if fields.rest().first() == Some(&NULL) {
                fields.u8()?;
                values.push(None);
            } else {
                let length = fields.length_encoded_bytes()?.len();
                let end = packet.len() - fields.rest().len();
                values.push(Some(end - length..end));
            }
        }
        Ok(Self { packet, values })
    }

    /// Each value's text; `None` is SQL NULL.
    pub fn values(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.values.iter().map(|range| self.packet.get(range.clone()?))
    }
}

/// The rows of one answer. It has to be read to its end before the connection takes the next query.
pub struct RowStream<'c> {
    packets: &'c mut PacketStream,
    columns: Vec<ColumnDefinition>,
}

impl<'c> RowStream<'c> {
    /// Reads the head of the answer to a COM_QUERY.
    pub(super) async fn open(packets: &'c mut PacketStream) -> Result<Self, ConnectionError> {
        let head = packets.read().await?;
        if let Some(error) = server_error(&head) {
            return Err(ConnectionError::Refused(error));
        }
        let count = ByteReader::new(&head).length_encoded().map_err(malformed)?;
        if count == 0 {
            return Err(ConnectionError::Protocol { what: "no rows where rows were asked for" });
        }
        let mut columns = Vec::new();
        for _ in 0..count {
            columns.push(ColumnDefinition::parse(&packets.read().await?).map_err(malformed)?);
        }
        if !is_eof(&packets.read().await?) {
            return Err(ConnectionError::Protocol { what: "columns without an end" });
        }
        Ok(Self { packets, columns })
    }

    pub fn columns(&self) -> &[ColumnDefinition] {
        &self.columns
    }

    /// The next row; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<ByteRow>, ConnectionError> {
        let packet = self.packets.read_up_to(ROW_BYTES_MAX).await?;
        if let Some(error) = server_error(&packet) {
            return Err(ConnectionError::Refused(error));
        }
        if is_eof(&packet) {
            return Ok(None);
        }
        ByteRow::parse(packet, self.columns.len()).map(Some).map_err(malformed)
    }
}

fn malformed(_: Malformed) -> ConnectionError {
    ConnectionError::Protocol { what: "a malformed result set" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;

    const COLUMN: &[u8] = b"\x03def\0\0\0\x02idXX\x0c\x3f\0\x10\0\0\0\x08\x21\0\0\0\0";
    const END: &[u8] = b"\xfe\0\0\0\0";

    async fn stream(payloads: &[&[u8]]) -> PacketStream {
        let (client, mut server) = tokio::io::duplex(1 << 16);
        for (sequence, payload) in (0..).zip(payloads) {
            let head = [u8::try_from(payload.len()).unwrap(), 0, 0, sequence];
            server.write_all(&[&head, *payload].concat()).await.unwrap();
        }
        PacketStream::new(Box::new(client), Duration::from_secs(5))
    }

    #[tokio::test]
    async fn rows_keep_every_byte_and_tell_null_from_nothing() {
        let column = COLUMN.iter().copied().filter(|byte| *byte != b'X').collect::<Vec<_>>();
        let column = [&column[..10], b"\x02ID", &column[10..]].concat();
        let row: &[u8] = b"\x03\xff\0\xfe";
        let mut packets = stream(&[b"\x01", &column, END, row, b"\0", b"\xfb", END]).await;

        let mut rows = RowStream::open(&mut packets).await.unwrap();

        assert!(rows.columns()[0].is_binary() && rows.columns()[0].is_unsigned());
        assert_eq!((rows.columns()[0].name.as_str(), rows.columns()[0].type_code), ("id", 8));
        let mut read = Vec::new();
        while let Some(row) = rows.next().await.unwrap() {
            read.push(row.values().next().unwrap().map(<[u8]>::to_vec));
        }
        assert_eq!(read, [Some(b"\xff\0\xfe".to_vec()), Some(Vec::new()), None]);
    }
}
