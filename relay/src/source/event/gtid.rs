//! GTID and ANONYMOUS_GTID events: which transaction follows, and when it was committed.

use uuid::Uuid;

use super::{EventError, EventHeader, EventType, serialized};
use crate::{
    position::{Gtid, GtidTag},
    source::bytes::ByteReader,
};

/// The first event of every transaction since MySQL 5.7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GtidEvent {
    /// `None` in an anonymous one.
    pub gtid: Option<Gtid>,
    /// Microseconds since the epoch at which the transaction was committed where it was first
    /// executed; the same on every replica. `None` before MySQL 8.0, or when nobody on the way knew.
    pub original_commit_us: Option<u64>,
    /// The same for the server that wrote this binlog.
    pub immediate_commit_us: Option<u64>,
}

/// SERVER: what `original_commit_timestamp` holds when the transaction came through a server that
/// does not know it, and the largest value of the field (control_events.h).
const COMMIT_TIMESTAMP_UNKNOWN: u64 = (1 << 55) - 1;

fn known(timestamp_us: u64) -> Option<u64> {
    (timestamp_us != 0 && timestamp_us != COMMIT_TIMESTAMP_UNKNOWN).then_some(timestamp_us)
}

impl GtidEvent {
    /// Whether events of the type begin a transaction, and hold what is read here.
    pub fn is_of_type(event_type: EventType) -> bool {
        matches!(event_type, EventType::GTID | EventType::ANONYMOUS_GTID | EventType::GTID_TAGGED)
    }

    /// Reads the body of an event of that type.
    pub fn of_type(event_type: EventType, body: &[u8]) -> Result<Self, EventError> {
        match event_type {
            EventType::GTID => Self::parse(body),
            EventType::GTID_TAGGED => Self::parse_tagged(body),
            EventType::ANONYMOUS_GTID => Self::parse_anonymous(body),
            _ => Err(EventError::Invalid("an event that is none of a GTID")),
        }
    }

    /// The last microsecond in which the transaction may have been committed on the server that wrote
    /// this binlog: before 8.0 it says so in seconds only.
    pub fn committed_us_at_latest(&self, header: &EventHeader) -> i64 {
        const SECOND_US: i64 = 1_000_000;
        match self.immediate_commit_us {
            Some(us) => i64::try_from(us).unwrap_or(i64::MAX),
            None => i64::from(header.timestamp) * SECOND_US + SECOND_US - 1,
        }
    }

    /// GTID (33).
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        let mut fields = ByteReader::new(body);
        let _flags = fields.u8()?;
        let source = Uuid::from_bytes(fields.array()?);
        let gtid = gtid(source, GtidTag::default(), fields.u64_le()?)?;
        let (original_commit_us, immediate_commit_us) = commit_timestamps(&mut fields)?;
        Ok(Self { gtid: Some(gtid), original_commit_us, immediate_commit_us })
    }

    /// ANONYMOUS_GTID (34): the same layout, without an identity.
    pub fn parse_anonymous(body: &[u8]) -> Result<Self, EventError> {
        let mut fields = ByteReader::new(body);
        fields.take(1 + 16 + 8)?;
        let (original_commit_us, immediate_commit_us) = commit_timestamps(&mut fields)?;
        Ok(Self { gtid: None, original_commit_us, immediate_commit_us })
    }

    /// GTID_TAGGED (42): written by MySQL's serialization library.
    pub fn parse_tagged(body: &[u8]) -> Result<Self, EventError> {
        let mut message = serialized::Message::open(body)?;
        let (mut source, mut number, mut tag) = (None, None, GtidTag::default());
        let (mut original, mut immediate) = (None, None);
        while let Some(field) = message.next_field()? {
            match field {
                0 | 4 | 5 | 9 | 10 | 11 => message.skip_integer()?,
                1 => source = Some(Uuid::from_bytes(message.byte_array()?)),
                2 => number = Some(message.signed()?),
                3 => tag = parse_tag(message.string()?)?,
                6 => immediate = Some(message.unsigned()?),
                7 => original = Some(message.unsigned()?),
                8 => message.skip_integer()?,
                // ByteReader come in ascending order, so everything needed has been read; what a later
                // server adds behind is of a type that we cannot know.
                field => {
                    message.end_at_unknown(field)?;
                    break;
                }
            }
        }
        let source = source.ok_or(EventError::Invalid("a tagged GTID without a source UUID"))?;
        let number = number
            .and_then(|number| u64::try_from(number).ok())
            .ok_or(EventError::Invalid("a tagged GTID without a number"))?;
        let gtid = gtid(source, tag, number)?;
        // SERVER: the original time is left out when it is the immediate one.
        let original_commit_us = original.or(immediate).and_then(known);
        Ok(Self {
            gtid: Some(gtid),
            original_commit_us,
            immediate_commit_us: immediate.and_then(known),
        })
    }
}

fn gtid(source: Uuid, tag: GtidTag, number: u64) -> Result<Gtid, EventError> {
    Gtid::new(source, tag, number)
        .map_err(|_| EventError::Invalid("a GTID whose number no transaction can have"))
}

fn parse_tag(text: &[u8]) -> Result<GtidTag, EventError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(EventError::Invalid("a GTID tag that is none"))
}

/// Behind the number: logical clock (type, two numbers), then from MySQL 8.0 on the commit times.
fn commit_timestamps(
    fields: &mut ByteReader<'_>,
) -> Result<(Option<u64>, Option<u64>), EventError> {
    const LOGICAL_CLOCK_LENGTH: usize = 1 + 8 + 8;
    const TIMESTAMP_LENGTH: usize = 7;
    const HAS_ORIGINAL: u64 = 1 << 55;

    // MySQL 5.6 has no logical clock.
    if fields.rest().len() < LOGICAL_CLOCK_LENGTH + TIMESTAMP_LENGTH {
        return Ok((None, None));
    }
    fields.take(LOGICAL_CLOCK_LENGTH)?;
    let immediate = fields.uint_le(TIMESTAMP_LENGTH)?;
    let original =
        if immediate & HAS_ORIGINAL == 0 { immediate } else { fields.uint_le(TIMESTAMP_LENGTH)? };
    Ok((known(original), known(immediate & !HAS_ORIGINAL)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn body(number: u64, timestamps: &[u8]) -> Vec<u8> {
        let mut body = vec![1];
        body.extend(SOURCE.parse::<Uuid>().unwrap().as_bytes());
        body.extend(number.to_le_bytes());
        body.push(2);
        body.extend([9; 16]);
        body.extend(timestamps);
        body
    }

    #[test]
    fn gtid_and_commit_time_are_read_from_a_current_server() {
        // The last bytes (transaction length, versions) are not looked at.
        let timestamps = [0x15, 0xcd, 0x5b, 0x07, 0, 0, 0, 0xfc, 1, 2, 3];

        let event = GtidEvent::parse(&body(23, &timestamps)).unwrap();

        assert_eq!(event.gtid.unwrap().to_string(), format!("{SOURCE}:23"));
        assert_eq!(event.original_commit_us, Some(123_456_789));
        assert_eq!(event.immediate_commit_us, Some(123_456_789));
    }

    #[test]
    fn original_commit_time_is_told_from_the_replicas_own() {
        let timestamps = [2, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0, 0, 0, 0];

        let event = GtidEvent::parse(&body(23, &timestamps)).unwrap();

        assert_eq!(event.original_commit_us, Some(1));
        assert_eq!(event.immediate_commit_us, Some(2));
    }

    #[test]
    fn unknown_original_commit_time_is_none() {
        let timestamps = [2, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0];

        let event = GtidEvent::parse(&body(23, &timestamps)).unwrap();

        assert_eq!(event.original_commit_us, None);
    }

    #[test]
    fn event_of_mysql_5_7_has_no_commit_time() {
        let event = GtidEvent::parse(&body(23, &[])).unwrap();

        assert_eq!(event.gtid.unwrap().number, 23);
        assert_eq!(event.original_commit_us, None);
    }

    #[test]
    fn anonymous_event_has_no_gtid() {
        let event = GtidEvent::parse_anonymous(&body(0, &[7, 0, 0, 0, 0, 0, 0])).unwrap();

        assert_eq!(event.gtid, None);
        assert_eq!(event.immediate_commit_us, Some(7));
    }

    #[test]
    fn number_that_no_transaction_can_have_is_refused() {
        assert!(GtidEvent::parse(&body(0, &[])).is_err());
        assert!(GtidEvent::parse(&body(u64::MAX, &[])).is_err());
    }
}
