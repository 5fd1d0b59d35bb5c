//! The 19 bytes before every event.

use std::fmt;

use super::EventError;
use crate::source::bytes::ByteReader;

/// One byte that says what an event is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventType(pub u8);

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventHeader {
    /// Seconds since the epoch; 0 in artificial events.
    pub timestamp: u32,
    pub event_type: EventType,
    /// The server on which the event was first written.
    pub server_id: u32,
    /// Header, body and checksum.
    pub event_size: u32,
    /// Low 32 bits of the event's end in its file; 0 for events that are in no file.
    pub log_pos: u32,
    pub flags: u16,
}

impl EventHeader {
    pub const LENGTH: usize = 19;

    pub fn parse(bytes: &[u8; Self::LENGTH]) -> Self {
        let [t0, t1, t2, t3, event_type, s0, s1, s2, s3, rest @ ..] = *bytes;
        let [e0, e1, e2, e3, l0, l1, l2, l3, f0, f1] = rest;
        Self {
            timestamp: u32::from_le_bytes([t0, t1, t2, t3]),
            event_type: EventType(event_type),
            server_id: u32::from_le_bytes([s0, s1, s2, s3]),
            event_size: u32::from_le_bytes([e0, e1, e2, e3]),
            log_pos: u32::from_le_bytes([l0, l1, l2, l3]),
            flags: u16::from_le_bytes([f0, f1]),
        }
    }

    pub(crate) fn read(fields: &mut ByteReader<'_>) -> Result<Self, EventError> {
        let header = Self::parse(&fields.array()?);
        if header.event_bytes() < Self::LENGTH {
            return Err(EventError::Invalid("an event smaller than its header"));
        }
        Ok(header)
    }

    /// [`Self::event_size`] as a length.
    pub fn event_bytes(&self) -> usize {
        self.event_size as usize
    }

    /// In [`Self::flags`]: LOG_EVENT_ARTIFICIAL_F.
    pub(crate) const ARTIFICIAL: u16 = 0x20;

    /// In [`Self::flags`] of the format description: LOG_EVENT_BINLOG_IN_USE_F.
    pub(crate) const IN_USE: u8 = 0x01;

    /// The format description of a file that the server has not closed: it writes to it, or crashed.
    pub fn is_in_use(&self) -> bool {
        self.event_type == EventType::FORMAT_DESCRIPTION
            && self.flags & u16::from(Self::IN_USE) != 0
    }

    /// Made up by the dump thread; in no file.
    pub fn is_artificial(&self) -> bool {
        self.flags & Self::ARTIFICIAL != 0
    }

    /// Sent while there is nothing else to send; in no file.
    pub fn is_heartbeat(&self) -> bool {
        matches!(self.event_type, EventType::HEARTBEAT | EventType::HEARTBEAT_V2)
    }

    /// A reader that does not know the type may pass over the event.
    pub fn is_ignorable(&self) -> bool {
        const LOG_EVENT_IGNORABLE_F: u16 = 0x80;
        self.flags & LOG_EVENT_IGNORABLE_F != 0
    }
}

impl EventType {
    pub const QUERY: Self = Self(2);
    pub const STOP: Self = Self(3);
    pub const ROTATE: Self = Self(4);
    pub const INTVAR: Self = Self(5);
    pub const APPEND_BLOCK: Self = Self(9);
    pub const DELETE_FILE: Self = Self(11);
    pub const RAND: Self = Self(13);
    pub const USER_VAR: Self = Self(14);
    pub const FORMAT_DESCRIPTION: Self = Self(15);
    pub const XID: Self = Self(16);
    pub const BEGIN_LOAD_QUERY: Self = Self(17);
    pub const EXECUTE_LOAD_QUERY: Self = Self(18);
    pub const TABLE_MAP: Self = Self(19);
    pub const WRITE_ROWS_V1: Self = Self(23);
    pub const UPDATE_ROWS_V1: Self = Self(24);
    pub const DELETE_ROWS_V1: Self = Self(25);
    pub const INCIDENT: Self = Self(26);
    pub const HEARTBEAT: Self = Self(27);
    pub const IGNORABLE: Self = Self(28);
    pub const ROWS_QUERY: Self = Self(29);
    pub const WRITE_ROWS: Self = Self(30);
    pub const UPDATE_ROWS: Self = Self(31);
    pub const DELETE_ROWS: Self = Self(32);
    pub const GTID: Self = Self(33);
    pub const ANONYMOUS_GTID: Self = Self(34);
    pub const PREVIOUS_GTIDS: Self = Self(35);
    pub const TRANSACTION_CONTEXT: Self = Self(36);
    pub const VIEW_CHANGE: Self = Self(37);
    pub const XA_PREPARE: Self = Self(38);
    pub const PARTIAL_UPDATE_ROWS: Self = Self(39);
    pub const TRANSACTION_PAYLOAD: Self = Self(40);
    pub const HEARTBEAT_V2: Self = Self(41);
    pub const GTID_TAGGED: Self = Self(42);

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::QUERY => "query",
            Self::STOP => "stop",
            Self::ROTATE => "rotate",
            Self::FORMAT_DESCRIPTION => "format description",
            Self::XID => "xid",
            Self::TABLE_MAP => "table map",
            Self::WRITE_ROWS_V1 | Self::WRITE_ROWS => "write rows",
            Self::UPDATE_ROWS_V1 | Self::UPDATE_ROWS => "update rows",
            Self::DELETE_ROWS_V1 | Self::DELETE_ROWS => "delete rows",
            Self::PARTIAL_UPDATE_ROWS => "partial update rows",
            Self::INCIDENT => "incident",
            Self::HEARTBEAT | Self::HEARTBEAT_V2 => "heartbeat",
            Self::ROWS_QUERY => "rows query",
            Self::GTID => "gtid",
            Self::ANONYMOUS_GTID => "anonymous gtid",
            Self::GTID_TAGGED => "tagged gtid",
            Self::PREVIOUS_GTIDS => "previous gtids",
            Self::XA_PREPARE => "xa prepare",
            Self::TRANSACTION_PAYLOAD => "transaction payload",
            _ => return None,
        })
    }
}

/// The name that MySQL's tools print, and always the number.
impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "type {}", self.0),
        }
    }
}

impl fmt::Debug for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROTATE: [u8; 19] = [
        0x0c, 0xa5, 0x01, 0x6a, 0x04, 0xd2, 0x04, 0x00, 0x00, 0x2c, 0x00, 0x00, 0x00, 0x10, 0x27,
        0x00, 0x00, 0xa0, 0x00,
    ];

    #[test]
    fn header_fields_stand_where_the_server_puts_them() {
        let header = EventHeader::parse(&ROTATE);

        assert_eq!(header.timestamp, 0x6a01_a50c);
        assert_eq!(header.event_type, EventType::ROTATE);
        assert_eq!(header.server_id, 1234);
        assert_eq!(header.event_size, 44);
        assert_eq!(header.log_pos, 10_000);
        assert!(header.is_artificial());
        assert!(header.is_ignorable());
    }

    #[test]
    fn event_smaller_than_its_header_is_refused() {
        let mut bytes = ROTATE;
        bytes[9] = 18;

        assert!(EventHeader::read(&mut ByteReader::new(&bytes)).is_err());
    }

    #[test]
    fn unknown_type_is_shown_by_its_number() {
        assert_eq!(EventType(99).to_string(), "type 99");
        assert_eq!(EventType::XID.to_string(), "xid (16)");
    }
}
