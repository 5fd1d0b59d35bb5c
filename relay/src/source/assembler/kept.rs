//! Small XA branches that were prepared lately: their events, so that they need not be read again.
//!
//! Promises: what is kept is bounded, for one branch and for all; what is not kept is read again.
//!
//! Before this: `assembler`, which reads the branch. After this: `session`, which has it read once more
//! from here.

use std::collections::VecDeque;

use super::super::{RawEvent, event::EventHeader};
use crate::position::BinlogCoordinates;

/// Of one branch. Most are prepared and committed within milliseconds, and small.
const BRANCH_BYTES_MAX: usize = 64 << 10;
/// Of all branches.
const BYTES_MAX: usize = 2 << 20;
/// What an event takes besides its body.
const EVENT_OVERHEAD: usize = size_of::<KeptEvent>();

#[derive(Debug)]
pub(in crate::source) struct KeptEvent {
    header: EventHeader,
    body: Box<[u8]>,
    is_cut: bool,
    is_unpacked: bool,
}

/// The events of one branch, from its `XA START` to its `XA PREPARE`.
#[derive(Debug, Default)]
struct Events {
    events: Vec<KeptEvent>,
    bytes: usize,
    is_too_large: bool,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The branch being read.
    open: Events,
    /// The oldest first.
    branches: VecDeque<(BinlogCoordinates, Events)>,
    bytes: usize,
}

impl KeptEvent {
    pub(in crate::source) fn event(&self) -> RawEvent<'_> {
        RawEvent {
            header: self.header,
            body: &self.body,
            is_cut: self.is_cut,
            is_unpacked: self.is_unpacked,
        }
    }
}

impl Kept {
    /// Another transaction begins.
    pub(super) fn begin(&mut self) {
        self.open = Events::default();
    }

    /// The next event of the branch being read.
    pub(super) fn add(&mut self, event: &RawEvent<'_>) {
        let open = &mut self.open;
        if open.is_too_large {
            return;
        }
        open.bytes += event.body.len() + EVENT_OVERHEAD;
        if open.bytes > BRANCH_BYTES_MAX {
            *open = Events { is_too_large: true, ..Events::default() };
            return;
        }
        open.events.push(KeptEvent {
            header: event.header,
            body: event.body.into(),
            is_cut: event.is_cut,
            is_unpacked: event.is_unpacked,
        });
    }

    /// The branch being read is prepared, and begins there.
    pub(super) fn prepare(&mut self, begins_at: BinlogCoordinates) {
        let open = std::mem::take(&mut self.open);
        if open.is_too_large {
            return;
        }
        self.forget(&begins_at);
        self.bytes += open.bytes;
        self.branches.push_back((begins_at, open));
        while self.bytes > BYTES_MAX
            && let Some((_, oldest)) = self.branches.pop_front()
        {
            self.bytes -= oldest.bytes;
        }
    }

    /// The branch that begins there, if it is kept. It is committed now.
    pub(super) fn take(&mut self, begins_at: &BinlogCoordinates) -> Option<Vec<KeptEvent>> {
        let at = self.branches.iter().position(|(kept, _)| kept == begins_at)?;
        let (_, taken) = self.branches.remove(at)?;
        self.bytes -= taken.bytes;
        Some(taken.events)
    }

    /// The branch that begins there is rolled back.
    pub(super) fn forget(&mut self, begins_at: &BinlogCoordinates) {
        self.take(begins_at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::event::EventType;

    fn branch(kept: &mut Kept, position: u64, bytes: usize) -> BinlogCoordinates {
        let begins_at = BinlogCoordinates { file: "b.000001".into(), position };
        let header = EventHeader {
            timestamp: 0,
            event_type: EventType::QUERY,
            server_id: 1,
            event_size: 0,
            log_pos: 0,
            flags: 0,
        };
        kept.begin();
        for _ in 0..4 {
            let body = vec![7; bytes / 4 - EVENT_OVERHEAD];
            kept.add(&RawEvent { header, body: &body, is_cut: false, is_unpacked: false });
        }
        kept.prepare(begins_at.clone());
        begins_at
    }

    #[test]
    fn branch_is_kept_until_it_is_taken() {
        let mut kept = Kept::default();
        let first = branch(&mut kept, 4, 4000);
        let second = branch(&mut kept, 900, 4000);

        assert_eq!(kept.take(&first).unwrap().len(), 4);
        assert!(kept.take(&first).is_none());
        kept.forget(&second);
        assert!(kept.take(&second).is_none());
        assert_eq!(kept.bytes, 0);
    }

    #[test]
    fn large_branches_and_the_oldest_of_many_are_not_kept() {
        let mut kept = Kept::default();
        let large = branch(&mut kept, 4, BRANCH_BYTES_MAX + 4);
        assert!(kept.take(&large).is_none());

        let all: Vec<_> = (0..100).map(|n| branch(&mut kept, 100 + n, BRANCH_BYTES_MAX)).collect();

        assert_eq!(kept.bytes, BYTES_MAX);
        assert!(kept.take(&all[67]).is_none());
        assert!(kept.take(&all[68]).is_some() && kept.take(&all[99]).is_some());
    }
}
