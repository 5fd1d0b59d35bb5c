//! What is read from files.

mod archive;
mod ends;
mod faults;
mod starts;

use proptest::{collection::vec, prelude::*};
use tokio::runtime::Runtime;

use self::archive::{Archive, COST_MAX, open, read};
use super::*;
use crate::source::{
    Chunk, HEAD_BYTES,
    assembler::tests::{
        self,
        resume_laws::{Writer, written},
        script::{Log, Logged, OTHER, OUTBOX},
    },
};

const PACKINGS: [Packing; 3] = [Packing::Plain, Packing::Zstd, Packing::Gzip];

struct Everything;

impl Interest for Everything {
    fn wants(&self, _: &EventHeader, _: &[u8]) -> bool {
        true
    }
}

/// Everything that is in a chunk.
fn content(chunks: &[Chunk]) -> Vec<String> {
    let content = |chunk: &Chunk| {
        format!(
            "{:?} {:?} {} {}",
            chunk.records, chunk.advance, chunk.bytes, chunk.commit_timestamp_us
        )
    };
    chunks.iter().map(content).collect()
}

fn ids(chunks: &[Chunk]) -> Vec<u64> {
    tests::ids(chunks).concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn files_give_the_chunks_that_their_server_gives(
        with_gtids in any::<bool>(),
        has_checksums in any::<bool>(),
        written in vec(written(), 0..15),
    ) {
        let mut writer = Writer::new(with_gtids);
        for written in &written {
            writer.write(written);
        }
        let archive = Archive::of(&writer.log, has_checksums);
        let start = writer.log.start();
        let live = tests::read(&archive.sent, &start, COST_MAX).unwrap();

        for packing in PACKINGS {
            let folder = archive.store(packing);
            let runtime = Runtime::new().unwrap();
            let outcome = runtime.block_on(read(folder.path(), FilesStart::Earliest, &start));

            let end = outcome.end().unwrap();
            prop_assert!(!end.is_torn && !end.is_in_use);
            prop_assert_eq!(content(&outcome.chunks), content(&live));
        }
    }
}

#[tokio::test]
async fn files_show_the_events_that_their_server_sends() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).compressed(&[(OUTBOX, &[(2, 300)])]).rotate();
    log.transaction(&[(OTHER, &[(3, 10)])]);
    for has_checksums in [true, false] {
        let archive = Archive::of(&log, has_checksums);
        let folder = archive.store(Packing::Plain);
        let mut files = open(folder.path(), FilesStart::Earliest).await.unwrap();

        for sent in &archive.sent {
            let event = files.next_event(&Everything).await.unwrap();

            assert_eq!(event.body, sent.body, "{}", sent.header.event_type);
            assert_eq!(event.is_unpacked, sent.is_unpacked);
            let header = EventHeader { server_id: 1, ..event.header };
            assert_eq!(header, sent.header);
        }
        assert!(files.next_event(&Everything).await.is_err());
    }
}

#[tokio::test]
async fn large_event_comes_whole_if_it_is_wanted_and_else_as_its_head() {
    let body: Vec<u8> = (0..=250).cycle().take(3_000_000).collect();
    for has_checksums in [true, false] {
        let mut log = Log::new(true);
        log.push(EventType::WRITE_ROWS, body.clone());
        log.xid();
        let folder = Archive::of(&log, has_checksums).store(Packing::Gzip);

        for is_wanted in [true, false] {
            let mut files = open(folder.path(), FilesStart::Earliest).await.unwrap();
            for _ in 0..3 {
                files.next_event(&Nothing).await.unwrap();
            }
            let event = if is_wanted {
                files.next_event(&Everything).await.unwrap()
            } else {
                files.next_event(&Nothing).await.unwrap()
            };

            let expected = if is_wanted { &body[..] } else { &body[..HEAD_BYTES] };
            assert!(event.body == expected && event.is_cut != is_wanted);
            let next = files.next_event(&Nothing).await.unwrap();
            assert_eq!(next.header.event_type, EventType::XID, "reading goes on behind it");
        }
    }
}

#[tokio::test]
async fn what_a_server_appends_after_the_file_was_opened_is_not_read() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let first = Archive::of(&log, true).files[0].len();
    log.transaction(&[(OUTBOX, &[(2, 10)])]);
    let mut archive = Archive::of(&log, true);
    archive.set_in_use(0);
    let whole = archive.files[0].clone();
    archive.files[0].truncate(first);
    let folder = archive.store(Packing::Plain);
    let files = BinlogFolder::open(folder.path(), None).unwrap();
    let mut opened = opened::Opened::open(&files.files()[0]).unwrap();

    archive::store(folder.path(), 0, &whole, Packing::Plain);
    let mut read = Vec::new();
    std::io::Read::read_to_end(&mut opened, &mut read).unwrap();

    assert_eq!(read.len(), first);
}
