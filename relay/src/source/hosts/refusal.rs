//! Why none of the hosts can be read → whether to wait for one, and for how long.
//!
//! Pure. Before this: `choice`, which asked each of them. After this: `reader` and `pipeline`.

use std::fmt;

use super::Prospect;
use crate::{
    error::{Chain, Disposition},
    position::GtidSet,
    source::{SourceError, StartError},
};

/// Each host was asked, and none can be read.
#[derive(Debug, thiserror::Error)]
#[error("no host of mysql.url can be read: {}", list(.refusals))]
pub struct NoHost {
    refusals: Vec<Refusal>,
}

/// Why this one cannot be read.
#[derive(Debug)]
pub struct Refusal {
    /// `host:port`.
    host: String,
    error: SourceError,
    /// Of one that lacks published transactions, if it could be asked.
    prospect: Option<Prospect>,
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl Refusal {
    pub(super) fn new(host: String, error: SourceError, prospect: Option<Prospect>) -> Self {
        Self { host, error, prospect }
    }

    pub(super) fn is_behind(error: &SourceError) -> bool {
        matches!(error, SourceError::Start(StartError::SourceBehind { .. }))
    }

    fn missing(&self) -> Option<&GtidSet> {
        if let SourceError::Start(StartError::SourceBehind { missing }) = &self.error {
            return Some(missing);
        }
        None
    }

    /// Whether this host may be read one day without anybody's doing.
    fn may_pass(&self) -> bool {
        match self.prospect {
            Some(Prospect::StandsStill | Prospect::GoesItsOwnWay) => false,
            Some(Prospect::Replicates) | None => self.error.disposition() == Disposition::Retry,
        }
    }
}

impl NoHost {
    pub(super) fn new(refusals: Vec<Refusal>) -> Self {
        Self { refusals }
    }

    /// What is lost as it seems: a host has gone its own way without it, or no host is left from which
    /// it may still come.
    pub fn lost(&self) -> Option<&GtidSet> {
        let nobody_is_left = !self.refusals.iter().any(Refusal::may_pass);
        let has_lost_it = |refusal: &&Refusal| match refusal.prospect {
            Some(Prospect::GoesItsOwnWay) => true,
            Some(Prospect::StandsStill) => nobody_is_left,
            Some(Prospect::Replicates) | None => false,
        };
        self.refusals.iter().filter(has_lost_it).find_map(Refusal::missing)
    }

    /// What seemed to be lost is: those hosts were waited for.
    #[must_use]
    pub fn give_up(mut self) -> Self {
        for refusal in &mut self.refusals {
            if let Some(Prospect::StandsStill | Prospect::GoesItsOwnWay) = refusal.prospect
                && let SourceError::Start(StartError::SourceBehind { missing }) = &mut refusal.error
            {
                let missing = std::mem::take(missing);
                refusal.error = StartError::StaysBehind { missing }.into();
            }
        }
        self
    }

    /// Whether every host said that it does not have the position any more, and for none of them it may
    /// still come.
    pub(super) fn is_for_good(&self) -> bool {
        self.refusals.iter().all(|refusal| refusal.error.disposition() == Disposition::Halt)
    }

    pub(in crate::source) fn disposition(&self) -> Disposition {
        let is_given_up = |refusal: &Refusal| {
            matches!(refusal.error, SourceError::Start(StartError::StaysBehind { .. }))
        };
        match self.is_for_good() || self.refusals.iter().any(is_given_up) {
            true => Disposition::Halt,
            false => Disposition::Retry,
        }
    }

    /// `None` as soon as one of them has an outage.
    pub(in crate::source) fn attempts_max(&self) -> Option<u32> {
        let attempts = self.refusals.iter().map(|refusal| refusal.error.attempts_max());
        attempts.collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// Of the first host.
    pub fn first(&self) -> Option<&SourceError> {
        self.refusals.first().map(|refusal| &refusal.error)
    }
}

#[cfg(test)]
impl NoHost {
    /// One host that lacks something.
    pub(crate) fn of_one(prospect: Prospect) -> Self {
        let missing = "3e11fa47-71ca-11e1-9e33-c80aa9429562:7-9".parse().unwrap();
        let error = StartError::SourceBehind { missing }.into();
        Self::new(vec![Refusal::new("b:3306".to_owned(), error, Some(prospect))])
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, error, prospect } = self;
        let (Some(missing), Some(prospect)) = (self.missing(), prospect) else {
            return write!(f, "{host}: {}", Chain(error));
        };
        write!(f, "{host}: the server lacks transactions that are already published: {missing}")?;
        f.write_str(match prospect {
            Prospect::Replicates => "; it is a replica at work, and waited for",
            Prospect::StandsStill => "; it is read-only, and its replication does not run",
            Prospect::GoesItsOwnWay => {
                "; it takes writes and replicates from nobody: it has diverged, or was made the leader \
                 without them"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mysql::ConnectionError;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn missing() -> GtidSet {
        format!("{UUID}:7-9").parse().unwrap()
    }

    fn behind(prospect: Prospect) -> Refusal {
        let error = StartError::SourceBehind { missing: missing() };
        Refusal::new("b:3306".to_owned(), error.into(), Some(prospect))
    }

    fn away() -> Refusal {
        Refusal::new("a:3306".to_owned(), ConnectionError::Ended.into(), None)
    }

    fn purged() -> Refusal {
        let error = StartError::GtidsPurged { missing: missing() };
        Refusal::new("c:3306".to_owned(), error.into(), None)
    }

    fn lost(refusals: Vec<Refusal>) -> bool {
        NoHost::new(refusals).lost().is_some()
    }

    #[test]
    fn replica_at_work_is_waited_for_and_one_that_stands_still_while_another_may_come_back() {
        assert!(!lost(vec![away(), behind(Prospect::Replicates)]));
        assert!(!lost(vec![away(), behind(Prospect::StandsStill)]));
        assert!(!lost(vec![behind(Prospect::Replicates), behind(Prospect::StandsStill)]));
        assert!(!lost(vec![away(), purged()]));
    }

    #[test]
    fn what_the_new_leader_lacks_is_lost_and_so_is_what_nobody_can_bring() {
        assert!(lost(vec![away(), behind(Prospect::GoesItsOwnWay)]));
        assert!(lost(vec![purged(), behind(Prospect::StandsStill)]));
    }

    #[test]
    fn only_what_was_given_up_halts_while_a_host_may_come_back() {
        let none = || vec![away(), behind(Prospect::GoesItsOwnWay)];
        assert_eq!(NoHost::new(none()).disposition(), Disposition::Retry);

        let given_up = NoHost::new(none()).give_up();

        assert_eq!(given_up.disposition(), Disposition::Halt);
        assert!(
            given_up
                .to_string()
                .contains("b:3306: the relay cannot start reading: the source lacks")
        );
        let waiting = NoHost::new(vec![away(), behind(Prospect::Replicates)]).give_up();
        assert_eq!(waiting.disposition(), Disposition::Retry);
    }

    #[test]
    fn halts_when_every_host_refuses_for_good() {
        assert_eq!(NoHost::new(vec![purged(), purged()]).disposition(), Disposition::Halt);
        assert_eq!(NoHost::new(vec![purged(), away()]).disposition(), Disposition::Retry);
    }

    #[test]
    fn outage_of_one_host_may_last_for_as_long_as_it_lasts() {
        let protocol = || {
            let error = ConnectionError::Protocol { what: "x" };
            Refusal::new("c:3306".to_owned(), error.into(), None)
        };

        assert_eq!(NoHost::new(vec![protocol(), protocol()]).attempts_max(), Some(3));
        assert_eq!(NoHost::new(vec![protocol(), away()]).attempts_max(), None);
    }

    #[test]
    fn each_host_is_named_with_its_reason() {
        let text = NoHost::new(vec![away(), behind(Prospect::Replicates)]).to_string();

        assert_eq!(
            text,
            format!(
                "no host of mysql.url can be read: a:3306: the source ended the binlog stream; \
                 b:3306: the server lacks transactions that are already published: {UUID}:7-9; it is \
                 a replica at work, and waited for"
            )
        );
    }
}
