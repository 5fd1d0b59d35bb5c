//! One written row's identity ↔ the UUID in its column `id`.

use std::fmt;

use uuid::Uuid;

/// Says of a record which row it must be, so that no list of ids needs to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId {
    /// Differs between two runs that use the same topics.
    pub run: u64,
    pub key: u32,
    /// Counts the rows of the key from 0, rolled-back ones included.
    pub sequence: u32,
}

impl EventId {
    pub fn to_uuid(self) -> Uuid {
        Uuid::from_u64_pair(self.run, u64::from(self.key) << 32 | u64::from(self.sequence))
    }

    pub fn from_uuid(uuid: Uuid) -> Self {
        let (run, row) = uuid.as_u64_pair();
        let [.., a, b, c, d] = row.to_be_bytes();
        let sequence = u32::from_be_bytes([a, b, c, d]);
        let key = u32::try_from(row >> 32).expect("the upper half of 64 bits fits in 32");
        Self { run, key, sequence }
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

    #[test]
    fn uuid_gives_back_the_event() {
        for (key, sequence) in [(0, 0), (1, u32::MAX), (u32::MAX, 1)] {
            let event = EventId { run: 0xdead_beef_0123_4567, key, sequence };
            assert_eq!(EventId::from_uuid(event.to_uuid()), event);
        }
    }
}
