//! Where reading begins.

use jiff::Timestamp;

use super::{archive::read as read_from, *};
use crate::source::assembler::tests::script::SOURCE;

fn coordinates(file: usize, position: usize) -> BinlogCoordinates {
    format!("bin-log.{:06}:{position}", file + 1).parse().unwrap()
}

/// Four transactions in three files, with the ids 1 to 4; the second is compressed.
pub(super) fn three_files(with_gtids: bool) -> Log {
    let mut log = Log::new(with_gtids);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).rotate();
    log.compressed(&[(OUTBOX, &[(2, 10)])]).transaction(&[(OUTBOX, &[(3, 10)])]).rotate();
    log.transaction(&[(OUTBOX, &[(4, 10)])]);
    log
}

#[tokio::test]
async fn position_must_be_where_an_event_begins() {
    let archive = Archive::of(&three_files(true), true);
    for packing in PACKINGS {
        let folder = archive.store(packing);
        let boundaries = &archive.boundaries[1];
        for position in 4..=archive.files[1].len() + 1 {
            let start = FilesStart::At(coordinates(1, position));

            let opened = open(folder.path(), start).await;

            match opened.map(|files| files.coordinates()) {
                Ok(found) => {
                    assert!(boundaries.contains(&position));
                    assert_eq!(found, coordinates(1, position));
                }
                Err(BinlogFilesError::NotABoundary { before, after, .. }) => {
                    let position = position as u64;
                    assert!(before < position && position < after);
                    assert!(boundaries.iter().any(|at| *at as u64 == before));
                    assert!(boundaries.iter().any(|at| *at as u64 == after));
                }
                Err(error) => {
                    assert!(matches!(error, BinlogFilesError::BehindEnd { .. }), "{error}");
                    assert_eq!(position, archive.files[1].len() + 1);
                }
            }
        }
    }
}

#[tokio::test]
async fn reading_from_a_transactions_start_gives_the_rest() {
    let log = three_files(false);
    for has_checksums in [true, false] {
        let archive = Archive::of(&log, has_checksums);
        for packing in PACKINGS {
            let folder = archive.store(packing);
            // Format description, previous GTIDs; GTID and payload of the second transaction.
            for (event, rest) in [(2, &[2, 3, 4][..]), (4, &[3, 4])] {
                let at = coordinates(1, archive.boundaries[1][event]);

                let start = FilesStart::At(at.clone());
                let outcome = read_from(folder.path(), start, &log.start()).await;

                assert!(outcome.end().is_some(), "{outcome:?}");
                assert_eq!(ids(&outcome.chunks), rest);
                let last = &outcome.chunks.last().unwrap().advance.coordinates;
                assert_eq!(*last, coordinates(2, archive.files[2].len()));
            }
        }
    }
}

#[tokio::test]
async fn file_that_is_not_there_is_named_with_those_that_are() {
    let folder = Archive::of(&three_files(true), true).store(Packing::Plain);

    let error = open(folder.path(), FilesStart::At(coordinates(6, 4))).await.err().unwrap();

    let text = error.to_string();
    assert_eq!(
        text,
        "bin-log.000007 is not in the folder, which holds bin-log.000001 to bin-log.000003"
    );
}

pub(super) fn set(numbers: &str) -> GtidSet {
    format!("{SOURCE}:{numbers}").parse().unwrap()
}

#[tokio::test]
async fn transactions_of_the_set_are_left_out_and_their_files_not_read() {
    let log = three_files(true);
    for has_checksums in [true, false] {
        let folder = Archive::of(&log, has_checksums).store(Packing::Zstd);
        let cases: [(&str, usize, &[u64]); 6] = [
            ("1", 1, &[2, 3, 4]),
            ("1-2", 1, &[3, 4]),
            ("1:3", 1, &[2, 4]),
            ("1-3", 2, &[4]),
            ("1-9", 2, &[]),
            ("2-4", 0, &[1]),
        ];
        for (published, file, rest) in cases {
            let start = FilesStart::After(set(published));

            let begin = open(folder.path(), start.clone()).await.unwrap().coordinates();
            let outcome = read_from(folder.path(), start, &log.start()).await;

            assert_eq!(begin, coordinates(file, 4), "{published}");
            assert!(outcome.end().is_some(), "{outcome:?}");
            assert_eq!(ids(&outcome.chunks), rest, "{published}");
        }
    }
}

#[tokio::test]
async fn transactions_older_than_the_files_are_named() {
    let folder = Archive::of(&three_files(true), true).store(Packing::Plain);
    std::fs::remove_file(folder.path().join("bin-log.000001")).unwrap();
    std::fs::remove_file(folder.path().join("bin-log.000002")).unwrap();

    let error = open(folder.path(), FilesStart::After(set("2"))).await.err().unwrap();

    let BinlogFilesError::GtidsMissing { missing, .. } = &error else { panic!("{error}") };
    assert_eq!(*missing, set("1:3"));
}

#[tokio::test]
async fn set_says_nothing_of_a_transaction_without_gtid() {
    let log = three_files(false);
    let archive = Archive::of(&log, true);
    let folder = archive.store(Packing::Plain);

    let outcome = read_from(folder.path(), FilesStart::After(set("1")), &log.start()).await;

    let Some(StreamError::Files(BinlogFilesError::Anonymous { at })) = &outcome.error else {
        panic!("{outcome:?}")
    };
    // The set does not begin in the second file: nothing is before that either.
    assert_eq!(*at, coordinates(2, archive.boundaries[2][2]));
}

/// Three files, begun at 100, 200 and 300 seconds; transactions committed at `seconds`.
fn timed(times: [&[u32]; 3]) -> Log {
    let mut log = Log::new(true);
    let mut id = 0;
    for (file, times) in times.iter().enumerate() {
        if file > 0 {
            log.rotate();
        }
        let begun = 100 * (u32::try_from(file).unwrap() + 1);
        let stamp = |log: &mut Log, from: usize, time| {
            log.events[from..].iter_mut().for_each(|event| event.header.timestamp = time);
        };
        let head = log.events.len() - 2;
        stamp(&mut log, head, begun);
        for time in *times {
            let from = log.events.len();
            id += 1;
            log.transaction(&[(OUTBOX, &[(id, 10)])]);
            stamp(&mut log, from, *time);
        }
    }
    log
}

#[tokio::test]
async fn time_finds_the_first_transaction_committed_then_or_later() {
    let log = timed([&[110, 120, 200], &[200, 210, 290], &[310]]);
    let folder = Archive::of(&log, true).store(Packing::Gzip);
    let cases = [
        (100_000, 1),
        (110_000, 1),
        // Of a second that the time lies in, all is read.
        (120_500, 2),
        (121_000, 3),
        // Committed in the second in which the next file was begun.
        (200_900, 3),
        (201_000, 5),
        (295_000, 7),
        (311_000, 8),
    ];
    for (millisecond, first) in cases {
        let start = FilesStart::Since(Timestamp::from_millisecond(millisecond).unwrap());

        let outcome = read_from(folder.path(), start, &log.start()).await;

        assert!(outcome.end().is_some(), "{outcome:?}");
        assert_eq!(ids(&outcome.chunks), (first..=7).collect::<Vec<_>>(), "{millisecond}");
    }
}

#[tokio::test]
async fn commit_times_of_8_0_count_to_the_microsecond() {
    let mut log = timed([&[110, 110], &[], &[]]);
    let gtids = log.events.iter_mut().filter(|event| event.header.event_type == EventType::GTID);
    for (gtid, microsecond) in gtids.zip([110_300_000_u64, 110_700_000]) {
        // The logical clock, then seven bytes of commit time.
        gtid.body.extend([2; 17]);
        gtid.body.extend(&microsecond.to_le_bytes()[..7]);
    }
    let folder = Archive::of(&log, true).store(Packing::Plain);

    let start = FilesStart::Since(Timestamp::from_millisecond(110_500).unwrap());
    let outcome = read_from(folder.path(), start, &log.start()).await;

    assert_eq!(ids(&outcome.chunks), [2]);
}

#[tokio::test]
async fn time_before_the_oldest_file_is_refused_unless_it_is_the_servers_first() {
    let folder = Archive::of(&timed([&[110], &[210], &[310]]), true).store(Packing::Plain);
    let start = || FilesStart::Since(Timestamp::from_second(50).unwrap());

    assert!(open(folder.path(), start()).await.is_ok());
    std::fs::remove_file(folder.path().join("bin-log.000001")).unwrap();
    let error = open(folder.path(), start()).await.err().unwrap();

    assert!(matches!(error, BinlogFilesError::TimeBefore { .. }), "{error}");
}
