//! A folder → the binlog files in it, in the order in which the server wrote them.
//!
//! The order is that of their numbers. The server's own list (`bin-log.index`) is not asked: it says
//! nothing more, and in an archive it is as old as the day on which it was copied.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::BinlogFilesError;

/// The files of one series, oldest first.
#[derive(Debug, Clone)]
pub struct BinlogFolder {
    files: Vec<BinlogFile>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BinlogFile {
    /// As the server named it: `bin-log.000042`, compressed or not.
    pub name: Arc<str>,
    pub number: u64,
    pub path: PathBuf,
    pub packing: Packing,
}

/// How a file is compressed, by the end of its name. In the order of preference: a file that lies
/// there twice is being compressed, and the plain one is whole until that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packing {
    Plain,
    Zstd,
    Gzip,
}

impl BinlogFolder {
    /// Lists a folder. `series` is the name without the number; without it there must be only one.
    pub fn open(folder: &Path, series: Option<&str>) -> Result<Self, BinlogFilesError> {
        let unreadable = |error| BinlogFilesError::Read { path: folder.to_owned(), error };
        let mut found: BTreeMap<String, BTreeSet<(u64, Packing, String, PathBuf)>> =
            BTreeMap::new();
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let Some((name, packing)) =
                path.file_name().and_then(|name| name.to_str()).map(unpacked_name)
            else {
                continue;
            };
            if let Some((series, number)) = numbered(name)
                && path.is_file()
            {
                let file = (number, packing, name.to_owned(), path.clone());
                found.entry(series.to_owned()).or_default().insert(file);
            }
        }
        let names = || found.keys().cloned().collect();
        let folder = || folder.to_owned();
        let files = match (series, found.len()) {
            (_, 0) => return Err(BinlogFilesError::NoFiles { folder: folder() }),
            (Some(wanted), _) => {
                found.get(wanted).ok_or_else(|| BinlogFilesError::NoSuchSeries {
                    folder: folder(),
                    wanted: wanted.to_owned(),
                    names: names(),
                })?
            }
            (None, 1) => found.values().next().expect("there is one"),
            (None, _) => {
                return Err(BinlogFilesError::SeveralSeries { folder: folder(), names: names() });
            }
        };
        let mut files: Vec<BinlogFile> = files
            .iter()
            .map(|(number, packing, name, path)| BinlogFile {
                name: name.as_str().into(),
                number: *number,
                path: path.clone(),
                packing: *packing,
            })
            .collect();
        files.dedup_by_key(|file| file.number);
        Ok(Self { files })
    }

    /// Oldest first; there is at least one.
    pub fn files(&self) -> &[BinlogFile] {
        &self.files
    }

    /// The files from the one at `index` on; none may be missing between them.
    pub(super) fn files_from(&self, index: usize) -> Result<&[BinlogFile], BinlogFilesError> {
        let files = self.files.get(index..).unwrap_or_default();
        for pair in files.windows(2) {
            if let [before, after] = pair
                && before.number + 1 != after.number
            {
                return Err(BinlogFilesError::Gap {
                    missing: successor(before),
                    before: Arc::clone(&before.name),
                    after: Arc::clone(&after.name),
                });
            }
        }
        Ok(files)
    }
}

/// Without what a compressor added.
fn unpacked_name(name: &str) -> (&str, Packing) {
    let packed = |suffix, packing| Some((name.strip_suffix(suffix)?, packing));
    packed(".gz", Packing::Gzip)
        .or_else(|| packed(".zst", Packing::Zstd))
        .unwrap_or((name, Packing::Plain))
}

/// `bin-log.000042` → `bin-log`, 42.
pub(super) fn numbered(name: &str) -> Option<(&str, u64)> {
    // SERVER: six digits, more once these do not suffice.
    const DIGITS_MIN: usize = 6;
    let (series, digits) = name.rsplit_once('.')?;
    let is_number = digits.len() >= DIGITS_MIN && digits.bytes().all(|byte| byte.is_ascii_digit());
    if series.is_empty() || !is_number {
        return None;
    }
    // The largest number has no successor, which no server reaches.
    digits.parse().ok().filter(|number| *number < u64::MAX).map(|number| (series, number))
}

fn successor(file: &BinlogFile) -> String {
    let series = numbered(&file.name).map_or("", |(series, _)| series);
    format!("{series}.{:06}", file.number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::write(folder.path().join(name), b"").unwrap();
        }
        folder
    }

    fn list(names: &[&str]) -> Result<Vec<(String, Packing)>, BinlogFilesError> {
        let folder = folder(names);
        let listed = BinlogFolder::open(folder.path(), None)?;
        let files = listed.files_from(0)?;
        Ok(files.iter().map(|file| (file.name.to_string(), file.packing)).collect())
    }

    #[test]
    fn files_are_ordered_by_number_and_others_ignored() {
        let names =
            ["b.1000000", "b.999999.gz", "b.999998", "b.index", "b.000001.bak", "b.12", ".000001"];

        let files = list(&names).unwrap();

        let expected = [
            ("b.999998", Packing::Plain),
            ("b.999999", Packing::Gzip),
            ("b.1000000", Packing::Plain),
        ];
        assert_eq!(files, expected.map(|(name, packing)| (name.to_owned(), packing)));
    }

    #[test]
    fn folder_of_a_binlogs_name_is_no_file() {
        let folder = folder(&["b.000001"]);
        fs::create_dir(folder.path().join("b.000002")).unwrap();

        assert_eq!(BinlogFolder::open(folder.path(), None).unwrap().files().len(), 1);
    }

    #[test]
    fn file_that_is_being_compressed_is_read_as_it_was() {
        let files = list(&["b.000001.gz", "b.000001", "b.000002.gz", "b.000002.zst"]).unwrap();

        let packings: Vec<_> = files.iter().map(|(_, packing)| *packing).collect();
        assert_eq!(packings, [Packing::Plain, Packing::Zstd]);
    }

    #[test]
    fn gap_is_named_unless_it_lies_before_the_start() {
        let error = list(&["b.000001", "b.000002", "b.000005", "b.000006"]).unwrap_err();

        assert!(error.to_string().starts_with("b.000003 is missing between b.000002 and b.000005"));
        let folder = folder(&["b.000001", "b.000003", "b.000004"]);
        let listed = BinlogFolder::open(folder.path(), None).unwrap();
        assert_eq!(listed.files_from(1).unwrap().len(), 2);
    }

    #[test]
    fn two_series_need_a_choice() {
        let folder = folder(&["bin-log.000001", "relay-bin.000007"]);
        let open = |series| BinlogFolder::open(folder.path(), series);

        let undecided = open(None).unwrap_err().to_string();
        assert!(undecided.contains("bin-log, relay-bin"), "{undecided}");
        assert_eq!(&*open(Some("relay-bin")).unwrap().files()[0].name, "relay-bin.000007");
        assert!(matches!(open(Some("other")), Err(BinlogFilesError::NoSuchSeries { .. })));
    }

    #[test]
    fn folder_without_binlogs_and_no_folder_are_told_apart() {
        assert!(matches!(list(&["readme"]), Err(BinlogFilesError::NoFiles { .. })));
        let nowhere = BinlogFolder::open(Path::new("/nowhere/at/all"), None);
        assert!(matches!(nowhere, Err(BinlogFilesError::Read { .. })));
    }
}
