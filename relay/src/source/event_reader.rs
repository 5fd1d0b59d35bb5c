//! Events' bytes → events, whoever brings the bytes: a server's dump or a file.
//!
//! Promises: those of [`EventSource`](super::EventSource) about checksums, compressed transactions
//! and memory.
//!
//! Before this: an [`EventBytes`]. After this: `assembler`.

use std::{future::Future, ops::Range};

use crc32fast::Hasher;

use super::{
    bytes::ByteReader,
    event::{
        ChecksumAlgorithm, EventError, EventHeader, EventType, FormatDescription, PayloadHeader,
    },
    event_source::{EventFault, HEAD_BYTES, Interest, RawEvent, StreamError},
    unpack::Unpacker,
};

pub(super) const CHECKSUM_LENGTH: usize = 4;

/// The bytes of one event after the other, each in one piece if it fits into the read buffer.
pub(super) trait EventBytes {
    /// Waits for the start of the next event.
    fn next(&mut self) -> impl Future<Output = Result<NextEvent, StreamError>> + Send;

    /// Takes an event that [`NextEvent::Fits`].
    fn take(&mut self) -> impl Future<Output = Result<(), StreamError>> + Send;

    /// Begins with a [`NextEvent::Large`]: takes its header and [`HEAD_BYTES`].
    fn take_head(&mut self) -> impl Future<Output = Result<(), StreamError>> + Send;

    /// What was taken last.
    fn taken(&self) -> &[u8];

    /// The next bytes of a large event, as many as are here; `None` at its end.
    fn piece(&mut self) -> impl Future<Output = Result<Option<&[u8]>, StreamError>> + Send;

    /// Passes over bytes that [`Self::piece`] showed.
    fn consume(&mut self, length: usize);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextEvent {
    Fits,
    Large,
    /// There is none.
    None,
}

/// What becomes of compressed transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compressed {
    Unpack,
    /// Their event is shown as one that nobody wants.
    PassOver,
}

pub(super) struct EventReader<B> {
    bytes: B,
    /// `None` until the first format description says it.
    checksum: Option<ChecksumAlgorithm>,
    /// Made when the first compressed transaction comes.
    unpacker: Option<Unpacker>,
    /// The body of an event larger than the read buffer, or the head of a declined one.
    large: Vec<u8>,
    shown: Option<Shown>,
}

/// Where the event to be shown is.
enum Shown {
    Small { header: EventHeader, body: Range<usize>, is_cut: bool },
    Large { header: EventHeader, is_cut: bool },
    Unpacked,
}

impl<B: EventBytes> EventReader<B> {
    pub(super) fn new(bytes: B) -> Self {
        Self { bytes, checksum: None, unpacker: None, large: Vec::new(), shown: None }
    }

    pub(super) fn bytes(&self) -> &B {
        &self.bytes
    }

    pub(super) fn bytes_mut(&mut self) -> &mut B {
        &mut self.bytes
    }

    /// Whether there may be events left of a compressed transaction.
    pub(super) fn is_unpacking(&self) -> bool {
        self.unpacker.as_ref().is_some_and(Unpacker::is_active)
    }

    /// Goes to the next event; `false` if there is none.
    pub(super) async fn advance(
        &mut self,
        interest: &(impl Interest + Sync),
        compressed: Compressed,
    ) -> Result<bool, StreamError> {
        self.shown = None;
        if self.large.capacity() > HEAD_BYTES {
            self.large = Vec::new();
        }
        if let Some(unpacker) = &mut self.unpacker
            && unpacker.is_active()
            && unpacker.advance(interest)?
        {
            self.shown = Some(Shown::Unpacked);
            return Ok(true);
        }
        self.shown = match self.bytes.next().await? {
            NextEvent::Fits => {
                self.bytes.take().await?;
                Some(self.small(compressed)?)
            }
            NextEvent::Large => {
                self.bytes.take_head().await?;
                Some(self.large(interest, compressed).await?)
            }
            NextEvent::None => None,
        };
        Ok(self.shown.is_some())
    }

    /// The event that was found last.
    pub(super) fn current(&self) -> Option<RawEvent<'_>> {
        match self.shown.as_ref()? {
            Shown::Small { header, body, is_cut } => {
                let body = self.bytes.taken().get(body.clone()).unwrap_or_default();
                Some(RawEvent { header: *header, body, is_cut: *is_cut, is_unpacked: false })
            }
            Shown::Large { header, is_cut } => Some(RawEvent {
                header: *header,
                body: &self.large,
                is_cut: *is_cut,
                is_unpacked: false,
            }),
            Shown::Unpacked => self.unpacker.as_ref().and_then(Unpacker::current),
        }
    }

    /// An event that came in one piece.
    fn small(&mut self, compressed: Compressed) -> Result<Shown, EventFault> {
        let event = self.bytes.taken();
        let (header, body) = small(event, &mut self.checksum)?;
        let is_payload = header.event_type == EventType::TRANSACTION_PAYLOAD;
        if !is_payload || compressed == Compressed::PassOver {
            return Ok(Shown::Small { header, body, is_cut: false });
        }
        let body = event.get(body).unwrap_or_default();
        begin_payload(&mut self.unpacker, body, body.len())?.finish_input()?;
        Ok(Shown::Small { header, body: 0..0, is_cut: true })
    }

    /// Reads an event that does not fit into the buffer. Its body is then in `self.large` (whole or
    /// cut) or in the unpacker.
    async fn large(
        &mut self,
        interest: &(impl Interest + Sync),
        compressed: Compressed,
    ) -> Result<Shown, StreamError> {
        let event = self.bytes.taken();
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
        let is_payload = header.event_type == EventType::TRANSACTION_PAYLOAD;
        if is_payload && compressed == Compressed::Unpack {
            unpacker = Some(begin_payload(&mut self.unpacker, head, head.len() + content)?);
        } else {
            is_cut = is_payload || !interest.wants(&header, head);
            if !is_cut {
                self.large.reserve_exact(head.len() + content);
            }
            self.large.extend_from_slice(head);
        }
        let large = &mut self.large;
        let footer = read_content(&mut self.bytes, content, |piece| {
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
        Ok(Shown::Large { header, is_cut })
    }
}

/// An event's header, and where in it its body lies. A format description says what is behind it and
/// all that follow.
pub(super) fn small(
    event: &[u8],
    checksum: &mut Option<ChecksumAlgorithm>,
) -> Result<(EventHeader, Range<usize>), EventFault> {
    let mut fields = ByteReader::new(event);
    let header = EventHeader::read(&mut fields).map_err(malformed_header)?;
    if header.event_bytes() != event.len() {
        return Err(malformed_header(EventError::Invalid("another size than its packet")));
    }
    if header.event_type == EventType::FORMAT_DESCRIPTION {
        let description = FormatDescription::parse(fields.rest())
            .map_err(|error| EventFault::Malformed { event_type: header.event_type, error })?;
        *checksum = Some(description.checksum);
    }
    let has_footer = match checksum {
        Some(ChecksumAlgorithm::Crc32) => {
            verify(event, &header)?;
            true
        }
        Some(ChecksumAlgorithm::None) => header.event_type == EventType::FORMAT_DESCRIPTION,
        // SERVER: the artificial rotate that opens a dump comes before the format description.
        // Whether it has a checksum can be seen on it: a file name does not end in its own CRC32.
        None => verify(event, &header).is_ok(),
    };
    let footer_length = if has_footer { CHECKSUM_LENGTH } else { 0 };
    let body_length = fields.rest().len().checked_sub(footer_length);
    let body_length = body_length.ok_or_else(|| {
        malformed_header(EventError::truncated(footer_length, fields.rest().len()))
    })?;
    Ok((header, EventHeader::LENGTH..EventHeader::LENGTH + body_length))
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

pub(super) fn malformed_header(error: EventError) -> EventFault {
    EventFault::MalformedHeader { error }
}

fn verify(event: &[u8], header: &EventHeader) -> Result<(), EventFault> {
    let is_right = event.split_last_chunk::<CHECKSUM_LENGTH>().is_some_and(|(content, footer)| {
        let mut hasher = Hasher::new();
        match content.split_first_chunk::<{ EventHeader::LENGTH }>() {
            // SERVER: the flag is set in the file as long as it is written to, and does not count.
            Some(([fields @ .., flags, high], body)) if header.is_in_use() => {
                hasher.update(fields);
                hasher.update(&[*flags & !EventHeader::IN_USE, *high]);
                hasher.update(body);
            }
            _ => hasher.update(content),
        }
        hasher.finalize().to_le_bytes() == *footer
    });
    if is_right { Ok(()) } else { Err(EventFault::Checksum { event_type: header.event_type }) }
}

/// Shows `content` bytes of the payload to `sink`, piece by piece; returns what comes after them.
async fn read_content(
    bytes: &mut impl EventBytes,
    content: usize,
    mut sink: impl FnMut(&[u8]) -> Result<(), EventFault>,
) -> Result<Vec<u8>, StreamError> {
    let mut left = content;
    let mut footer = Vec::new();
    while let Some(piece) = bytes.piece().await? {
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
        bytes.consume(length);
    }
    Ok(footer)
}
