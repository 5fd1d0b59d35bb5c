//! How many bytes of binlog lie between two coordinates, for the progress.

use std::{fs::File, io::Read, sync::Arc};

use super::Range;
use crate::{
    position::BinlogCoordinates,
    source::{
        binlog_files::{BinlogFile, BinlogFolder, Packing},
        server,
    },
};

/// The files of a range, oldest first, with their lengths.
#[derive(Debug, Clone)]
pub(crate) struct Extent {
    files: Vec<(Arc<str>, u64)>,
    start: u64,
    pub(crate) total: u64,
}

impl Extent {
    pub(crate) fn on_server(files: &[server::BinlogFile], range: &Range) -> Self {
        Self::new(files.iter().map(|file| (Arc::clone(&file.name), file.bytes)).collect(), range)
    }

    pub(crate) fn in_files(folder: &BinlogFolder, range: &Range) -> Self {
        let files = folder.files().iter();
        Self::new(files.map(|file| (Arc::clone(&file.name), length(file))).collect(), range)
    }

    fn new(files: Vec<(Arc<str>, u64)>, range: &Range) -> Self {
        let mut extent = Self { files, start: 0, total: 0 };
        extent.start = extent.bytes_before(&range.start);
        extent.total = extent.bytes_before(&range.end).saturating_sub(extent.start);
        extent
    }

    /// Bytes between the start and `at`.
    pub(crate) fn done(&self, at: &BinlogCoordinates) -> u64 {
        self.bytes_before(at).saturating_sub(self.start).min(self.total)
    }

    fn bytes_before(&self, at: &BinlogCoordinates) -> u64 {
        let mut bytes: u64 = 0;
        for (name, length) in &self.files {
            if *name == at.file {
                // The last file of a server grows.
                return bytes.saturating_add(at.position);
            }
            bytes = bytes.saturating_add(*length);
        }
        bytes
    }
}

/// Unpacked. Of a packed file it is what the packer noted, else four times its size: it is only for the
/// progress.
fn length(file: &BinlogFile) -> u64 {
    const USUAL_RATIO: u64 = 4;
    let packed = std::fs::metadata(&file.path).map_or(0, |metadata| metadata.len());
    match file.packing {
        Packing::Plain => packed,
        Packing::Zstd => noted_by_zstd(file).unwrap_or_else(|| packed.saturating_mul(USUAL_RATIO)),
        Packing::Gzip => packed.saturating_mul(USUAL_RATIO),
    }
}

fn noted_by_zstd(file: &BinlogFile) -> Option<u64> {
    const HEADER_LENGTH_MAX: usize = 18;
    let mut head = [0; HEADER_LENGTH_MAX];
    File::open(&file.path).ok()?.read_exact(&mut head).ok()?;
    zstd::zstd_safe::get_frame_content_size(&head).ok()?
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn bytes_are_counted_over_the_files_between() {
        let range = Range {
            server_uuid: Uuid::nil(),
            start: "b.000002:30".parse().unwrap(),
            end: "b.000004:60".parse().unwrap(),
            after: None,
            within: None,
        };
        let file = |name: &str, bytes| server::BinlogFile { name: name.into(), bytes };
        let files = [file("b.000001", 50), file("b.000002", 100), file("b.000003", 200)];
        let files = [&files[..], &[file("b.000004", 70)]].concat();

        let extent = Extent::on_server(&files, &range);

        let done = |at: &str| extent.done(&at.parse().unwrap());
        assert_eq!(extent.total, 70 + 200 + 60);
        assert_eq!(done("b.000002:30"), 0);
        assert_eq!(done("b.000003:100"), 70 + 100);
        assert_eq!(done("b.000004:60"), extent.total);
        assert_eq!(done("b.000004:70"), extent.total, "never more than all");
    }
}
