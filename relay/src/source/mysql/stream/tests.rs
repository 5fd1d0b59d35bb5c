//! What a server sends, and what is shown of it.

use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::*;
use crate::source::{
    event::EventType, event_reader::CHECKSUM_LENGTH, event_source::EventFault,
    read_buffer::BUFFER_BYTES,
};

struct Wants(bool);

impl Interest for Wants {
    fn wants(&self, _: &EventHeader, head: &[u8]) -> bool {
        assert!(head.len() >= HEAD_BYTES, "enough to decide on");
        self.0
    }
}

/// What a server sends.
struct Sent {
    bytes: Vec<u8>,
    sequence: u8,
    has_checksums: bool,
}

fn event(event_type: EventType, body: &[u8], has_checksum: bool) -> Vec<u8> {
    let footer = if has_checksum { CHECKSUM_LENGTH } else { 0 };
    let size = u32::try_from(EventHeader::LENGTH + body.len() + footer).unwrap();
    let mut event = vec![1, 0, 0, 0, event_type.0, 1, 0, 0, 0];
    event.extend(size.to_le_bytes());
    event.extend([9, 0, 0, 0, 0, 0]);
    event.extend(body);
    if has_checksum {
        event.extend(crc32fast::hash(&event).to_le_bytes());
    }
    event
}

fn format_description(has_checksums: bool) -> Vec<u8> {
    let mut body = vec![4, 0];
    body.resize(2 + 50 + 4, 0);
    body.push(19);
    body.extend([0; 40]);
    body.push(u8::from(has_checksums));
    body
}

impl Sent {
    /// Begins with a rotate and a format description, as every dump.
    fn new(has_checksums: bool) -> Self {
        let mut sent = Self { bytes: Vec::new(), sequence: 1, has_checksums };
        sent.event(EventType::ROTATE, b"\x04\0\0\0\0\0\0\0bin-log.000001");
        // The description has a checksum, or four bytes in its place.
        let description =
            event(EventType::FORMAT_DESCRIPTION, &format_description(has_checksums), true);
        sent.packet(&[&[0], description.as_slice()].concat());
        sent
    }

    fn event(&mut self, event_type: EventType, body: &[u8]) -> &mut Self {
        let event = event(event_type, body, self.has_checksums);
        self.packet(&[&[0], event.as_slice()].concat())
    }

    fn packet(&mut self, payload: &[u8]) -> &mut Self {
        const FULL: usize = 0xff_ffff;
        let mut pieces: Vec<&[u8]> = payload.chunks(FULL).collect();
        if payload.len().is_multiple_of(FULL) {
            pieces.push(&[]);
        }
        for piece in pieces {
            let [l0, l1, l2, _] = u32::try_from(piece.len()).unwrap().to_le_bytes();
            self.bytes.extend([l0, l1, l2, self.sequence]);
            self.bytes.extend(piece);
            self.sequence = self.sequence.wrapping_add(1);
        }
        self
    }

    fn stream(&self) -> BinlogStream {
        let (client, mut server) = tokio::io::duplex(1 << 16);
        let bytes = self.bytes.clone();
        tokio::spawn(async move {
            let _reader_may_be_gone = server.write_all(&bytes).await;
        });
        let mut packets = PacketStream::new(Box::new(client), Duration::from_secs(5));
        packets.set_sequence(1);
        BinlogStream::new(packets)
    }
}

type Shown = (EventType, Vec<u8>, bool, bool);

/// Reads to the end of what was sent, or to an error.
async fn read(sent: &Sent, is_wanted: bool) -> (Vec<Shown>, StreamError) {
    let mut stream = sent.stream();
    let mut shown = Vec::new();
    loop {
        match stream.next_event(&Wants(is_wanted)).await {
            Ok(event) => shown.push((
                event.header.event_type,
                event.body.to_vec(),
                event.is_cut,
                event.is_unpacked,
            )),
            Err(error) => return (shown, error),
        }
    }
}

fn is_lost(error: &StreamError) -> bool {
    matches!(error, StreamError::Connection(ConnectionError::Lost { .. }))
}

fn is_checksum(error: &StreamError) -> bool {
    matches!(error, StreamError::Event(EventFault::Checksum { .. }))
}

#[tokio::test]
async fn bodies_come_without_header_and_checksum() {
    for has_checksums in [true, false] {
        let mut sent = Sent::new(has_checksums);
        sent.event(EventType::QUERY, b"body").event(EventType::XID, b"12345678");

        let (shown, end) = read(&sent, true).await;

        assert!(is_lost(&end), "{end}");
        let bodies: Vec<_> = shown.iter().map(|(_, body, ..)| body.as_slice()).collect();
        let description = format_description(has_checksums);
        let rotate = b"\x04\0\0\0\0\0\0\0bin-log.000001".as_slice();
        assert_eq!(bodies, [rotate, &description, b"body", b"12345678"]);
    }
}

#[tokio::test]
async fn event_that_does_not_match_its_checksum_is_not_shown() {
    for length in [100, BUFFER_BYTES * 2] {
        let mut sent = Sent::new(true);
        sent.event(EventType::WRITE_ROWS, &vec![7; length]);
        let damaged = sent.bytes.len() - 50;
        sent.bytes[damaged] ^= 1;

        for is_wanted in [true, false] {
            let (shown, error) = read(&sent, is_wanted).await;

            assert_eq!(shown.len(), 2);
            assert!(is_checksum(&error), "{length} {is_wanted}: {error}");
        }
    }
}

#[tokio::test]
async fn large_event_comes_whole_if_it_is_wanted_and_else_as_its_head() {
    // Up to several packets.
    for length in [BUFFER_BYTES, BUFFER_BYTES + 5, 0xff_ffff - 24, 0xff_ffff * 2] {
        for has_checksums in [true, false] {
            let body: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut sent = Sent::new(has_checksums);
            sent.event(EventType::WRITE_ROWS, &body).event(EventType::XID, b"12345678");

            let (wanted, _) = read(&sent, true).await;
            let (declined, _) = read(&sent, false).await;

            assert!(wanted[2].1 == body && !wanted[2].2, "{length}");
            assert!(declined[2].1 == body[..HEAD_BYTES] && declined[2].2, "{length}");
            for shown in [wanted, declined] {
                assert_eq!(shown[3].1, b"12345678", "the stream goes on behind it");
            }
        }
    }
}

fn payload(events: &[Vec<u8>]) -> Vec<u8> {
    let events = events.concat();
    let packed = zstd::encode_all(events.as_slice(), 3).unwrap();
    let mut body = vec![2, 1, 0, 3, 9, 0xfe];
    body.extend((events.len() as u64).to_le_bytes());
    body.extend([1, 9, 0xfe]);
    body.extend((packed.len() as u64).to_le_bytes());
    body.push(0);
    body.extend(packed);
    body
}

#[tokio::test]
async fn compressed_transaction_is_unpacked_behind_its_own_event() {
    // The second does not fit into the read buffer, compressed as it is.
    let noise: Vec<u8> = (0_u32..200_000)
        .flat_map(|n| n.wrapping_mul(2_654_435_761).rotate_left(n % 32).to_le_bytes())
        .collect();
    for row in [b"row".to_vec(), noise] {
        let inner =
            [event(EventType::WRITE_ROWS, &row, false), event(EventType::XID, b"12345678", false)];
        let payload = payload(&inner);
        assert_eq!(payload.len() > BUFFER_BYTES, row.len() > BUFFER_BYTES);
        let mut sent = Sent::new(true);
        sent.event(EventType::TRANSACTION_PAYLOAD, &payload).event(EventType::XID, b"87654321");

        let (shown, end) = read(&sent, true).await;

        assert!(is_lost(&end), "{end}");
        let expected = [
            (EventType::TRANSACTION_PAYLOAD, Vec::new(), true, false),
            (EventType::WRITE_ROWS, row, false, true),
            (EventType::XID, b"12345678".to_vec(), false, true),
            (EventType::XID, b"87654321".to_vec(), false, false),
        ];
        assert!(shown[2..] == expected);
    }
}

#[tokio::test]
async fn payload_of_another_size_than_its_event_is_refused() {
    let body = payload(&[event(EventType::XID, b"12345678", false)]);
    let mut sent = Sent::new(true);
    sent.event(EventType::TRANSACTION_PAYLOAD, &body[..body.len() - 1]);

    let (shown, error) = read(&sent, true).await;

    assert_eq!(shown.len(), 2);
    assert!(matches!(error, StreamError::Event(EventFault::Malformed { .. })), "{error}");
}

#[tokio::test]
async fn error_and_end_of_the_stream_are_told_apart() {
    let mut refused = Sent::new(true);
    refused.packet(b"\xff\xd4\x04#HY000Could not find first log file name");
    let mut ended = Sent::new(true);
    ended.packet(b"\xfe\0\0\0\0");
    let mut unknown = Sent::new(true);
    unknown.packet(b"\x42");

    let (_, refused) = read(&refused, true).await;
    let (_, ended) = read(&ended, true).await;
    let (_, unknown) = read(&unknown, true).await;

    let StreamError::Connection(ConnectionError::Refused(error)) = refused else {
        panic!("{refused}")
    };
    assert_eq!(error.code, 1236);
    assert!(matches!(ended, StreamError::Connection(ConnectionError::Ended)));
    assert!(matches!(unknown, StreamError::Connection(ConnectionError::Protocol { .. })));
}

#[tokio::test]
async fn event_of_another_size_than_its_packet_is_refused() {
    for length in [10, BUFFER_BYTES * 2] {
        for change in [-1_i64, 1] {
            let mut bytes = event(EventType::QUERY, &vec![7; length], true);
            let size = u32::try_from(bytes.len() as i64 + change).unwrap();
            bytes[9..13].copy_from_slice(&size.to_le_bytes());
            let mut sent = Sent::new(true);
            sent.packet(&[&[0], bytes.as_slice()].concat());

            let (shown, error) = read(&sent, true).await;

            assert_eq!(shown.len(), 2);
            assert!(matches!(error, StreamError::Event(_)), "{length} {change}: {error}");
        }
    }
}

#[tokio::test]
async fn packet_shorter_than_any_event_is_refused() {
    for length in 0..=EventHeader::LENGTH + CHECKSUM_LENGTH {
        let bytes = event(EventType::QUERY, b"", true);
        let mut sent = Sent::new(true);
        sent.packet(&[&[0], &bytes[..length.min(bytes.len() - 1)]].concat());

        let (_, error) = read(&sent, true).await;

        assert!(matches!(error, StreamError::Event(_)), "{length} bytes: {error}");
    }
}

#[tokio::test]
async fn next_event_is_here_once_all_of_it_is() {
    let mut sent = Sent::new(true);
    sent.event(EventType::QUERY, b"first").event(EventType::QUERY, b"second");
    let mut stream = sent.stream();

    assert!(!stream.has_event());
    stream.ready().await.unwrap();
    assert!(stream.has_event());
    for _ in 0..3 {
        stream.next_event(&Wants(true)).await.unwrap();
    }
    assert!(stream.has_event());
    stream.next_event(&Wants(true)).await.unwrap();
    assert!(!stream.has_event());
}
