//! The packets of a dump → events.

use crc32fast::Hasher;

use super::{ConnectionError, packet::PacketStream, result_set::server_error};
use crate::source::{
    bytes::ByteReader,
    event::{
        ChecksumAlgorithm, EventError, EventHeader, EventType, FormatDescription, PayloadHeader,
    },
    event_source::{EventFault, EventSource, HEAD_BYTES, Interest, RawEvent, StreamError},
    unpack::Unpacker,
};

const CHECKSUM_LENGTH: usize = 4;

/// Events as a server sends them.
pub struct BinlogStream {
    packets: PacketStream,
    /// `None` until the first format description says it.
    checksum: Option<ChecksumAlgorithm>,
    /// Made when the first compressed transaction comes.
    unpacker: Option<Unpacker>,
    /// The body of an event larger than the read buffer, or the head of a declined one.
    large: Vec<u8>,
}

impl BinlogStream {
    pub(super) fn new(packets: PacketStream) -> Self {
        Self { packets, checksum: None, unpacker: None, large: Vec::new() }
    }

    /// An event that came in one piece.
    fn small<'a>(
        packet: &'a [u8],
        checksum: &mut Option<ChecksumAlgorithm>,
    ) -> Result<(EventHeader, &'a [u8]), StreamError> {
        let event = event_bytes(packet)?;
        let mut fields = ByteReader::new(event);
        let header = EventHeader::read(&mut fields).map_err(malformed_header)?;
        if header.event_bytes() != event.len() {
            return Err(
                malformed_header(EventError::Invalid("another size than its packet")).into()
            );
        }
        if header.event_type == EventType::FORMAT_DESCRIPTION {
            let description = FormatDescription::parse(fields.rest())
                .map_err(|error| EventFault::Malformed { event_type: header.event_type, error })?;
            *checksum = Some(description.checksum);
        }
        let body_length = match checksum {
            Some(ChecksumAlgorithm::Crc32) => {
                verify(event, header.event_type)?;
                fields.rest().len() - CHECKSUM_LENGTH
            }
            Some(ChecksumAlgorithm::None) if header.event_type == EventType::FORMAT_DESCRIPTION => {
                fields.rest().len() - CHECKSUM_LENGTH
            }
            Some(ChecksumAlgorithm::None) => fields.rest().len(),
            // SERVER: the artificial rotate that opens a dump comes before the format description.
            // Whether it has a checksum can be seen on it: a file name does not end in its own CRC32.
            None if verify(event, header.event_type).is_ok() => {
                fields.rest().len() - CHECKSUM_LENGTH
            }
            None => fields.rest().len(),
        };
        let body = fields.take(body_length).map_err(|error| malformed_header(error.into()))?;
        Ok((header, body))
    }

    /// Reads an event that does not fit into the buffer. Its body is then in `self.large` (whole or
    /// cut) or in the unpacker.
    async fn large(
        &mut self,
        interest: &(impl Interest + Sync),
    ) -> Result<(EventHeader, bool), StreamError> {
        self.packets.begin().await?;
        let first = self.packets.take(1 + EventHeader::LENGTH + HEAD_BYTES).await?;
        let event = event_bytes(first)?;
        let mut fields = ByteReader::new(event);
        let header = EventHeader::read(&mut fields).map_err(malformed_header)?;
        let head = fields.rest();
        let footer_length = match self.checksum {
            Some(ChecksumAlgorithm::Crc32) => CHECKSUM_LENGTH,
            Some(ChecksumAlgorithm::None) | None => 0,
        };
        let content = header
            .event_bytes()
            .checked_sub(event.len() + footer_length)
            .ok_or_else(|| malformed_header(EventError::Invalid("another size than its packet")))?;
        let mut hasher = Hasher::new();
        hasher.update(event);

        self.large.clear();
        let mut is_cut = true;
        let mut unpacker = None;
        if header.event_type == EventType::TRANSACTION_PAYLOAD {
            unpacker = Some(begin_payload(&mut self.unpacker, head, head.len() + content)?);
        } else {
            is_cut = !interest.wants(&header, head);
            if !is_cut {
                self.large.reserve_exact(head.len() + content);
            }
            self.large.extend_from_slice(head);
        }
        let large = &mut self.large;
        let footer = read_content(&mut self.packets, content, |piece| {
            hasher.update(piece);
            match &mut unpacker {
                Some(unpacker) => unpacker.push(piece)?,
                None if !is_cut => large.extend_from_slice(piece),
                None => {}
            }
            Ok(())
        })
        .await?;
        if footer.len() != footer_length {
            return Err(
                malformed_header(EventError::Invalid("another size than its packet")).into()
            );
        }
        if footer_length > 0 && footer != hasher.finalize().to_le_bytes() {
            return Err(EventFault::Checksum { event_type: header.event_type }.into());
        }
        if let Some(unpacker) = unpacker {
            unpacker.finish_input()?;
        }
        Ok((header, is_cut))
    }
}

impl EventSource for BinlogStream {
    async fn ready(&mut self) -> Result<(), StreamError> {
        if self.has_event() {
            return Ok(());
        }
        Ok(self.packets.ready().await?)
    }

    fn has_event(&self) -> bool {
        self.unpacker.as_ref().is_some_and(Unpacker::is_active) || self.packets.has_buffered()
    }

    async fn next_event(
        &mut self,
        interest: &(impl Interest + Sync),
    ) -> Result<RawEvent<'_>, StreamError> {
        if self.large.capacity() > HEAD_BYTES {
            self.large = Vec::new();
        }
        let has_unpacked = match &mut self.unpacker {
            Some(unpacker) if unpacker.is_active() => unpacker.advance(interest)?,
            Some(_) | None => false,
        };
        if has_unpacked {
            let event = self.unpacker.as_ref().and_then(Unpacker::current);
            return Ok(event.expect("the unpacker has just found an event"));
        }
        if !self.packets.is_next_small().await? {
            let (header, is_cut) = self.large(interest).await?;
            return Ok(RawEvent { header, body: &self.large, is_cut, is_unpacked: false });
        }
        let packet = self.packets.take_small().await?;
        let (header, mut body) = Self::small(packet, &mut self.checksum)?;
        let is_payload = header.event_type == EventType::TRANSACTION_PAYLOAD;
        if is_payload {
            begin_payload(&mut self.unpacker, body, body.len())?.finish_input()?;
            body = &[];
        }
        Ok(RawEvent { header, body, is_cut: is_payload, is_unpacked: false })
    }
}

/// Starts to unpack the transaction whose event's body has `body_length` bytes and begins with `head`.
fn begin_payload<'u>(
    unpacker: &'u mut Option<Unpacker>,
    head: &[u8],
    body_length: usize,
) -> Result<&'u mut Unpacker, EventFault> {
    let malformed =
        |error| EventFault::Malformed { event_type: EventType::TRANSACTION_PAYLOAD, error };
    let payload = PayloadHeader::parse(head).map_err(malformed)?;
    if payload.payload_bytes != (body_length - payload.header_bytes) as u64 {
        return Err(malformed(EventError::Invalid("another payload size than the event's")));
    }
    let unpacker = match unpacker {
        Some(unpacker) => unpacker,
        None => unpacker.insert(Unpacker::new().map_err(|error| EventFault::Unpack { error })?),
    };
    unpacker.begin(&payload)?;
    unpacker.push(head.get(payload.header_bytes..).unwrap_or_default())?;
    Ok(unpacker)
}

/// What stands behind a packet's status byte; or the error, or the end, that came instead.
fn event_bytes(packet: &[u8]) -> Result<&[u8], ConnectionError> {
    const EOF_LENGTH_MAX: usize = 8;
    match packet.split_first() {
        Some((0x00, event)) => Ok(event),
        Some((0xfe, _)) if packet.len() <= EOF_LENGTH_MAX => Err(ConnectionError::Ended),
        _ => match server_error(packet) {
            Some(error) => Err(ConnectionError::Refused(error)),
            None => Err(ConnectionError::Protocol { what: "a packet that holds no event" }),
        },
    }
}

fn malformed_header(error: EventError) -> EventFault {
    EventFault::MalformedHeader { error }
}

fn verify(event: &[u8], event_type: EventType) -> Result<(), EventFault> {
    match event.split_last_chunk::<CHECKSUM_LENGTH>() {
        Some((content, footer)) if crc32fast::hash(content).to_le_bytes() == *footer => Ok(()),
        _ => Err(EventFault::Checksum { event_type }),
    }
}

/// Shows `content` bytes of the payload to `sink`, piece by piece; returns what comes after them.
async fn read_content(
    packets: &mut PacketStream,
    content: usize,
    mut sink: impl FnMut(&[u8]) -> Result<(), EventFault>,
) -> Result<Vec<u8>, StreamError> {
    let mut left = content;
    let mut footer = Vec::new();
    while let Some(piece) = packets.piece().await? {
        let (inside, behind) = piece.split_at(left.min(piece.len()));
        if !inside.is_empty() {
            sink(inside)?;
        }
        if footer.len() + behind.len() > CHECKSUM_LENGTH {
            return Err(
                malformed_header(EventError::Invalid("another size than its packet")).into()
            );
        }
        footer.extend_from_slice(behind);
        left -= inside.len();
        let length = piece.len();
        packets.consume(length);
    }
    Ok(footer)
}

#[cfg(test)]
mod tests;
