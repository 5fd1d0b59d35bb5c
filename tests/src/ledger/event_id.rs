//! One written row's identity ↔ the UUID in its column `id`.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use uuid::Uuid;

const RUN_BITS: u32 = 20;
const KEY_BITS: u32 = 24;
const SEQUENCE_BITS: u32 = 30;

/// Says of a record which row it must be, so that no list of ids needs to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// Differs between two runs that use the same topics; below [`EventId::RUNS`].
    pub run: u32,
    /// Below 2^24.
    pub key: u32,
    /// Counts the rows of the key from 0, rolled-back ones included. Below 2^30.
    pub sequence: u32,
}

impl EventId {
    pub const RUNS: u32 = 1 << RUN_BITS;

    /// A UUIDv7 of this moment, as services write them (`sql/outbox`), with the event in the place of
    /// the random bits: inserts append to the primary key. Another moment's is another one.
    pub fn to_uuid(self) -> Uuid {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.to_uuid_at(since_epoch.as_millis())
    }

    /// The same of a moment in milliseconds since 1970.
    pub fn to_uuid_at(self, milliseconds: u128) -> Uuid {
        let Self { run, key, sequence } = self;
        for (part, bits) in [(run, RUN_BITS), (key, KEY_BITS), (sequence, SEQUENCE_BITS)] {
            assert!(part >> bits == 0, "{part} of {self:?} needs more than {bits} bits");
        }
        let event = u128::from(run) << (KEY_BITS + SEQUENCE_BITS)
            | u128::from(key) << SEQUENCE_BITS
            | u128::from(sequence);
        // RFC 9562, 5.7: 48 bits of time, the version, 12 free bits, the variant, 62 free bits.
        let (upper, lower) = (event >> 62, event & ((1 << 62) - 1));
        Uuid::from_u128(milliseconds << 80 | 0x7 << 76 | upper << 64 | 0b10 << 62 | lower)
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        let bits = uuid.as_u128();
        let event = (bits >> 64 & 0xfff) << 62 | bits & ((1 << 62) - 1);
        let part = |shift: u32, bits: u32| {
            u32::try_from(event >> shift & ((1 << bits) - 1)).expect("fewer than 32 bits")
        };
        Self {
            run: part(KEY_BITS + SEQUENCE_BITS, RUN_BITS),
            key: part(SEQUENCE_BITS, KEY_BITS),
            sequence: part(0, SEQUENCE_BITS),
        }
    }

    /// The row's `aggregateid`, which becomes the record's key.
    pub fn aggregate_id(self) -> String {
        format!("key-{}", self.key)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "key-{} #{}", self.key, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: EventId =
        EventId { run: EventId::RUNS - 1, key: (1 << 24) - 1, sequence: (1 << 30) - 1 };

    #[test]
    fn uuid_gives_back_the_event() {
        let run = 0xa_bcde;
        for event in [
            EventId { run, key: 0, sequence: 0 },
            EventId { run, key: 0, sequence: MOST.sequence },
            EventId { run, key: MOST.key, sequence: 1 },
            EventId { run: 0, ..MOST },
            MOST,
        ] {
            assert_eq!(EventId::from_uuid(event.to_uuid()), event);
        }
    }

    #[test]
    fn uuid_is_one_of_version_7_with_its_time_in_front() {
        let uuid = MOST.to_uuid_at(0x0199_0000_1234);

        assert_eq!(uuid.to_string(), "01990000-1234-7fff-bfff-ffffffffffff");
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
        assert!(uuid < EventId { run: 0, key: 0, sequence: 0 }.to_uuid_at(0x0199_0000_1235));
    }

    #[test]
    #[should_panic(expected = "needs more than 24 bits")]
    fn event_that_does_not_fit_is_not_written_as_another_one() {
        let _ = EventId { key: 1 << 24, ..MOST }.to_uuid();
    }
}
