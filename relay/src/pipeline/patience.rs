//! How long a source is waited for that has less than what is published.
//!
//! It may be a replica that was made the source and is still applying what it received, or a server
//! whose newest transactions wait for a replica to acknowledge them: both come closer. One that was
//! restored from a backup, or another one, does not.
//!
//! Pure: the clock is an argument.

use std::time::{Duration, Instant};

use crate::{
    position::GtidSet,
    source::{SourceError, start::StartError},
};

/// How long it may stand still. Longer than a semi-synchronous source waits for its replicas by default
/// (`rpl_semi_sync_source_timeout`, 10 s).
const PATIENCE: Duration = Duration::from_secs(15);

/// What was missing when it last became less, and when that was.
#[derive(Debug, Default)]
pub(super) struct Patience(Option<(u64, Instant)>);

impl Patience {
    /// Lets a source that stays behind be an error for good.
    pub(super) fn judge<T>(
        &mut self,
        found: Result<T, SourceError>,
        now: Instant,
    ) -> Result<T, SourceError> {
        let error = match found {
            Ok(found) => {
                self.0 = None;
                return Ok(found);
            }
            Err(error) => error,
        };
        // It could not be asked: that says nothing.
        let Some(count) = missing(&error).map(GtidSet::count) else { return Err(error) };
        match self.0 {
            Some((least, since)) if count >= least => {
                if now.saturating_duration_since(since) >= PATIENCE {
                    return Err(stays_behind(error));
                }
            }
            Some(_) | None => self.0 = Some((count, now)),
        }
        Err(error)
    }
}

/// What may be lost, and may still come.
fn missing(error: &SourceError) -> Option<&GtidSet> {
    if let SourceError::Start(StartError::SourceBehind { missing }) = error {
        return Some(missing);
    }
    if let SourceError::NoHost(none) = error { none.lost() } else { None }
}

fn stays_behind(error: SourceError) -> SourceError {
    if let SourceError::Start(StartError::SourceBehind { missing }) = error {
        return StartError::StaysBehind { missing }.into();
    }
    if let SourceError::NoHost(none) = error { none.give_up().into() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        error::Disposition,
        source::{NoHost, Prospect},
    };

    fn halts(patience: &mut Patience, missing: u64, now: Instant) -> bool {
        let set = format!("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-{missing}").parse().unwrap();
        let behind = Err::<(), _>(StartError::SourceBehind { missing: set }.into());
        let judged = patience.judge(behind, now).unwrap_err();
        matches!(judged, SourceError::Start(StartError::StaysBehind { .. }))
    }

    #[test]
    fn source_that_comes_closer_is_waited_for_and_one_that_does_not_halts() {
        let (start, mut patience) = (Instant::now(), Patience::default());
        let later = |seconds| start + Duration::from_secs(seconds);

        assert!(!halts(&mut patience, 9, start));
        assert!(!halts(&mut patience, 9, later(14)));
        assert!(!halts(&mut patience, 8, later(20)), "it came closer");
        assert!(!halts(&mut patience, 8, later(34)));
        assert!(halts(&mut patience, 8, later(35)));
    }

    #[test]
    fn several_hosts_are_waited_for_only_where_something_seems_to_be_lost() {
        let (start, mut patience) = (Instant::now(), Patience::default());
        let mut halts = |none: NoHost, seconds| {
            let now = start + Duration::from_secs(seconds);
            let judged = patience.judge(Err::<(), _>(none.into()), now).unwrap_err();
            judged.disposition() == Disposition::Halt
        };

        assert!(!halts(NoHost::of_one(Prospect::Replicates), 0));
        assert!(!halts(NoHost::of_one(Prospect::Replicates), 100));
        assert!(!halts(NoHost::of_one(Prospect::GoesItsOwnWay), 100));
        assert!(!halts(NoHost::of_one(Prospect::GoesItsOwnWay), 114));
        assert!(halts(NoHost::of_one(Prospect::GoesItsOwnWay), 115));
    }

    #[test]
    fn start_that_was_found_ends_the_waiting() {
        let (start, mut patience) = (Instant::now(), Patience::default());

        assert!(!halts(&mut patience, 9, start));
        patience.judge(Ok(()), start).unwrap();

        assert!(!halts(&mut patience, 9, start + PATIENCE));
    }
}
