//! A binlog made by hand → files as a server writes them, and the events as it would send them.

use std::{fs, io::Write, path::Path};

use tempfile::TempDir;

use crate::{
    position::{GtidSet, Position},
    source::{
        Chunk, EventSource, StreamError,
        assembler::tests::{
            assembler,
            script::{Log, Logged},
        },
        binlog_files::{
            BinlogFiles, BinlogFilesError, BinlogFolder, EndOfFiles, FilesStart, Packing,
        },
        event::{EventHeader, EventType, GtidEvent, gtid_set},
    },
};

const ARTIFICIAL: u16 = 0x20;

/// What a server wrote.
#[derive(Clone)]
pub(super) struct Archive {
    /// The bytes of each file.
    pub(super) files: Vec<Vec<u8>>,
    /// What a dump from the start sends.
    pub(super) sent: Vec<Logged>,
    /// Where events begin in each file, and where it ends.
    pub(super) boundaries: Vec<Vec<usize>>,
}

pub(super) fn event(header: &EventHeader, body: &[u8], has_checksum: bool) -> Vec<u8> {
    let mut event = header.timestamp.to_le_bytes().to_vec();
    event.push(header.event_type.0);
    event.extend(header.server_id.to_le_bytes());
    let footer = if has_checksum { 4 } else { 0 };
    event.extend(u32::try_from(19 + body.len() + footer).unwrap().to_le_bytes());
    event.extend(header.log_pos.to_le_bytes());
    event.extend(header.flags.to_le_bytes());
    event.extend(body);
    if has_checksum {
        event.extend(crc32fast::hash(&event).to_le_bytes());
    }
    event
}

/// Without the four bytes behind it.
pub(super) fn format_description(has_checksums: bool, created: u32) -> Vec<u8> {
    let mut body = vec![4, 0];
    body.resize(2 + 50, 0);
    body.extend(created.to_le_bytes());
    body.push(19);
    body.extend([0; 40]);
    body.push(u8::from(has_checksums));
    body
}

fn payload(events: &[Logged]) -> Vec<u8> {
    let events: Vec<u8> =
        events.iter().flat_map(|logged| event(&logged.header, &logged.body, false)).collect();
    let packed = zstd::encode_all(events.as_slice(), 3).unwrap();
    let mut body = vec![2, 1, 0, 3, 9, 0xfe];
    body.extend((events.len() as u64).to_le_bytes());
    body.extend([1, 9, 0xfe]);
    body.extend((packed.len() as u64).to_le_bytes());
    body.push(0);
    body.extend(packed);
    body
}

impl Archive {
    /// The first file was begun by a server's start, the others by rotation.
    pub(super) fn of(log: &Log, has_checksums: bool) -> Self {
        let mut archive = Self { files: Vec::new(), sent: Vec::new(), boundaries: Vec::new() };
        let mut previous = GtidSet::default();
        let events = log.serve(&log.start());
        for (at, logged) in events.iter().enumerate() {
            let mut logged = logged.clone();
            if logged.header.flags == ARTIFICIAL {
                archive.files.push(b"\xfebin".to_vec());
                archive.boundaries.push(vec![4]);
            } else if !logged.is_unpacked {
                let inside = events[at + 1..].iter().take_while(|event| event.is_unpacked);
                let inside: Vec<_> = inside.cloned().collect();
                archive.write(&mut logged, &inside, &mut previous, has_checksums);
            }
            archive.sent.push(logged);
        }
        archive
    }

    fn write(
        &mut self,
        logged: &mut Logged,
        inside: &[Logged],
        previous: &mut GtidSet,
        has_checksums: bool,
    ) {
        let is_first = self.files.len() == 1;
        let file = self.files.last_mut().unwrap();
        let mut has_footer = has_checksums;
        match logged.header.event_type {
            EventType::FORMAT_DESCRIPTION => {
                let created = if is_first { logged.header.timestamp } else { 0 };
                logged.body = format_description(has_checksums, created);
                has_footer = true;
            }
            EventType::PREVIOUS_GTIDS => logged.body = gtid_set::encode(previous),
            EventType::GTID => {
                let gtid = GtidEvent::parse(&logged.body).unwrap().gtid;
                previous.extend(gtid);
            }
            _ => {}
        }
        let body = match logged.header.event_type {
            EventType::TRANSACTION_PAYLOAD => {
                logged.body.clear();
                payload(inside)
            }
            _ => logged.body.clone(),
        };
        let size = 19 + body.len() + if has_footer { 4 } else { 0 };
        logged.header.event_size = u32::try_from(size).unwrap();
        logged.header.log_pos = u32::try_from(file.len() + size).unwrap();
        file.extend(event(&logged.header, &body, has_footer));
        self.boundaries.last_mut().unwrap().push(file.len());
    }

    /// Sets the flag of a file that the server has not closed; its checksum does not change.
    pub(super) fn set_in_use(&mut self, file: usize) {
        self.files[file][4 + 17] |= 1;
    }

    /// Writes the file's format description anew.
    pub(super) fn set_created(&mut self, file: usize, created: u32) {
        let end = self.boundaries[file][1];
        let header: [u8; 19] = self.files[file][4..23].try_into().unwrap();
        let has_checksums = self.files[file][end - 5] == 1;
        let body = format_description(has_checksums, created);
        let event = event(&EventHeader::parse(&header), &body, true);
        self.files[file].splice(4..end, event);
    }

    pub(super) fn store(&self, packing: Packing) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (at, bytes) in self.files.iter().enumerate() {
            store(folder.path(), at, &pack(bytes, packing), packing);
        }
        folder
    }
}

pub(super) fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => bytes.to_vec(),
        Packing::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

pub(super) fn store(folder: &Path, at: usize, bytes: &[u8], packing: Packing) {
    let suffix = match packing {
        Packing::Plain => "",
        Packing::Zstd => ".zst",
        Packing::Gzip => ".gz",
    };
    fs::write(folder.join(format!("bin-log.{:06}{suffix}", at + 1)), bytes).unwrap();
}

pub(super) async fn open(
    folder: &Path,
    start: FilesStart,
) -> Result<BinlogFiles, BinlogFilesError> {
    BinlogFiles::open(BinlogFolder::open(folder, None)?, start).await
}

/// How reading ended.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) chunks: Vec<Chunk>,
    /// `None`: a fault that the assembler found.
    pub(super) error: Option<StreamError>,
    /// A transaction was open.
    pub(super) is_inside: bool,
}

impl Outcome {
    pub(super) fn end(&self) -> Option<&EndOfFiles> {
        match &self.error {
            Some(StreamError::Files(BinlogFilesError::Ended(end))) => Some(end),
            _ => None,
        }
    }
}

/// Reads into the assembler, and closes a chunk at each whole transaction.
pub(super) async fn read(folder: &Path, start: FilesStart, from: &Position) -> Outcome {
    let mut position = from.clone();
    let mut chunks = Vec::new();
    let mut files = match open(folder, start).await {
        Ok(files) => files,
        Err(error) => return Outcome { chunks, error: Some(error.into()), is_inside: false },
    };
    position.coordinates = files.coordinates();
    let mut assembler = assembler(&position, COST_MAX);
    let error = loop {
        let event = match files.next_event(&assembler).await {
            Ok(event) => event,
            Err(error) => break Some(error),
        };
        let handled = assembler.handle(&event);
        assembler.close();
        chunks.extend(std::iter::from_fn(|| assembler.take_ready()));
        if handled.is_err() {
            break None;
        }
    };
    let is_inside = assembler.place().gtid.is_some();
    assembler.close_position();
    chunks.extend(assembler.take_ready());
    Outcome { chunks, error, is_inside }
}

/// More than small transactions cost, less than large ones.
pub(super) const COST_MAX: usize = 2500;
