//! A part of a binlog: where reading ends, and which of its transactions count.
//!
//! All of it is known before the first event is read and is the same after a restart, so that a position
//! within is enough to go on from.

use std::cmp::Ordering;

use crate::position::{BinlogCoordinates, Gtid, GtidSet};

/// Bounds of what is read behind a start. The default has none: reading goes on for ever.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Reading ends behind the last transaction that begins before it.
    pub end: Option<BinlogCoordinates>,
    /// Transactions of these GTIDs are left out.
    pub after: Option<GtidSet>,
    /// Transactions of other GTIDs are left out.
    pub within: Option<GtidSet>,
}

/// A transaction without a GTID, where GTIDs decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anonymous;

impl Bounds {
    /// Whether nothing behind `at` is within. Coordinates of another series of files are not.
    pub fn are_reached(&self, at: &BinlogCoordinates) -> bool {
        self.end.as_ref().is_some_and(|end| at.partial_cmp(end).is_some_and(Ordering::is_ge))
    }

    pub(super) fn admit(&self, gtid: Option<&Gtid>) -> Result<bool, Anonymous> {
        if self.after.is_none() && self.within.is_none() {
            return Ok(true);
        }
        let gtid = gtid.ok_or(Anonymous)?;
        let is_before = self.after.as_ref().is_some_and(|after| after.contains(gtid));
        Ok(!is_before && self.within.as_ref().is_none_or(|within| within.contains(gtid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(numbers: &str) -> GtidSet {
        format!("{UUID}:{numbers}").parse().unwrap()
    }

    fn admitted(bounds: &Bounds) -> Vec<u64> {
        let gtid = |number| Gtid::new(UUID.parse().unwrap(), Default::default(), number).unwrap();
        (1..=9).filter(|number| bounds.admit(Some(&gtid(*number))).unwrap()).collect()
    }

    #[test]
    fn gtids_between_two_sets_are_admitted() {
        let bounds = Bounds { end: None, after: Some(set("1-3:6")), within: Some(set("1-7")) };

        assert_eq!(admitted(&bounds), [4, 5, 7]);
        assert_eq!(admitted(&Bounds { within: None, ..bounds.clone() }), [4, 5, 7, 8, 9]);
        assert_eq!(admitted(&Bounds { after: None, ..bounds }), [1, 2, 3, 4, 5, 6, 7]);
    }

    #[test]
    fn transaction_without_a_gtid_is_nothing_that_sets_decide_on() {
        assert_eq!(Bounds::default().admit(None), Ok(true));
        assert_eq!(
            Bounds { after: Some(GtidSet::default()), ..Bounds::default() }.admit(None),
            Err(Anonymous)
        );
    }

    #[test]
    fn end_is_reached_at_it_and_behind_it_in_the_same_series() {
        let bounds = Bounds { end: "b.000003:700".parse().ok(), ..Bounds::default() };
        let reached = |at: &str| bounds.are_reached(&at.parse().unwrap());

        assert!(!reached("b.000003:699") && !reached("b.000002:9000"));
        assert!(reached("b.000003:700") && reached("b.000004:4"));
        assert!(!reached("other.000009:4"));
        assert!(!Bounds::default().are_reached(&"b.000003:700".parse().unwrap()));
    }
}
