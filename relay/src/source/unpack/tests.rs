//! What comes out of compressed transactions, whole and damaged.

use super::*;

struct Wants(bool);

impl Interest for Wants {
    fn wants(&self, _: &EventHeader, _: &[u8]) -> bool {
        self.0
    }
}

fn event(event_type: EventType, body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(EventHeader::LENGTH + body.len()).unwrap();
    let mut event = vec![1, 0, 0, 0, event_type.0, 1, 0, 0, 0];
    event.extend(size.to_le_bytes());
    event.extend([0; 6]);
    event.extend(body);
    event
}

/// Bytes that zstd cannot make much smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    (0..length)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn unpack(
    events: &[u8],
    stated: usize,
    compression: Compression,
    interest: bool,
) -> Result<Vec<(u8, Vec<u8>, bool)>, EventFault> {
    let payload = match compression {
        Compression::None => events.to_vec(),
        Compression::Zstd => zstd::encode_all(events, 3).unwrap(),
    };
    unpack_payload(&payload, stated, compression, interest)
}

fn unpack_payload(
    payload: &[u8],
    stated: usize,
    compression: Compression,
    interest: bool,
) -> Result<Vec<(u8, Vec<u8>, bool)>, EventFault> {
    let header = PayloadHeader {
        compression,
        payload_bytes: payload.len() as u64,
        unpacked_bytes: stated as u64,
        header_bytes: 0,
    };
    let mut unpacker = Unpacker::new().unwrap();
    let mut unpacked = Vec::new();
    unpacker.begin(&header)?;
    for piece in payload.chunks(100_000) {
        unpacker.push(piece)?;
    }
    unpacker.finish_input()?;
    while unpacker.advance(&Wants(interest))? {
        let event = unpacker.current().unwrap();
        assert!(event.is_unpacked);
        unpacked.push((event.header.event_type.0, event.body.to_vec(), event.is_cut));
    }
    assert!(!unpacker.is_active());
    Ok(unpacked)
}

#[test]
fn events_come_out_as_they_went_in() {
    let bodies: Vec<Vec<u8>> =
        [0, 1, 300, WINDOW_BYTES, 10, WINDOW_BYTES - 1].iter().map(|n| noise(*n)).collect();
    let events: Vec<u8> = bodies.iter().flat_map(|body| event(EventType::QUERY, body)).collect();

    for compression in [Compression::None, Compression::Zstd] {
        let unpacked = unpack(&events, events.len(), compression, true).unwrap();

        assert!(unpacked.iter().map(|(_, body, _)| body).eq(&bodies));
    }
}

#[test]
fn large_event_comes_whole_if_it_is_wanted_and_else_as_its_head() {
    let body = noise(3_000_000);
    let events = [event(EventType::WRITE_ROWS, &body), event(EventType::XID, b"12345678")];
    let events = events.concat();

    let wanted = unpack(&events, events.len(), Compression::Zstd, true).unwrap();
    let declined = unpack(&events, events.len(), Compression::Zstd, false).unwrap();

    assert!(wanted[0].1 == body && !wanted[0].2);
    assert!(declined[0].1 == body[..HEAD_BYTES] && declined[0].2);
    assert_eq!(declined[1], (EventType::XID.0, b"12345678".to_vec(), false));
}

#[test]
fn transaction_larger_than_the_memory_limit_goes_through_a_file() {
    let events = event(EventType::WRITE_ROWS, &noise(MEMORY_MAX + 5_000_000));

    let unpacked = unpack(&events, events.len(), Compression::Zstd, true).unwrap();

    assert!(unpacked[0].1 == events[EventHeader::LENGTH..]);
}

#[test]
fn another_size_than_stated_is_an_error() {
    let events = [event(EventType::QUERY, b"BEGIN"), event(EventType::XID, b"12345678")];
    let events = events.concat();

    for stated in [events.len() - 1, events.len() + 1] {
        for compression in [Compression::None, Compression::Zstd] {
            let error = unpack(&events, stated, compression, true).unwrap_err();
            assert!(matches!(error, EventFault::UnpackedSize { .. }), "{error}");
        }
    }
}

#[test]
fn truncated_payload_is_an_error() {
    let events = event(EventType::QUERY, &noise(1000));
    let payload = zstd::encode_all(events.as_slice(), 3).unwrap();

    for length in 0..payload.len() {
        let cut = &payload[..length];
        assert!(
            unpack_payload(cut, events.len(), Compression::Zstd, true).is_err(),
            "{length} bytes"
        );
    }
}

#[test]
fn event_cut_inside_a_payload_of_the_stated_size_is_an_error() {
    let mut events = event(EventType::QUERY, b"BEGIN");
    events.extend(&event(EventType::XID, b"12345678")[..20]);

    assert!(unpack(&events, events.len(), Compression::Zstd, true).is_err());
}

#[test]
fn payload_that_is_not_zstd_is_an_error() {
    assert!(matches!(
        unpack_payload(b"not zstd at all", 100, Compression::Zstd, true),
        Err(EventFault::Unpack { .. })
    ));
}

#[test]
fn one_unpacker_serves_one_transaction_after_the_other() {
    let mut unpacker = Unpacker::new().unwrap();
    for length in [500, MEMORY_MAX, 10] {
        let events = event(EventType::QUERY, &noise(length));
        let payload = zstd::encode_all(events.as_slice(), 3).unwrap();
        let header = PayloadHeader {
            compression: Compression::Zstd,
            payload_bytes: payload.len() as u64,
            unpacked_bytes: events.len() as u64,
            header_bytes: 0,
        };
        unpacker.begin(&header).unwrap();
        unpacker.push(&payload).unwrap();
        unpacker.finish_input().unwrap();

        assert!(unpacker.advance(&Wants(true)).unwrap());
        assert!(unpacker.current().unwrap().body == &events[EventHeader::LENGTH..]);
        assert!(!unpacker.advance(&Wants(true)).unwrap());
    }
}

#[test]
fn what_is_compressed_is_never_twice_in_memory() {
    let mut unpacker = Unpacker::new().unwrap();
    let mut begin = |payload_bytes: usize| {
        let header = PayloadHeader {
            compression: Compression::Zstd,
            payload_bytes: payload_bytes as u64,
            unpacked_bytes: 1,
            header_bytes: 0,
        };
        unpacker.begin(&header).unwrap();
        for piece in noise(payload_bytes.min(MEMORY_MAX)).chunks(100_000) {
            unpacker.push(piece).unwrap();
        }
        match &unpacker.input {
            Input::Memory { bytes, .. } => Some(bytes.capacity()),
            Input::File(_) => None,
        }
    };

    assert_eq!(begin(MEMORY_MAX), Some(MEMORY_MAX), "room for all of it from the beginning");
    assert_eq!(begin(MEMORY_MAX + 1), None, "nothing is collected before it goes to the file");
}
