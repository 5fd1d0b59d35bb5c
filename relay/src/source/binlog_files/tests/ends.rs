//! Where a folder ends.

use super::{
    starts::{set, three_files},
    *,
};

#[tokio::test]
async fn end_is_behind_the_last_whole_transaction_wherever_the_file_is_cut() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).ddl("create table t (n int)");
    log.compressed(&[(OUTBOX, &[(2, 10)])]).transaction(&[(OUTBOX, &[(3, 10)])]);
    let whole = Archive::of(&log, true);
    let is_end = |logged: &&Logged| match logged.header.event_type {
        EventType::FORMAT_DESCRIPTION
        | EventType::PREVIOUS_GTIDS
        | EventType::XID
        | EventType::TRANSACTION_PAYLOAD => true,
        EventType::QUERY => logged.body.ends_with(b"(n int)"),
        _ => false,
    };
    let events = whole.sent.iter().filter(|logged| !logged.is_unpacked);
    let ends: Vec<u64> =
        events.filter(is_end).map(|logged| u64::from(logged.header.log_pos)).collect();
    assert_eq!(ends.len(), 2 + 4);

    for length in 4..=whole.files[0].len() {
        let mut archive = Archive::of(&log, true);
        archive.set_in_use(0);
        archive.files[0].truncate(length);
        let folder = archive.store(Packing::Plain);

        let end = BinlogFolder::open(folder.path(), None).unwrap().end().unwrap();

        let expected = ends.iter().rev().find(|end| **end <= length as u64);
        assert_eq!(end.position, expected.copied().unwrap_or(4), "cut at {length}");
    }
}

#[tokio::test]
async fn file_that_was_only_just_made_is_no_end() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).rotate();
    let mut archive = Archive::of(&log, true);
    archive.files[1].truncate(4);
    let folder = archive.store(Packing::Plain);

    let end = BinlogFolder::open(folder.path(), None).unwrap().end().unwrap();

    assert_eq!(end.to_string(), format!("bin-log.000001:{}", archive.files[0].len()));
}

#[tokio::test]
async fn transactions_behind_the_end_are_named() {
    let whole = Archive::of(&three_files(true), true);
    // The last file is only just made, has its first two events, a GTID without its transaction, is whole.
    let [begun, announced] = [2, 3].map(|event| whole.boundaries[2][event]);
    let lengths = [4, begun, announced, whole.files[2].len()];
    for (length, missing) in lengths.into_iter().zip(["4-9", "4-9", "4-9", "5-9"]) {
        let mut archive = whole.clone();
        archive.set_in_use(2);
        archive.files[2].truncate(length);
        for packing in PACKINGS {
            let folder = archive.store(packing);
            let folder = BinlogFolder::open(folder.path(), None).unwrap();
            let end = folder.end().unwrap();

            let error = folder.ensure_committed(&set("2-9"), &end).unwrap_err();

            let BinlogFilesError::EndBefore { missing: found, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!(found, &set(missing));
            assert!(error.to_string().contains(&end.to_string()), "{error}");
            assert!(folder.ensure_committed(&set("1-3"), &end).is_ok());
        }
    }
}
