//! The one buffer of a reader: bytes go in at its end, and are shown where they lie.
//!
//! Promises: what was [taken](ReadBuffer::take) last can be looked at until room is asked for.
//!
//! Before this: a socket or a file. After this: `event_reader`.

use std::ops::Range;

/// Large enough that a busy stream costs few system calls, small enough to stay in the cache.
pub(super) const BUFFER_BYTES: usize = 256 * 1024;

pub(super) struct ReadBuffer {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
    taken: Range<usize>,
}

impl ReadBuffer {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BUFFER_BYTES].into_boxed_slice(), start: 0, end: 0, taken: 0..0 }
    }

    /// What was read and not yet taken.
    pub(super) fn unread(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Where further bytes go, moved so that `length` unread ones can lie in one piece. Empty if the
    /// buffer is full, which it is only if `length` is more than it holds.
    pub(super) fn room_for(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() - self.start < length {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        self.bytes.get_mut(self.end..).unwrap_or_default()
    }

    /// `length` bytes were put into the room.
    pub(super) fn filled(&mut self, length: usize) {
        self.end += length;
        assert!(self.end <= self.bytes.len(), "more was read than there is room for");
    }

    /// Takes the next `length` bytes, which are here.
    pub(super) fn take(&mut self, length: usize) -> &[u8] {
        self.taken = self.start..self.start + length;
        self.consume(length);
        self.taken()
    }

    /// What was taken last.
    pub(super) fn taken(&self) -> &[u8] {
        self.bytes.get(self.taken.clone()).unwrap_or_default()
    }

    /// Passes over bytes that were shown.
    pub(super) fn consume(&mut self, length: usize) {
        self.start += length;
        assert!(self.start <= self.end, "consumed more than was read");
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(buffer: &mut ReadBuffer, length: usize, bytes: &[u8]) {
        buffer.room_for(length)[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len());
    }

    #[test]
    fn bytes_are_moved_only_when_the_room_behind_them_is_too_small() {
        let mut buffer = ReadBuffer::new();
        fill(&mut buffer, 1, &vec![1; BUFFER_BYTES - 1]);
        buffer.consume(BUFFER_BYTES - 2);

        assert_eq!(buffer.room_for(2).len(), 1, "two fit where the first lies");
        assert_eq!(buffer.room_for(3).len(), BUFFER_BYTES - 1);
        assert_eq!(buffer.unread(), [1]);
    }

    #[test]
    fn what_was_taken_can_be_looked_at_after_the_buffer_ran_empty() {
        let mut buffer = ReadBuffer::new();
        fill(&mut buffer, 5, b"first");

        assert_eq!(buffer.take(5), b"first");
        assert!(buffer.is_empty());
        assert_eq!(buffer.taken(), b"first");
    }
}
