//! MySQL packets over a byte stream: three bytes length, one byte sequence number, payload.
//!
//! A payload of 16 MiB - 1 or more goes on in the next packet. A payload that fits into the one read
//! buffer is shown where it lies ([`PacketStream::take_small`]); a larger one is read in pieces
//! ([`PacketStream::begin`], [`PacketStream::piece`]), so that no size of payload needs more memory.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::Instant,
};

use super::ConnectionError;
use crate::source::read_buffer::{BUFFER_BYTES, ReadBuffer};

/// Length of a packet that has a successor.
const FULL: usize = 0xff_ffff;
const HEADER: usize = 4;

/// A socket, plain or TLS.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> ByteStream for S {}

pub(super) struct PacketStream {
    stream: Box<dyn ByteStream>,
    buffer: ReadBuffer,
    sequence: u8,
    /// Longest silence.
    read_timeout: Duration,
    /// When the last byte came, or the last command was sent. Kept here because a wait may be given up
    /// and begun anew, and the silence goes on all the same.
    silent_since: Instant,
    /// Of the payload being read in pieces.
    payload: Remaining,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Remaining {
    in_packet: usize,
    /// The packet is full, so another follows.
    continues: bool,
}

impl PacketStream {
    pub(super) fn new(stream: Box<dyn ByteStream>, read_timeout: Duration) -> Self {
        Self {
            stream,
            buffer: ReadBuffer::new(),
            sequence: 0,
            read_timeout,
            silent_since: Instant::now(),
            payload: Remaining::default(),
        }
    }

    pub(super) fn set_read_timeout(&mut self, read_timeout: Duration) {
        self.read_timeout = read_timeout;
        self.silent_since = Instant::now();
    }

    /// Gives the stream back for the TLS handshake. What was read ahead of it would be lost, so it
    /// must be nothing; a server that sent more is not waiting for a handshake.
    pub(super) fn into_stream(self) -> Result<(Box<dyn ByteStream>, u8), ConnectionError> {
        if !self.buffer.is_empty() {
            return Err(ConnectionError::Protocol { what: "bytes before the TLS handshake" });
        }
        Ok((self.stream, self.sequence))
    }

    pub(super) fn set_sequence(&mut self, sequence: u8) {
        self.sequence = sequence;
    }

    /// Sends a payload as the next packet of the exchange.
    pub(super) async fn write(&mut self, payload: &[u8]) -> Result<(), ConnectionError> {
        let length = u32::try_from(payload.len())
            .ok()
            .filter(|_| payload.len() < FULL)
            .ok_or(ConnectionError::Protocol { what: "a command of 16 MiB" })?;
        let [l0, l1, l2, _] = length.to_le_bytes();
        let mut packet = Vec::with_capacity(HEADER + payload.len());
        packet.extend([l0, l1, l2, self.sequence]);
        packet.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
        let sent = async {
            self.stream.write_all(&packet).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|error| ConnectionError::Lost { error })?;
        self.silent_since = Instant::now();
        Ok(())
    }

    /// Sends a command, which starts a new exchange.
    pub(super) async fn command(&mut self, code: u8, body: &[u8]) -> Result<(), ConnectionError> {
        self.sequence = 0;
        let mut payload = Vec::with_capacity(1 + body.len());
        payload.push(code);
        payload.extend(body);
        self.write(&payload).await
    }

    /// Reads a whole payload that the protocol keeps small.
    pub(super) async fn read(&mut self) -> Result<Vec<u8>, ConnectionError> {
        self.read_up_to(FULL).await
    }

    /// Reads a whole payload.
    pub(super) async fn read_up_to(
        &mut self,
        length_max: usize,
    ) -> Result<Vec<u8>, ConnectionError> {
        let mut whole = Vec::new();
        self.begin().await?;
        while let Some(piece) = self.piece().await? {
            whole.extend_from_slice(piece);
            let length = piece.len();
            self.consume(length);
            if whole.len() > length_max {
                return Err(ConnectionError::Protocol { what: "an answer that is too large" });
            }
        }
        Ok(whole)
    }

    /// Waits for at least one byte. Dropping the future loses nothing.
    pub(super) async fn ready(&mut self) -> Result<(), ConnectionError> {
        self.fill(1).await
    }

    /// Whether the next payload is wholly in the buffer.
    pub(super) fn has_buffered(&self) -> bool {
        self.peek_header().is_some_and(|(length, _)| self.buffer.len() - HEADER >= length)
    }

    /// Waits for the next payload, and says whether it fits into the buffer. Must not be asked inside
    /// a payload.
    pub(super) async fn is_next_small(&mut self) -> Result<bool, ConnectionError> {
        self.fill(HEADER).await?;
        Ok(self.peek_header().is_some_and(|(length, _)| length <= BUFFER_BYTES - HEADER))
    }

    /// Takes the next payload, which fits into the buffer.
    pub(super) async fn take_small(&mut self) -> Result<&[u8], ConnectionError> {
        self.begin().await?;
        self.take(self.payload.in_packet).await
    }

    /// Reads the header of the next payload.
    pub(super) async fn begin(&mut self) -> Result<(), ConnectionError> {
        self.fill(HEADER).await?;
        let (length, sequence) =
            self.peek_header().expect("the header was just read into the buffer");
        // SERVER: a new exchange starts at 0, so only a gap inside one is a fault.
        if sequence != self.sequence {
            return Err(ConnectionError::Protocol { what: "packets out of order" });
        }
        self.sequence = sequence.wrapping_add(1);
        self.buffer.consume(HEADER);
        self.payload = Remaining { in_packet: length, continues: length == FULL };
        Ok(())
    }

    /// The next bytes of the payload, as many as are here; `None` at its end.
    pub(super) async fn piece(&mut self) -> Result<Option<&[u8]>, ConnectionError> {
        while self.payload.in_packet == 0 {
            if !self.payload.continues {
                return Ok(None);
            }
            self.begin().await?;
        }
        self.fill(1).await?;
        let available = self.buffer.len().min(self.payload.in_packet);
        Ok(self.buffer.unread().get(..available))
    }

    /// Takes the next `length` bytes of the payload in one piece, or all that is left of its packet.
    /// `length` is at most what the buffer holds.
    pub(super) async fn take(&mut self, length: usize) -> Result<&[u8], ConnectionError> {
        let length = length.min(self.payload.in_packet);
        self.fill(length).await?;
        self.payload.in_packet -= length;
        Ok(self.buffer.take(length))
    }

    /// What [`Self::take`] showed last.
    pub(super) fn taken(&self) -> &[u8] {
        self.buffer.taken()
    }

    /// Passes over bytes that [`Self::piece`] showed.
    pub(super) fn consume(&mut self, length: usize) {
        self.payload.in_packet = self.payload.in_packet.saturating_sub(length);
        self.buffer.consume(length);
    }

    fn peek_header(&self) -> Option<(usize, u8)> {
        match self.buffer.unread() {
            [l0, l1, l2, sequence, ..] => {
                Some((u32::from_le_bytes([*l0, *l1, *l2, 0]) as usize, *sequence))
            }
            _ => None,
        }
    }

    /// Reads until `length` bytes are in the buffer.
    async fn fill(&mut self, length: usize) -> Result<(), ConnectionError> {
        while self.buffer.len() < length {
            let free = self.buffer.room_for(length);
            if free.is_empty() {
                return Err(ConnectionError::Protocol { what: "a packet larger than the buffer" });
            }
            let until = self.silent_since + self.read_timeout;
            let read = tokio::time::timeout_at(until, self.stream.read(free))
                .await
                .map_err(|_| ConnectionError::Silent { after: self.read_timeout })?
                .map_err(|error| ConnectionError::Lost { error })?;
            if read == 0 {
                let error = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(ConnectionError::Lost { error });
            }
            self.buffer.filled(read);
            self.silent_since = Instant::now();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
        let [l0, l1, l2, _] = u32::try_from(payload.len()).unwrap().to_le_bytes();
        [&[l0, l1, l2, sequence], payload].concat()
    }

    /// A stream that gives `bytes` in portions of `portion`, then ends.
    fn stream(bytes: Vec<u8>, portion: usize) -> PacketStream {
        let (client, mut server) = tokio::io::duplex(portion);
        tokio::spawn(async move {
            let _reader_may_be_gone = server.write_all(&bytes).await;
        });
        PacketStream::new(Box::new(client), Duration::from_secs(5))
    }

    #[tokio::test]
    async fn payloads_come_whole_however_the_network_cuts_them() {
        let bytes = [packet(0, b"first"), packet(1, b""), packet(2, b"third")].concat();
        for portion in 1..bytes.len() {
            let mut stream = stream(bytes.clone(), portion);

            assert_eq!(stream.read().await.unwrap(), b"first");
            assert_eq!(stream.read().await.unwrap(), b"");
            assert_eq!(stream.read().await.unwrap(), b"third");
        }
    }

    #[tokio::test]
    async fn payload_of_16_mib_goes_on_in_the_next_packet() {
        for rest in [0, 1, FULL - 1] {
            let payload: Vec<u8> = (0..=250).cycle().take(FULL + rest).collect();
            let (first, second) = payload.split_at(FULL);
            let bytes = [packet(0, first), packet(1, second), packet(2, b"next")].concat();
            let mut stream = stream(bytes, 1 << 20);

            stream.begin().await.unwrap();
            let mut read = Vec::new();
            while let Some(piece) = stream.piece().await.unwrap() {
                read.extend_from_slice(piece);
                let length = piece.len();
                stream.consume(length);
            }

            assert!(read == payload, "with {rest} bytes in the second packet");
            assert_eq!(stream.read().await.unwrap(), b"next");
        }
    }

    #[tokio::test]
    async fn payload_counts_as_buffered_only_when_it_is_whole() {
        let mut stream = stream([packet(0, b"first"), packet(1, b"second")].concat(), 16);
        stream.ready().await.unwrap();

        assert!(stream.has_buffered());
        assert_eq!(stream.take_small().await.unwrap(), b"first");
        assert!(!stream.has_buffered());
        assert_eq!(stream.take_small().await.unwrap(), b"second");
    }

    #[tokio::test]
    async fn payload_that_does_not_fit_is_left_to_be_read_in_pieces() {
        let payload = vec![7; BUFFER_BYTES];
        let mut stream = stream([packet(0, &payload), packet(1, b"next")].concat(), 1 << 20);

        assert!(!stream.is_next_small().await.unwrap());
        stream.begin().await.unwrap();
        let mut left = payload.len() - stream.take(1000).await.unwrap().len();
        while let Some(piece) = stream.piece().await.unwrap() {
            let length = piece.len();
            left -= length;
            stream.consume(length);
        }

        assert_eq!(left, 0);
        assert!(stream.is_next_small().await.unwrap());
        assert_eq!(stream.take_small().await.unwrap(), b"next");
    }

    #[tokio::test]
    async fn packet_out_of_order_is_an_error() {
        let mut stream = stream([packet(0, b"first"), packet(2, b"third")].concat(), 64);
        stream.read().await.unwrap();

        assert!(matches!(stream.read().await, Err(ConnectionError::Protocol { .. })));
    }

    #[tokio::test]
    async fn end_of_the_stream_is_a_lost_connection() {
        let mut stream = stream(packet(0, b"first")[..7].to_vec(), 64);

        assert!(matches!(stream.read().await, Err(ConnectionError::Lost { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed() {
        let (client, _server) = tokio::io::duplex(64);
        let mut stream = PacketStream::new(Box::new(client), Duration::from_secs(3));

        assert!(matches!(stream.ready().await, Err(ConnectionError::Silent { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_noticed_by_one_who_looks_at_other_things_in_between() {
        let (client, _server) = tokio::io::duplex(64);
        let mut stream = PacketStream::new(Box::new(client), Duration::from_secs(3));
        let looks = async {
            loop {
                let look = tokio::time::timeout(Duration::from_secs(1), stream.ready()).await;
                if let Ok(ready) = look {
                    return ready;
                }
            }
        };

        let noticed = tokio::time::timeout(Duration::from_secs(4), looks).await;

        assert!(matches!(noticed, Ok(Err(ConnectionError::Silent { .. }))), "{noticed:?}");
    }
}
