//! Event headers' 32-bit positions → positions in files of any size.
//!
//! SERVER: an event's header holds the position of its end in 32 bits, and a binlog file becomes
//! larger than 4 GiB when it ends in a giant transaction: `max_binlog_size` is only looked at between
//! transactions. There the field starts again from 0.

/// The first position at or after `previous` whose low 32 bits are `log_pos`.
///
/// True as long as less than 4 GiB lies between the two, and a single event never has more than 1 GiB
/// (`max_allowed_packet`).
pub fn widen(previous: u64, log_pos: u32) -> u64 {
    const SPAN: u64 = 1 << 32;
    let candidate = (previous & !(SPAN - 1)) | u64::from(log_pos);
    if candidate >= previous { candidate } else { candidate.saturating_add(SPAN) }
}

/// The end of the last event read from a binlog file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndPosition(u64);

impl EndPosition {
    /// At the start of a file, or where a dump was asked to begin.
    pub fn new(position: u64) -> Self {
        Self(position)
    }

    pub fn get(self) -> u64 {
        self.0
    }

    /// Moves over an event, by its header's event size and `log_pos`.
    ///
    /// SERVER: `log_pos` 0 marks an event that is in no file (artificial rotate, format description
    /// of a dump that begins inside a file, inside of a compressed transaction). It is also what an
    /// event has that ends exactly at a multiple of 4 GiB: only its size tells the two apart.
    pub fn advance(&mut self, event_bytes: u32, log_pos: u32) {
        let end = widen(self.0, log_pos);
        if log_pos != 0 || end == self.0.saturating_add(u64::from(event_bytes)) {
            self.0 = end;
        }
    }
}
