//! A place in a binlog file → the transaction boundaries around it.
//!
//! Promises: what is a transaction boundary here is one for the relay: the same assembler says it.
//!
//! Before this: a dump, or files, from the file's first event on. After this: `probe`, `binlog_files`.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    EventSource, Interest, RawEvent, SourceError,
    assembler::Assembler,
    binlog_files::{BinlogFiles, BinlogFilesError, BinlogFolder, FilesStart},
    event::{EventHeader, EventType, gtid_set},
    probe::{beginning, malformed, next},
};
use crate::{
    config::NameCase,
    position::{BinlogCoordinates, GtidSet, Position},
};

/// The boundary that a place in a file is at, or the transaction that it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Survey {
    /// The last transaction boundary that is not behind the place.
    pub(crate) before: Boundary,
    /// The first that is not before it; `None` where the binlog, or what the server sends of it, ends
    /// before.
    pub(crate) behind: Option<Boundary>,
    /// When the file was begun.
    pub(crate) file_begun: Option<u32>,
}

/// Between two transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Boundary {
    pub(crate) coordinates: BinlogCoordinates,
    /// Every GTID that was in the binlog before it, purged ones too.
    pub(crate) gtids: GtidSet,
}

/// The same of a place in a folder of files.
pub(crate) async fn in_files(
    folder: &BinlogFolder,
    place: &BinlogCoordinates,
) -> Result<Survey, SourceError> {
    let start = FilesStart::At(beginning(&place.file));
    let mut files = BinlogFiles::open(folder.clone(), start).await?;
    read(&mut files, place, |_| {}).await
}

/// Reads on to the end of the transaction in which `place` lies. `stream` is at the start of its file.
pub(super) async fn read(
    stream: &mut impl EventSource,
    place: &BinlogCoordinates,
    mut progress: impl FnMut(u64),
) -> Result<Survey, SourceError> {
    let start = Position {
        server_uuid: Uuid::nil(),
        coordinates: beginning(&place.file),
        file_begun: None,
        gtid_set: Some(GtidSet::default()),
        in_progress: None,
        table_start: None,
        prepared: Vec::new(),
    };
    // No table is an outbox table: only transactions are looked for.
    let mut assembler = Assembler::new(&start, Arc::new([]), NameCase::Sensitive, usize::MAX);
    assembler.by_coordinates(None);
    let mut boundary = Boundary { coordinates: start.coordinates, gtids: GtidSet::default() };
    let mut file_begun = None;
    loop {
        let at = assembler.place().coordinates;
        progress(at.position);
        let event = match next(stream, &Boundaries(&assembler), &at).await {
            Ok(event) => event,
            Err(SourceError::Files(BinlogFilesError::Ended(_))) => {
                return Ok(Survey { before: boundary, behind: None, file_begun });
            }
            Err(error) => return Err(error),
        };
        match event.header.event_type {
            EventType::PREVIOUS_GTIDS => {
                boundary.gtids.union(&previous_gtids(&event, &at)?);
            }
            EventType::FORMAT_DESCRIPTION => {
                file_begun = Some(event.header.timestamp).filter(|begun| *begun > 0);
            }
            // It waits for more: there is nothing behind.
            EventType::HEARTBEAT | EventType::HEARTBEAT_V2 if at.position < place.position => {
                return Ok(Survey { before: boundary, behind: None, file_begun });
            }
            _ => {}
        }
        assembler.handle(&event)?;
        assembler.close_position();
        while let Some(chunk) = assembler.take_ready() {
            let mut next = boundary.clone();
            next.coordinates = chunk.advance.coordinates;
            if let Some(gtids) = &chunk.advance.gtids {
                next.gtids.union(gtids);
            }
            if next.coordinates.file != place.file {
                return Ok(Survey { before: boundary, behind: None, file_begun });
            }
            if next.coordinates.position >= place.position {
                let is_at = next.coordinates.position == place.position;
                let before = if is_at { next.clone() } else { boundary };
                return Ok(Survey { before, behind: Some(next), file_begun });
            }
            boundary = next;
        }
    }
}

fn previous_gtids(event: &RawEvent<'_>, at: &BinlogCoordinates) -> Result<GtidSet, SourceError> {
    gtid_set::decode(event.body).map_err(|error| malformed(event.header.event_type, error, at))
}

/// What an assembler wants, and a GTID set of any size.
struct Boundaries<'a>(&'a Assembler);

impl Interest for Boundaries<'_> {
    fn wants(&self, header: &EventHeader, head: &[u8]) -> bool {
        header.event_type == EventType::PREVIOUS_GTIDS || self.0.wants(header, head)
    }
}
