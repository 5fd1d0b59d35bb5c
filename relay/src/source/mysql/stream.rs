//! The packets of a dump → events.

use super::{ConnectionError, packet::PacketStream, result_set::server_error};
use crate::source::{
    event::EventHeader,
    event_reader::{Compressed, EventBytes, EventReader, NextEvent},
    event_source::{EventSource, HEAD_BYTES, Interest, RawEvent, StreamError},
};

/// Events as a server sends them.
pub struct BinlogStream {
    reader: EventReader<EventPackets>,
}

impl BinlogStream {
    pub(super) fn new(packets: PacketStream) -> Self {
        Self { reader: EventReader::new(EventPackets { packets }) }
    }
}

impl EventSource for BinlogStream {
    async fn ready(&mut self) -> Result<(), StreamError> {
        if self.has_event() {
            return Ok(());
        }
        Ok(self.reader.bytes_mut().packets.ready().await?)
    }

    fn has_event(&self) -> bool {
        self.reader.is_unpacking() || self.reader.bytes().packets.has_buffered()
    }

    async fn next_event(
        &mut self,
        interest: &(impl Interest + Sync),
    ) -> Result<RawEvent<'_>, StreamError> {
        self.reader.advance(interest, Compressed::Unpack).await?;
        Ok(self.reader.current().expect("a stream that ends says so with an error"))
    }
}

/// Packets of which each holds one event, behind a status byte.
struct EventPackets {
    packets: PacketStream,
}

impl EventBytes for EventPackets {
    async fn next(&mut self) -> Result<NextEvent, StreamError> {
        let is_small = self.packets.is_next_small().await?;
        Ok(if is_small { NextEvent::Fits } else { NextEvent::Large })
    }

    async fn take(&mut self) -> Result<(), StreamError> {
        Ok(event_bytes(self.packets.take_small().await?).map(drop)?)
    }

    async fn take_head(&mut self) -> Result<(), StreamError> {
        self.packets.begin().await?;
        let first = self.packets.take(1 + EventHeader::LENGTH + HEAD_BYTES).await?;
        Ok(event_bytes(first).map(drop)?)
    }

    fn taken(&self) -> &[u8] {
        self.packets.taken().get(1..).unwrap_or_default()
    }

    async fn piece(&mut self) -> Result<Option<&[u8]>, StreamError> {
        Ok(self.packets.piece().await?)
    }

    fn consume(&mut self, length: usize) {
        self.packets.consume(length);
    }
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

#[cfg(test)]
mod tests;
