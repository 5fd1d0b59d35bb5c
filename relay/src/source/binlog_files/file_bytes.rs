//! One binlog file → the bytes of its events.
//!
//! A thread reads and decompresses ahead, by two blocks at most: a slow disk or network file system
//! does not hold up what else runs, and decompressing goes on beside decoding. Reads through
//! `tokio::fs` would go to such a thread one by one, and decompressing would stay in the way.

use std::{io, sync::Arc};

use tokio::{sync::mpsc, task::JoinHandle};

use super::{
    BinlogFilesError,
    folder::BinlogFile,
    opened::{Opened, unreadable},
};
use crate::source::{
    bytes::ByteReader,
    event::EventHeader,
    event_reader::{EventBytes, NextEvent, malformed_header},
    event_source::{HEAD_BYTES, StreamError},
    read_buffer::{BUFFER_BYTES, ReadBuffer},
};

const BLOCKS_AHEAD_MAX: usize = 2;

/// A file from one of its events on. Dropped, it stops to be read.
pub(super) struct FileBytes {
    file: BinlogFile,
    blocks: mpsc::Receiver<Vec<u8>>,
    /// `None` once it has ended.
    reading: Option<JoinHandle<io::Result<()>>>,
    /// The last block, and how much of it went into the buffer.
    block: Vec<u8>,
    used: usize,
    buffer: ReadBuffer,
    /// Where the next event begins, or the one that is being read.
    position: u64,
    /// Bytes of that event.
    event: usize,
    /// Of a large one, those that are left.
    left: usize,
}

impl FileBytes {
    /// Reads `file` from `position` on.
    pub(super) fn open(file: BinlogFile, position: u64) -> Self {
        let (sender, blocks) = mpsc::channel(BLOCKS_AHEAD_MAX);
        let read = file.clone();
        let reading = tokio::task::spawn_blocking(move || read_blocks(&read, position, &sender));
        Self {
            file,
            blocks,
            reading: Some(reading),
            block: Vec::new(),
            used: 0,
            buffer: ReadBuffer::new(),
            position,
            event: 0,
            left: 0,
        }
    }

    /// Behind the last whole event.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Takes what stands before the first event, or as much of it as there is.
    pub(super) async fn take_start(&mut self, length: usize) -> Result<&[u8], StreamError> {
        self.fill(length).await?;
        let length = length.min(self.buffer.len());
        self.position += length as u64;
        Ok(self.buffer.take(length))
    }

    /// Reads until `length` bytes are in the buffer; `false` if the file ends before.
    async fn fill(&mut self, length: usize) -> Result<bool, StreamError> {
        while self.buffer.len() < length {
            if self.used == self.block.len() {
                match self.blocks.recv().await {
                    Some(block) => (self.block, self.used) = (block, 0),
                    None => {
                        self.end().await?;
                        return Ok(false);
                    }
                }
            }
            let from = self.block.get(self.used..).unwrap_or_default();
            let room = self.buffer.room_for(length);
            let copied = from.len().min(room.len());
            if let (Some(from), Some(to)) = (from.get(..copied), room.get_mut(..copied)) {
                to.copy_from_slice(from);
            }
            self.buffer.filled(copied);
            self.used += copied;
        }
        Ok(true)
    }

    /// How the reading ended.
    async fn end(&mut self) -> Result<(), StreamError> {
        let Some(reading) = self.reading.take() else { return Ok(()) };
        let ended = reading.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        Ok(ended.map_err(unreadable(&self.file))?)
    }

    fn torn(&self) -> StreamError {
        let file = Arc::clone(&self.file.name);
        BinlogFilesError::Torn { file, position: self.position }.into()
    }
}

impl EventBytes for FileBytes {
    async fn next(&mut self) -> Result<NextEvent, StreamError> {
        if !self.fill(EventHeader::LENGTH).await? {
            return if self.buffer.is_empty() { Ok(NextEvent::None) } else { Err(self.torn()) };
        }
        let header = EventHeader::read(&mut ByteReader::new(self.buffer.unread()));
        self.event = header.map_err(malformed_header)?.event_bytes();
        Ok(if self.event <= BUFFER_BYTES { NextEvent::Fits } else { NextEvent::Large })
    }

    async fn take(&mut self) -> Result<(), StreamError> {
        if !self.fill(self.event).await? {
            return Err(self.torn());
        }
        self.buffer.take(self.event);
        self.position += self.event as u64;
        Ok(())
    }

    async fn take_head(&mut self) -> Result<(), StreamError> {
        const LENGTH: usize = EventHeader::LENGTH + HEAD_BYTES;
        if !self.fill(LENGTH).await? {
            return Err(self.torn());
        }
        self.buffer.take(LENGTH);
        self.left = self.event - LENGTH;
        Ok(())
    }

    fn taken(&self) -> &[u8] {
        self.buffer.taken()
    }

    async fn piece(&mut self) -> Result<Option<&[u8]>, StreamError> {
        if self.left == 0 {
            return Ok(None);
        }
        if !self.fill(1).await? {
            return Err(self.torn());
        }
        let available = self.left.min(self.buffer.len());
        Ok(self.buffer.unread().get(..available))
    }

    fn consume(&mut self, length: usize) {
        self.buffer.consume(length);
        self.left = self.left.saturating_sub(length);
        if self.left == 0 {
            self.position += self.event as u64;
        }
    }
}

fn read_blocks(file: &BinlogFile, position: u64, blocks: &mpsc::Sender<Vec<u8>>) -> io::Result<()> {
    let mut opened = Opened::open(file)?;
    opened.skip(position)?;
    loop {
        let mut block = vec![0; BUFFER_BYTES];
        let mut filled = 0;
        // What comes before a fault of the file is read all the same.
        let read = opened.fill(&mut block, &mut filled);
        block.truncate(filled);
        let is_over = block.is_empty() || blocks.blocking_send(block).is_err();
        read?;
        if is_over {
            return Ok(());
        }
    }
}
