//! A file, compressed or not → its bytes.

use std::{
    fs::File,
    io::{self, BufReader, Read},
};

use super::{
    BinlogFilesError,
    folder::{BinlogFile, Packing},
};

const BUFFER_BYTES: usize = 64 * 1024;

/// An open file. Everything here blocks.
pub(super) enum Opened {
    Plain {
        file: BufReader<File>,
        /// How many bytes are left of what was there when it was opened.
        left: u64,
    },
    Packed(Box<dyn Read + Send>),
}

impl Opened {
    pub(super) fn open(file: &BinlogFile) -> io::Result<Self> {
        let opened = File::open(&file.path)?;
        let left = opened.metadata()?.len();
        let buffered = BufReader::with_capacity(BUFFER_BYTES, opened);
        Ok(match file.packing {
            Packing::Plain => Self::Plain { file: buffered, left },
            Packing::Gzip => Self::Packed(Box::new(flate2::bufread::MultiGzDecoder::new(buffered))),
            Packing::Zstd => {
                Self::Packed(Box::new(zstd::stream::read::Decoder::with_buffer(buffered)?))
            }
        })
    }

    /// Passes over `length` bytes, or all there are; says how many.
    pub(super) fn skip(&mut self, length: u64) -> io::Result<u64> {
        match self {
            Self::Plain { file, left } => {
                let length = length.min(*left);
                // Files are smaller than that.
                let offset = i64::try_from(length).map_err(io::Error::other)?;
                file.seek_relative(offset)?;
                *left -= length;
                Ok(length)
            }
            Self::Packed(bytes) => io::copy(&mut bytes.take(length), &mut io::sink()),
        }
    }

    /// Fills `to` as far as there are bytes, and counts them, also those before an error.
    pub(super) fn fill(&mut self, to: &mut [u8], filled: &mut usize) -> io::Result<()> {
        while let Some(free) = to.get_mut(*filled..).filter(|free| !free.is_empty()) {
            match self.read(free) {
                Ok(0) => break,
                Ok(read) => *filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl Read for Opened {
    /// What a server appends after the file was opened is not read: it would make the end uncertain.
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain { file, left } => {
                let read = file.take(*left).read(to)?;
                *left -= read as u64;
                Ok(read)
            }
            Self::Packed(bytes) => bytes.read(to),
        }
    }
}

pub(super) fn unreadable(file: &BinlogFile) -> impl FnOnce(io::Error) -> BinlogFilesError {
    let path = file.path.clone();
    move |error| BinlogFilesError::Read { path, error }
}

/// Looks at the four bytes that a binlog file begins with.
pub(super) fn check_magic(file: &BinlogFile, magic: &[u8]) -> Result<(), BinlogFilesError> {
    const ENCRYPTED: &[u8] = b"\xfdbin";
    match magic {
        MAGIC => Ok(()),
        ENCRYPTED => Err(BinlogFilesError::Encrypted { file: file.name.clone() }),
        _ => Err(BinlogFilesError::NotABinlog { file: file.name.clone() }),
    }
}

pub(super) const MAGIC: &[u8] = b"\xfebin";
