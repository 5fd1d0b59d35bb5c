//! Files that are cut off, missing, or of something else.

use std::fs;

use super::{
    archive::{Outcome, pack, store},
    *,
};

fn two_files() -> (Log, Archive) {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10), (2, 10)])]).rotate();
    log.compressed(&[(OUTBOX, &[(3, 10)])]).transaction(&[(OUTBOX, &[(4, 10), (5, 10)])]);
    let archive = Archive::of(&log, true);
    (log, archive)
}

async fn read_all(log: &Log, archive: &Archive) -> Outcome {
    let folder = archive.store(Packing::Plain);
    read(folder.path(), FilesStart::Earliest, &log.start()).await
}

/// Ids by transaction: one never comes in part.
fn is_whole(ids: &[u64]) -> bool {
    [&[][..], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4, 5]].contains(&ids)
}

fn files_error(outcome: &Outcome) -> &BinlogFilesError {
    match &outcome.error {
        Some(StreamError::Files(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn file_that_its_server_writes_to_may_end_anywhere() {
    let (log, whole) = two_files();
    let boundaries = &whole.boundaries[1];
    for length in boundaries[1]..whole.files[1].len() {
        let mut archive = whole.clone();
        archive.set_in_use(1);
        archive.files[1].truncate(length);

        let outcome = read_all(&log, &archive).await;

        let end = outcome.end().unwrap_or_else(|| panic!("{length}: {outcome:?}"));
        let last = *boundaries.iter().rfind(|boundary| **boundary <= length).unwrap();
        assert_eq!(end.coordinates.to_string(), format!("bin-log.000002:{last}"));
        assert_eq!((end.is_in_use, end.is_torn), (true, last < length));
        assert!(is_whole(&ids(&outcome.chunks)), "{length}: {:?}", ids(&outcome.chunks));
    }
}

#[tokio::test]
async fn closed_file_that_is_cut_inside_an_event_is_an_error() {
    let (log, whole) = two_files();
    for length in 0..whole.files[1].len() {
        let mut archive = whole.clone();
        archive.files[1].truncate(length);

        let outcome = read_all(&log, &archive).await;

        let is_boundary = length > 4 && whole.boundaries[1].contains(&length);
        assert_eq!(outcome.end().is_some(), is_boundary, "{length}: {outcome:?}");
        assert!(is_whole(&ids(&outcome.chunks)), "{length}: {:?}", ids(&outcome.chunks));
        // A transaction that is cut between its events is seen to be open.
        let transactions_end = [2, 4, 9].map(|event| whole.boundaries[1].get(event).copied());
        if is_boundary && length > whole.boundaries[1][2] {
            assert_eq!(outcome.is_inside, !transactions_end.contains(&Some(length)), "{length}");
        }
    }
}

#[tokio::test]
async fn file_before_the_last_is_never_shortened_unnoticed() {
    let (log, whole) = two_files();
    for is_in_use in [false, true] {
        for length in 0..whole.files[0].len() {
            let mut archive = whole.clone();
            if is_in_use {
                archive.set_in_use(0);
            }
            archive.files[0].truncate(length);

            let outcome = read_all(&log, &archive).await;

            assert!(outcome.end().is_none(), "{length}");
            assert!(ids(&outcome.chunks).is_empty() || ids(&outcome.chunks) == [1, 2]);
        }
    }
}

#[tokio::test]
async fn compressed_file_that_is_cut_anywhere_is_an_error() {
    let (log, archive) = two_files();
    for packing in [Packing::Zstd, Packing::Gzip] {
        let folder = archive.store(packing);
        let packed = pack(&archive.files[1], packing);
        for length in 0..packed.len() {
            store(folder.path(), 1, &packed[..length], packing);

            let outcome = read(folder.path(), FilesStart::Earliest, &log.start()).await;

            assert!(outcome.end().is_none(), "{packing:?} {length} of {}", packed.len());
            assert!(is_whole(&ids(&outcome.chunks)));
        }
    }
}

#[tokio::test]
async fn damage_to_any_byte_is_found() {
    let (log, whole) = two_files();
    for at in 0..whole.files[1].len() {
        // The flag that no checksum covers.
        if at == 4 + 17 {
            continue;
        }
        let mut archive = whole.clone();
        archive.files[1][at] ^= 0x40;

        let outcome = read_all(&log, &archive).await;

        assert!(outcome.end().is_none(), "byte {at}: {outcome:?}");
        assert!(is_whole(&ids(&outcome.chunks)));
    }
}

#[tokio::test]
async fn crash_that_the_server_recovered_from_is_no_fault() {
    let (log, mut archive) = two_files();
    let rotate = archive.boundaries[0].len() - 2;
    archive.files[0].truncate(archive.boundaries[0][rotate]);

    let cut = read_all(&log, &archive).await;
    archive.set_created(1, 1_700_000_000);
    let crashed = read_all(&log, &archive).await;

    assert!(matches!(files_error(&cut), BinlogFilesError::Unfinished { .. }), "{cut:?}");
    assert!(crashed.end().is_some(), "{crashed:?}");
    assert_eq!(ids(&crashed.chunks), [1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn file_of_another_run_does_not_follow() {
    let (log, archive) = two_files();
    let folder = tempfile::tempdir().unwrap();
    store(folder.path(), 4, &archive.files[0], Packing::Plain);
    store(folder.path(), 5, &archive.files[1], Packing::Plain);

    let outcome = read(folder.path(), FilesStart::Earliest, &log.start()).await;

    let error = files_error(&outcome);
    assert!(matches!(error, BinlogFilesError::OtherSuccessor { .. }), "{error}");
}

#[tokio::test]
async fn encrypted_file_is_refused_with_the_way_round_it() {
    let (log, mut archive) = two_files();
    archive.files[1][..4].copy_from_slice(b"\xfdbin");
    let outcome = read_all(&log, &archive).await;

    let text = files_error(&outcome).to_string();
    assert!(text.contains("mysqlbinlog --raw --read-from-remote-server bin-log.000002"), "{text}");

    archive.files[1][..4].copy_from_slice(b"#bin");
    let outcome = read_all(&log, &archive).await;
    assert!(matches!(files_error(&outcome), BinlogFilesError::NotABinlog { .. }));
}

#[tokio::test]
async fn gap_is_refused_before_anything_is_read() {
    let mut log = Log::new(true);
    log.rotate().rotate();
    let folder = Archive::of(&log, true).store(Packing::Plain);
    fs::remove_file(folder.path().join("bin-log.000002")).unwrap();

    let error = open(folder.path(), FilesStart::Earliest).await.err().unwrap();

    assert!(matches!(error, BinlogFilesError::Gap { .. }), "{error}");
}
