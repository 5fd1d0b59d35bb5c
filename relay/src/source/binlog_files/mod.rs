//! Binlog files in a folder → the events that their server would send.
//!
//! Plain files as the server wrote them, what `mysqlbinlog --raw` fetched, and either compressed.
//!
//! Promises, besides those of [`EventSource`]:
//! - what is missing is never passed over: a gap in the numbers, a file whose end was cut off, files of
//!   another run are errors that name the file;
//! - before each file comes an artificial rotate, then its format description, as in a dump: the
//!   assembler cannot tell the two apart;
//! - the last file may end anywhere if its server had not closed it, else only behind an event.
//!
//! Not promised: that a transaction at the very end is whole; who reads to [`EndOfFiles`] sees whether
//! one is open. What a server writes after a file was opened is not read.
//!
//! Before this: nothing. After this: `assembler`.

mod end;
mod error;
mod file_bytes;
mod folder;
mod opened;
mod scan;
mod start;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, sync::Arc};

pub use self::{
    error::{BinlogFilesError, EndOfFiles},
    folder::{BinlogFile, BinlogFolder, Packing},
    start::FilesStart,
};
use self::{
    file_bytes::FileBytes,
    folder::numbered,
    opened::{MAGIC, check_magic},
};
use super::{
    event::{EventHeader, EventType, FormatDescription, GtidEvent, RotateEvent},
    event_reader::{Compressed, EventBytes, EventReader},
    event_source::{EventFault, EventSource, Interest, RawEvent, StreamError},
};
use crate::position::{BinlogCoordinates, GtidSet};

/// Events of files, one file after the other.
pub struct BinlogFiles {
    reader: EventReader<FileBytes>,
    file: BinlogFile,
    following: VecDeque<BinlogFile>,
    /// Where in the file reading begins.
    begin: u64,
    step: Step,
    /// The server had not closed the file.
    is_in_use: bool,
    /// What the last event says of how the file ends.
    ending: Ending,
    /// The file before, if it ended without a word, and where.
    unfinished: Option<(Arc<str>, u64)>,
    /// Transactions in the set are left out.
    after: Option<GtidSet>,
    is_passing_over: bool,
    /// Body of the artificial rotate.
    announcement: Vec<u8>,
    shown: Shown,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The artificial rotate to the file.
    Announce,
    Describe,
    /// To where reading begins, without an event.
    Jump,
    Read,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    /// In the midst of things.
    Open,
    Stopped,
    RotatedTo(String),
}

#[derive(Debug, Clone, Copy)]
enum Shown {
    Announcement,
    /// With the header as a dump sends it.
    Description(EventHeader),
    Event,
}

struct Nothing;

impl Interest for Nothing {
    fn wants(&self, _: &EventHeader, _: &[u8]) -> bool {
        false
    }
}

impl BinlogFiles {
    /// Finds where to begin. From there on to the last, no file may be missing.
    pub async fn open(folder: BinlogFolder, start: FilesStart) -> Result<Self, BinlogFilesError> {
        let found = tokio::task::spawn_blocking(move || {
            let begin = start::find(&folder, &start)?;
            let files: VecDeque<_> = folder.files_from(begin.index)?.to_vec().into();
            let after = match start {
                FilesStart::After(set) => Some(set),
                FilesStart::Earliest | FilesStart::At(_) | FilesStart::Since(_) => None,
            };
            Ok((begin.position, files, after))
        });
        let found = match found.await {
            Ok(found) => found,
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime shuts down, and whoever waits here with it.
                Err(_cancelled) => std::future::pending().await,
            },
        };
        let (begin, mut following, after) = found?;
        let file = following.pop_front().expect("reading begins in a file of the folder");
        Ok(Self {
            reader: EventReader::new(FileBytes::open(file.clone(), 0)),
            file,
            following,
            begin,
            step: Step::Announce,
            is_in_use: false,
            ending: Ending::Open,
            unfinished: None,
            after,
            is_passing_over: false,
            announcement: Vec::new(),
            shown: Shown::Announcement,
        })
    }

    /// Where reading goes on; after [`Self::open`] where it begins.
    pub fn coordinates(&self) -> BinlogCoordinates {
        let position = match self.step {
            Step::Announce | Step::Describe | Step::Jump => self.begin,
            Step::Read => self.reader.bytes().position(),
        };
        BinlogCoordinates { file: Arc::clone(&self.file.name), position }
    }

    /// Goes to the next event to be shown.
    async fn advance(&mut self, interest: &(impl Interest + Sync)) -> Result<(), StreamError> {
        loop {
            match self.step {
                Step::Announce => {
                    self.announcement.clear();
                    self.announcement.extend(self.begin.to_le_bytes());
                    self.announcement.extend(self.file.name.as_bytes());
                    self.shown = Shown::Announcement;
                    self.step = Step::Describe;
                    return Ok(());
                }
                Step::Describe => return self.describe().await,
                Step::Jump => {
                    *self.reader.bytes_mut() = FileBytes::open(self.file.clone(), self.begin);
                    self.step = Step::Read;
                }
                Step::Read => {
                    if self.read(interest).await? {
                        self.shown = Shown::Event;
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Reads the file's start: magic bytes and format description.
    async fn describe(&mut self) -> Result<(), StreamError> {
        let magic = self.reader.bytes_mut().take_start(MAGIC.len()).await?;
        if magic.len() == MAGIC.len() {
            check_magic(&self.file, magic)?;
        }
        if !self.reader.advance(&Nothing, Compressed::PassOver).await? {
            // Not even that: the server had only just made it, or nothing of it was copied.
            let position = self.reader.bytes().position();
            let file = Arc::clone(&self.file.name);
            return Err(BinlogFilesError::Torn { file, position }.into());
        }
        let event = self.reader.current().expect("an event was just found");
        let mut header = event.header;
        if header.event_type != EventType::FORMAT_DESCRIPTION {
            let file = Arc::clone(&self.file.name);
            return Err(BinlogFilesError::NoFormatDescription { file }.into());
        }
        let body = self.reader.bytes().taken().get(EventHeader::LENGTH..).unwrap_or_default();
        let description = FormatDescription::parse(body).map_err(|error| {
            EventFault::Malformed { event_type: EventType::FORMAT_DESCRIPTION, error }
        })?;
        self.check_begun(description)?;
        self.is_in_use = header.is_in_use();
        // SERVER: so does the dump thread (Binlog_sender::send_format_description_event): the position
        // of a description that is not read where the dump begins would lead astray.
        header.flags &= !u16::from(EventHeader::IN_USE);
        let end = self.reader.bytes().position();
        if self.begin > BinlogCoordinates::FIRST_EVENT {
            header.log_pos = 0;
        }
        self.shown = Shown::Description(header);
        self.step = if self.begin > end { Step::Jump } else { Step::Read };
        Ok(())
    }

    /// A file before that ended without a word must have ended in a crash.
    fn check_begun(&mut self, description: FormatDescription) -> Result<(), BinlogFilesError> {
        match self.unfinished.take() {
            // SERVER: 0 in a file that was begun by a rotation, which the file before must end in.
            Some((file, end)) if description.created == 0 => {
                let next = Arc::clone(&self.file.name);
                Err(BinlogFilesError::Unfinished { file, end, next })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Reads an event; `false` if it is not to be shown, or the file ended.
    async fn read(&mut self, interest: &(impl Interest + Sync)) -> Result<bool, StreamError> {
        let found = if self.is_passing_over {
            self.reader.advance(&Nothing, Compressed::PassOver).await
        } else {
            self.reader.advance(interest, Compressed::Unpack).await
        };
        match found {
            Ok(true) => {
                self.look()?;
                Ok(!self.is_passing_over)
            }
            Ok(false) => {
                self.next_file()?;
                Ok(false)
            }
            // Nobody will ever see the rest of what a server was about to write.
            Err(StreamError::Files(BinlogFilesError::Torn { .. }))
                if self.is_in_use && self.following.is_empty() =>
            {
                Err(self.ended(true).into())
            }
            Err(error) => Err(error),
        }
    }

    /// What the event means for those that follow.
    fn look(&mut self) -> Result<(), StreamError> {
        let event = self.reader.current().expect("an event was just found");
        if event.is_unpacked {
            return Ok(());
        }
        let event_type = event.header.event_type;
        let malformed = |error| EventFault::Malformed { event_type, error };
        let mut ending = Ending::Open;
        match event_type {
            event_type if GtidEvent::is_of_type(event_type) => {
                if let Some(after) = &self.after {
                    let parsed = GtidEvent::of_type(event_type, event.body).map_err(malformed)?;
                    let event_size = u64::from(event.header.event_size);
                    let gtid = parsed.gtid.ok_or_else(|| BinlogFilesError::Anonymous {
                        at: BinlogCoordinates {
                            file: Arc::clone(&self.file.name),
                            position: self.reader.bytes().position() - event_size,
                        },
                    })?;
                    self.is_passing_over = after.contains(&gtid);
                }
            }
            EventType::ROTATE => {
                let rotate = RotateEvent::parse(event.body).map_err(malformed)?;
                ending = Ending::RotatedTo(rotate.file.to_owned());
                self.is_passing_over = false;
            }
            EventType::STOP => {
                ending = Ending::Stopped;
                self.is_passing_over = false;
            }
            _ => {}
        }
        self.ending = ending;
        Ok(())
    }

    /// Turns to the next file, or says that there is none.
    fn next_file(&mut self) -> Result<(), BinlogFilesError> {
        let Some(next) = self.following.pop_front() else { return Err(self.ended(false)) };
        let (file, end) = (Arc::clone(&self.file.name), self.reader.bytes().position());
        match std::mem::replace(&mut self.ending, Ending::Open) {
            Ending::RotatedTo(named) => {
                // A file that was fetched may have been given another name, but not another number.
                if numbered(&named).is_none_or(|(_, number)| number != next.number) {
                    let next = Arc::clone(&next.name);
                    return Err(BinlogFilesError::OtherSuccessor { file, named, next });
                }
            }
            Ending::Stopped => {}
            // SERVER: what it finds not closed at its start, it cuts to whole transactions and marks as
            // closed. A file that still is in use was copied before that.
            Ending::Open if self.is_in_use => {
                let next = Arc::clone(&next.name);
                return Err(BinlogFilesError::Unfinished { file, end, next });
            }
            Ending::Open => self.unfinished = Some((file, end)),
        }
        *self.reader.bytes_mut() = FileBytes::open(next.clone(), 0);
        self.file = next;
        self.begin = BinlogCoordinates::FIRST_EVENT;
        self.step = Step::Announce;
        self.is_passing_over = false;
        Ok(())
    }

    fn ended(&self, is_torn: bool) -> BinlogFilesError {
        BinlogFilesError::Ended(EndOfFiles {
            coordinates: self.coordinates(),
            is_in_use: self.is_in_use && self.ending == Ending::Open,
            is_torn,
        })
    }

    fn current(&self) -> Option<RawEvent<'_>> {
        match self.shown {
            Shown::Announcement => Some(announcement(&self.announcement)),
            Shown::Description(header) => {
                self.reader.current().map(|event| RawEvent { header, ..event })
            }
            Shown::Event => self.reader.current(),
        }
    }
}

impl EventSource for BinlogFiles {
    /// What is in a file is here.
    async fn ready(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn has_event(&self) -> bool {
        true
    }

    async fn next_event(
        &mut self,
        interest: &(impl Interest + Sync),
    ) -> Result<RawEvent<'_>, StreamError> {
        self.advance(interest).await?;
        Ok(self.current().expect("the reader has just found an event"))
    }
}

/// The artificial rotate that a dump has before each file.
fn announcement(body: &[u8]) -> RawEvent<'_> {
    let length = EventHeader::LENGTH + body.len();
    let header = EventHeader {
        timestamp: 0,
        event_type: EventType::ROTATE,
        // Which server it is, a file says only later.
        server_id: 0,
        event_size: u32::try_from(length).expect("a file name is short"),
        log_pos: 0,
        flags: EventHeader::ARTIFICIAL,
    };
    RawEvent { header, body, is_cut: false, is_unpacked: false }
}
