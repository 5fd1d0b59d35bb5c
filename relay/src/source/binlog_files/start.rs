//! Where reading is to begin → a file of the folder, and a position in it. Blocks.
//!
//! Not promised: more precision of a time than the binlog has. See [`FilesStart::Since`].

use std::sync::Arc;

use jiff::Timestamp;

use super::{BinlogFilesError, BinlogFolder, folder::BinlogFile, scan::Scan};
use crate::{
    position::{BinlogCoordinates, GtidSet},
    source::{
        bisection::Bisection,
        event::{EventHeader, EventType, GtidEvent, gtid_set},
    },
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesStart {
    /// With the first event of the oldest file.
    Earliest,
    /// At a transaction boundary. That it lies at the start of an event is seen here; that it does
    /// not lie inside a transaction is seen by the assembler.
    At(BinlogCoordinates),
    /// With everything that is not in the set.
    After(GtidSet),
    /// With the first transaction that was committed at the time or later, and everything behind it,
    /// whatever the clock did in between.
    ///
    /// Servers from 8.0 on say when they committed to the microsecond. Before, and in the times at
    /// which files were begun, there are only whole seconds: of a second that the time lies in, all
    /// is read.
    Since(Timestamp),
}

/// Where reading begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) index: usize,
    pub(super) position: u64,
}

pub(super) fn find(folder: &BinlogFolder, start: &FilesStart) -> Result<Begin, BinlogFilesError> {
    let files = folder.files();
    match start {
        FilesStart::Earliest => Ok(Begin { index: 0, position: BinlogCoordinates::FIRST_EVENT }),
        FilesStart::At(wanted) => at(files, wanted),
        FilesStart::After(set) => after(files, set),
        FilesStart::Since(time) => since(files, *time),
    }
}

fn ends(files: &[BinlogFile]) -> (&BinlogFile, &BinlogFile) {
    match files {
        [only] => (only, only),
        [oldest, .., newest] => (oldest, newest),
        [] => unreachable!("a folder without files is refused"),
    }
}

fn at(files: &[BinlogFile], wanted: &BinlogCoordinates) -> Result<Begin, BinlogFilesError> {
    let found = files.iter().enumerate().find(|(_, file)| file.name == wanted.file);
    let Some((index, file)) = found else {
        let (oldest, newest) = ends(files);
        return Err(BinlogFilesError::NoSuchFile {
            wanted: Arc::clone(&wanted.file),
            oldest: Arc::clone(&oldest.name),
            newest: Arc::clone(&newest.name),
        });
    };
    let begin = Begin { index, position: wanted.position };
    let mut scan = Scan::open(file)?;
    let mut before = BinlogCoordinates::FIRST_EVENT;
    let after = loop {
        let is_over = scan.next()?.is_none();
        let found = if is_over { scan.end() } else { scan.position() };
        if found == wanted.position {
            return Ok(begin);
        }
        if found > wanted.position {
            break found;
        }
        if is_over {
            return Err(BinlogFilesError::BehindEnd { wanted: wanted.clone(), end: found });
        }
        before = found;
    };
    Err(BinlogFilesError::NotABoundary { wanted: wanted.clone(), before, after })
}

/// SERVER: as the dump thread does it: the newest file that has nothing before it but what is in the
/// set.
fn after(files: &[BinlogFile], set: &GtidSet) -> Result<Begin, BinlogFilesError> {
    let is_covered = |file: &BinlogFile| {
        Ok(previous_gtids(file)?.is_some_and(|previous| set.contains_all(&previous)))
    };
    if let Some(index) = last_where(files, is_covered)? {
        return Ok(Begin { index, position: BinlogCoordinates::FIRST_EVENT });
    }
    let (oldest, _) = ends(files);
    let oldest_name = || Arc::clone(&oldest.name);
    let mut missing = previous_gtids(oldest)?
        .ok_or_else(|| BinlogFilesError::NoPreviousGtids { file: oldest_name() })?;
    missing.subtract(set);
    Err(BinlogFilesError::GtidsMissing { missing, oldest: oldest_name() })
}

/// The GTIDs before a file; `None` if it ends before it could say so.
pub(super) fn previous_gtids(file: &BinlogFile) -> Result<Option<GtidSet>, BinlogFilesError> {
    let mut scan = Scan::open(file)?;
    while let Some(header) = scan.next()? {
        match header.event_type {
            EventType::FORMAT_DESCRIPTION => {}
            EventType::PREVIOUS_GTIDS => return scan.body(gtid_set::decode),
            _ => return Err(BinlogFilesError::NoPreviousGtids { file: Arc::clone(&file.name) }),
        }
    }
    Ok(None)
}

fn since(files: &[BinlogFile], time: Timestamp) -> Result<Begin, BinlogFilesError> {
    // What was committed in the second in which a file was begun may be in the file before.
    let is_before = |file: &BinlogFile| {
        Ok(begun(file)?.is_some_and(|begun| begun.as_second() < time.as_second()))
    };
    let index = match last_where(files, is_before)? {
        Some(index) => index,
        None => {
            let (oldest, _) = ends(files);
            // Before a server's first file there is nothing.
            const FIRST_NUMBER: u64 = 1;
            if let Some(begun) = begun(oldest)?
                && oldest.number > FIRST_NUMBER
                && begun.as_second() > time.as_second()
            {
                return Err(BinlogFilesError::TimeBefore {
                    oldest: Arc::clone(&oldest.name),
                    begun,
                });
            }
            0
        }
    };
    let mut end = Begin { index, position: BinlogCoordinates::FIRST_EVENT };
    for (index, file) in files.iter().enumerate().skip(index) {
        let mut scan = Scan::open(file)?;
        while let Some(header) = scan.next()? {
            if let Some(committed_us) = commit_time_us(&mut scan, &header)?
                && committed_us >= time.as_microsecond()
            {
                return Ok(Begin { index, position: scan.position() });
            }
        }
        end = Begin { index, position: scan.end().max(BinlogCoordinates::FIRST_EVENT) };
    }
    Ok(end)
}

/// When the file was begun: its format description's time.
fn begun(file: &BinlogFile) -> Result<Option<Timestamp>, BinlogFilesError> {
    let header = Scan::open(file)?.next()?;
    Ok(header.map(|header| {
        Timestamp::from_second(i64::from(header.timestamp))
            .expect("seconds in 32 bits end in 2106, long before jiff's last year")
    }))
}

/// The last microsecond in which the transaction that begins with this event may have been committed.
fn commit_time_us(
    scan: &mut Scan<'_>,
    header: &EventHeader,
) -> Result<Option<i64>, BinlogFilesError> {
    if !GtidEvent::is_of_type(header.event_type) {
        return Ok(None);
    }
    let event = scan.body(|body| GtidEvent::of_type(header.event_type, body))?;
    Ok(event.map(|event| event.committed_us_at_latest(header)))
}

/// The last of the files that come first and of which it is true.
fn last_where(
    files: &[BinlogFile],
    is_true: impl Fn(&BinlogFile) -> Result<bool, BinlogFilesError>,
) -> Result<Option<usize>, BinlogFilesError> {
    let mut bisection = Bisection::new(files.len());
    while let Some((index, file)) =
        bisection.question().and_then(|index| Some((index, files.get(index)?)))
    {
        bisection.answer(index, is_true(file)?);
    }
    Ok(bisection.last())
}
