//! A file → the headers of its events, and the bodies that are asked for. Blocks.
//!
//! For finding a place: bodies are passed over, in plain files without being read. A file that is cut
//! off ends here before the event that is not whole; to say so is for the one who reads it.

use std::{io::Read, ops::Range};

use super::{
    BinlogFilesError,
    folder::BinlogFile,
    opened::{MAGIC, Opened, check_magic, unreadable},
};
use crate::source::{
    EventFault,
    bytes::ByteReader,
    event::{ChecksumAlgorithm, EventError, EventHeader, EventType},
    event_reader::{malformed_header, small},
};

pub(super) struct Scan<'f> {
    file: &'f BinlogFile,
    opened: Opened,
    checksum: Option<ChecksumAlgorithm>,
    /// Where the event that was found last begins.
    position: u64,
    /// Behind the last event that is known to be whole.
    end: u64,
    /// The event that was found last: first only its header.
    event: Vec<u8>,
    /// Bytes of it that were not read.
    left: u64,
}

impl<'f> Scan<'f> {
    pub(super) fn open(file: &'f BinlogFile) -> Result<Self, BinlogFilesError> {
        let mut opened = Opened::open(file).map_err(unreadable(file))?;
        let mut magic = vec![0; MAGIC.len()];
        let mut filled = 0;
        opened.fill(&mut magic, &mut filled).map_err(unreadable(file))?;
        if filled == magic.len() {
            check_magic(file, &magic)?;
        }
        Ok(Self {
            file,
            opened,
            checksum: None,
            position: 0,
            end: filled as u64,
            event: Vec::new(),
            left: 0,
        })
    }

    /// Goes to the next event.
    pub(super) fn next(&mut self) -> Result<Option<EventHeader>, BinlogFilesError> {
        if !self.event.is_empty() {
            let skipped = self.opened.skip(self.left).map_err(unreadable(self.file))?;
            if skipped < self.left {
                return Ok(None);
            }
            self.end = self.position + self.event.len() as u64 + self.left;
        }
        self.position = self.end;
        self.left = 0;
        self.event.resize(EventHeader::LENGTH, 0);
        let mut filled = 0;
        self.opened.fill(&mut self.event, &mut filled).map_err(unreadable(self.file))?;
        if filled < EventHeader::LENGTH {
            self.event.clear();
            return Ok(None);
        }
        let header = EventHeader::read(&mut ByteReader::new(&self.event));
        let header = header.map_err(|error| self.fault(malformed_header(error)))?;
        self.left = (header.event_bytes() - EventHeader::LENGTH) as u64;
        if self.position == MAGIC.len() as u64 {
            self.describe(&header)?;
        }
        Ok(Some(header))
    }

    /// Where the event begins that was found last.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Once there is no next event: behind the last whole one.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Of the event that was found last, read with `parse`; `None` if it is cut off.
    pub(super) fn body<T>(
        &mut self,
        parse: impl FnOnce(&[u8]) -> Result<T, EventError>,
    ) -> Result<Option<T>, BinlogFilesError> {
        let Some((header, body)) = self.whole()? else { return Ok(None) };
        let parsed = parse(self.event.get(body).unwrap_or_default());
        let event_type = header.event_type;
        parsed.map(Some).map_err(|error| self.fault(EventFault::Malformed { event_type, error }))
    }

    /// Reads the rest of the event, and verifies its checksum.
    fn whole(&mut self) -> Result<Option<(EventHeader, Range<usize>)>, BinlogFilesError> {
        let read = (&mut self.opened).take(self.left).read_to_end(&mut self.event);
        let read = read.map_err(unreadable(self.file))? as u64;
        self.left -= read;
        if self.left > 0 {
            return Ok(None);
        }
        let checked = small(&self.event, &mut self.checksum);
        checked.map(Some).map_err(|fault| self.fault(fault))
    }

    /// The first event says whether there are checksums.
    fn describe(&mut self, header: &EventHeader) -> Result<(), BinlogFilesError> {
        if header.event_type != EventType::FORMAT_DESCRIPTION {
            let file = self.file.name.clone();
            return Err(BinlogFilesError::NoFormatDescription { file });
        }
        self.whole().map(drop)
    }

    fn fault(&self, fault: EventFault) -> BinlogFilesError {
        let file = self.file.name.clone();
        BinlogFilesError::Event { file, position: self.position, fault }
    }
}
