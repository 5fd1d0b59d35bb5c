//! XA_PREPARE events: the end of an XA branch in the binlog.

use std::fmt;

use super::EventError;
use crate::source::bytes::ByteReader;

/// Which branch, and whether it is committed by this very event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct XaPrepareEvent {
    /// `XA COMMIT … ONE PHASE`: the branch is committed. Else it waits for `XA COMMIT`.
    pub is_one_phase: bool,
    pub xid: Xid,
}

/// An XA transaction's identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Xid {
    pub format_id: u32,
    pub global: Box<[u8]>,
    pub branch: Box<[u8]>,
}

impl XaPrepareEvent {
    pub fn parse(body: &[u8]) -> Result<Self, EventError> {
        let mut fields = ByteReader::new(body);
        let is_one_phase = fields.u8()? != 0;
        let format_id = fields.u32_le()?;
        // SERVER: 64 bytes each at most (MAXGTRIDSIZE, MAXBQUALSIZE).
        let global_length = fields.u32_le()? as usize;
        let branch_length = fields.u32_le()? as usize;
        let global = fields.take(global_length)?.into();
        let branch = fields.take(branch_length)?.into();
        Ok(Self { is_one_phase, xid: Xid { format_id, global, branch } })
    }
}

/// As the server writes it: `X'67',X'62',1`.
impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.global, &self.branch] {
            f.write_str("X'")?;
            for byte in part.iter() {
                write!(f, "{byte:02x}")?;
            }
            f.write_str("',")?;
        }
        write!(f, "{}", self.format_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branch_is_shown_as_the_server_writes_it() {
        let event = XaPrepareEvent::parse(b"\0\x01\0\0\0\x02\0\0\0\x01\0\0\0ghb").unwrap();

        assert!(!event.is_one_phase);
        assert_eq!(event.xid.to_string(), "X'6768',X'62',1");
    }

    #[test]
    fn lengths_beyond_the_event_are_an_error() {
        let bytes = b"\x01\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xffgh";

        assert!(XaPrepareEvent::parse(bytes).is_err());
    }
}
