//! Compressed transactions → the events in them.
//!
//! Promises:
//! - what does not unpack, or unpacks to another size than the event states, is an error;
//! - memory stays bounded whatever the transaction's size: it is unpacked piece by piece, and what is
//!   still compressed goes to a temporary file if it is more than [`MEMORY_MAX`]. It cannot stay in the socket,
//!   because its checksum is the last thing that comes.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read, Seek, Write},
};

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};

use super::{
    bytes::ByteReader,
    event::{Compression, EventHeader, EventType, PayloadHeader},
    event_source::{EventFault, HEAD_BYTES, Interest, RawEvent},
};

/// Compressed bytes that are kept in memory. Some 100 MB of rows.
pub(super) const MEMORY_MAX: usize = 16 * 1024 * 1024;

const WINDOW_BYTES: usize = 256 * 1024;

/// Unpacks one transaction after the other, with one zstd context.
pub(super) struct Unpacker {
    decoder: Decoder<'static>,
    input: Input,
    compression: Compression,
    stated: u64,
    /// Came out of the decoder so far.
    unpacked: u64,
    /// The decoder has seen the end of a frame, and nothing after it.
    is_frame_whole: bool,
    is_active: bool,
    /// Unpacked bytes that no event was made of yet.
    window: Box<[u8]>,
    start: usize,
    end: usize,
    /// The body of an event that does not fit into the window, or the head of a declined one.
    large: Vec<u8>,
    /// The event to be shown.
    found: Option<Found>,
}

/// Where the compressed bytes are.
enum Input {
    Memory { bytes: Vec<u8>, read: usize },
    File(BufReader<File>),
}

#[derive(Clone, Copy)]
struct Found {
    header: EventHeader,
    body: Body,
}

#[derive(Clone, Copy)]
enum Body {
    InWindow { start: usize, end: usize },
    Large,
    Cut,
}

impl Unpacker {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            decoder: Decoder::new()?,
            input: Input::Memory { bytes: Vec::new(), read: 0 },
            compression: Compression::None,
            stated: 0,
            unpacked: 0,
            is_frame_whole: false,
            is_active: false,
            window: vec![0; WINDOW_BYTES].into_boxed_slice(),
            start: 0,
            end: 0,
            large: Vec::new(),
            found: None,
        })
    }

    /// Begins with a transaction; its compressed bytes are given by [`Self::push`].
    pub(super) fn begin(&mut self, header: &PayloadHeader) -> Result<(), EventFault> {
        self.decoder.reinit().map_err(|error| EventFault::Unpack { error })?;
        // A large transaction's buffer is not kept for the small ones that follow.
        let mut bytes = match std::mem::replace(
            &mut self.input,
            Input::Memory { bytes: Vec::new(), read: 0 },
        ) {
            Input::Memory { bytes, .. } if bytes.capacity() <= WINDOW_BYTES => bytes,
            Input::Memory { .. } | Input::File(_) => Vec::new(),
        };
        bytes.clear();
        // It is known before: collecting in memory first would take the memory twice, while it grows.
        self.input = match usize::try_from(header.payload_bytes) {
            Ok(length) if length <= MEMORY_MAX => {
                bytes.reserve_exact(length);
                Input::Memory { bytes, read: 0 }
            }
            Ok(_) | Err(_) => {
                let file = tempfile::tempfile().map_err(spool_fault(header.payload_bytes))?;
                Input::File(BufReader::with_capacity(WINDOW_BYTES, file))
            }
        };
        self.compression = header.compression;
        self.stated = header.unpacked_bytes;
        self.unpacked = 0;
        self.is_frame_whole = true;
        self.is_active = true;
        (self.start, self.end) = (0, 0);
        Ok(())
    }

    pub(super) fn push(&mut self, compressed: &[u8]) -> Result<(), EventFault> {
        match &mut self.input {
            Input::Memory { bytes, .. } => {
                bytes.extend_from_slice(compressed);
                Ok(())
            }
            // BLOCKING: writes of this file go to the page cache; only a transaction of this size
            // waits for them, and nothing else runs in this task.
            Input::File(file) => {
                file.get_mut().write_all(compressed).map_err(spool_fault(compressed.len() as u64))
            }
        }
    }

    /// All compressed bytes are here, and they match their checksum.
    pub(super) fn finish_input(&mut self) -> Result<(), EventFault> {
        match &mut self.input {
            Input::Memory { .. } => Ok(()),
            Input::File(file) => file.rewind().map_err(|error| EventFault::Unpack { error }),
        }
    }

    /// Whether there may be events left. Only an [`Self::advance`] that finds none ends it.
    pub(super) fn is_active(&self) -> bool {
        self.is_active
    }

    /// Goes to the next event; `false` once all were shown and the stated size was met.
    pub(super) fn advance(&mut self, interest: &impl Interest) -> Result<bool, EventFault> {
        self.found = self.find(interest)?;
        Ok(self.found.is_some())
    }

    /// The event that was found last.
    pub(super) fn current(&self) -> Option<RawEvent<'_>> {
        let Found { header, body } = self.found?;
        let (body, is_cut) = match body {
            Body::InWindow { start, end } => (self.window.get(start..end)?, false),
            Body::Large => (self.large.as_slice(), false),
            Body::Cut => (self.large.as_slice(), true),
        };
        Some(RawEvent { header, body, is_cut, is_unpacked: true })
    }

    fn find(&mut self, interest: &impl Interest) -> Result<Option<Found>, EventFault> {
        if self.large.capacity() > WINDOW_BYTES {
            self.large = Vec::new();
        }
        if self.fill(1)? == 0 {
            self.is_active = false;
            if self.unpacked != self.stated || !self.is_frame_whole {
                let (stated, unpacked) = (self.stated, self.unpacked);
                return Err(EventFault::UnpackedSize { stated, unpacked });
            }
            return Ok(None);
        }
        self.fill(EventHeader::LENGTH)?;
        let head = self.window.get(self.start..self.end).unwrap_or_default();
        let header = EventHeader::read(&mut ByteReader::new(head))
            .map_err(|error| EventFault::MalformedHeader { error })?;
        if header.event_type == EventType::TRANSACTION_PAYLOAD {
            return Err(EventFault::Misplaced { event_type: header.event_type });
        }
        self.start += EventHeader::LENGTH;
        // SERVER: events inside a payload have no checksum (WL#3549).
        let length = header.event_bytes() - EventHeader::LENGTH;
        if length <= WINDOW_BYTES {
            self.fill_whole(length)?;
            let start = self.start;
            self.start += length;
            let body = Body::InWindow { start, end: self.start };
            return Ok(Some(Found { header, body }));
        }
        let head_length = self.fill(HEAD_BYTES)?.min(HEAD_BYTES);
        let head = self.window.get(self.start..self.start + head_length).unwrap_or_default();
        let is_wanted = interest.wants(&header, head);
        self.large.clear();
        self.large.extend_from_slice(head);
        self.start += head_length;
        self.take_large(length - head_length, is_wanted)?;
        let body = if is_wanted { Body::Large } else { Body::Cut };
        Ok(Some(Found { header, body }))
    }

    /// Reads `left` bytes of a large body and keeps or drops them.
    fn take_large(&mut self, mut left: usize, keep: bool) -> Result<(), EventFault> {
        if keep {
            self.large.reserve_exact(left);
        }
        while left > 0 {
            let here = self.fill(1)?.min(left);
            if here == 0 {
                return Err(self.ended_inside_an_event());
            }
            if keep {
                let piece = self.window.get(self.start..self.start + here).unwrap_or_default();
                self.large.extend_from_slice(piece);
            }
            self.start += here;
            left -= here;
        }
        Ok(())
    }

    fn fill_whole(&mut self, length: usize) -> Result<(), EventFault> {
        if self.fill(length)? < length {
            return Err(self.ended_inside_an_event());
        }
        Ok(())
    }

    fn ended_inside_an_event(&self) -> EventFault {
        // If the stated size was met, the events' own sizes are wrong; either way it is no whole
        // transaction.
        EventFault::UnpackedSize { stated: self.stated, unpacked: self.unpacked }
    }

    /// Unpacks until `length` bytes are in the window, or all there is; says how many are.
    fn fill(&mut self, length: usize) -> Result<usize, EventFault> {
        while self.end - self.start < length {
            if self.window.len() - self.start < length || self.end == self.window.len() {
                self.window.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            if !self.unpack().map_err(|error| EventFault::Unpack { error })? {
                break;
            }
            if self.unpacked > self.stated {
                let (stated, unpacked) = (self.stated, self.unpacked);
                return Err(EventFault::UnpackedSize { stated, unpacked });
            }
        }
        Ok(self.end - self.start)
    }

    /// Unpacks some bytes into the window's end; `false` at the end of the input.
    fn unpack(&mut self) -> io::Result<bool> {
        let free = self.window.get_mut(self.end..).unwrap_or_default();
        let input = self.input.fill_buf()?;
        let (read, written) = match self.compression {
            Compression::None => {
                let length = input.len().min(free.len());
                let (from, to) = (input.get(..length), free.get_mut(..length));
                if let (Some(from), Some(to)) = (from, to) {
                    to.copy_from_slice(from);
                }
                (length, length)
            }
            Compression::Zstd => {
                let is_input_over = input.is_empty();
                let mut from = InBuffer::around(input);
                let mut to = OutBuffer::around(free);
                if is_input_over && self.is_frame_whole {
                    return Ok(false);
                }
                let left = self.decoder.run(&mut from, &mut to)?;
                self.is_frame_whole = left == 0;
                (from.pos(), to.pos())
            }
        };
        let has_moved = read > 0 || written > 0;
        self.input.consume(read);
        self.end += written;
        self.unpacked += written as u64;
        Ok(has_moved)
    }
}

impl Read for Input {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Memory { .. } => {
                let read = self.fill_buf()?.read(to)?;
                self.consume(read);
                Ok(read)
            }
            Self::File(file) => file.read(to),
        }
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Memory { bytes, read } => Ok(bytes.get(*read..).unwrap_or_default()),
            Self::File(file) => file.fill_buf(),
        }
    }

    fn consume(&mut self, length: usize) {
        match self {
            Self::Memory { read, .. } => *read += length,
            Self::File(file) => file.consume(length),
        }
    }
}

fn spool_fault(bytes: u64) -> impl FnOnce(io::Error) -> EventFault {
    move |error| EventFault::Spool {
        bytes,
        directory: std::env::temp_dir().display().to_string(),
        error,
    }
}

#[cfg(test)]
mod tests;
