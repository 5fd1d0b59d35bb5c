//! What the project set itself, held against what was measured.

use serde::Serialize;

/// One bound and the value under it.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) bound: Bound,
    /// Behind the numbers: ` ms`, or nothing.
    pub(crate) unit: &'static str,
    pub(crate) is_met: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

impl Goal {
    pub(crate) fn new(
        what: impl Into<String>,
        measured: f64,
        bound: Bound,
        unit: &'static str,
    ) -> Self {
        let is_met = match bound {
            Bound::AtLeast(least) => measured >= least,
            Bound::AtMost(most) => measured <= most,
            Bound::Below(limit) => measured < limit,
        };
        Self { what: what.into(), measured, bound, unit, is_met }
    }

    pub(super) fn row(&self) -> [String; 4] {
        let unit = self.unit;
        let bound = match self.bound {
            Bound::AtLeast(least) => format!("≥ {least}{unit}"),
            Bound::AtMost(most) => format!("≤ {most}{unit}"),
            Bound::Below(limit) => format!("< {limit}{unit}"),
        };
        let verdict = if self.is_met { "met" } else { "**missed**" };
        [self.what.clone(), bound, format!("{:.2}{unit}", self.measured), verdict.to_owned()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bound_itself_is_met_unless_it_is_to_stay_below() {
        for (bound, is_met) in
            [(Bound::AtLeast(6.0), true), (Bound::AtMost(6.0), true), (Bound::Below(6.0), false)]
        {
            assert_eq!(Goal::new("", 6.0, bound, "").is_met, is_met, "{bound:?}");
        }
        assert!(!Goal::new("", 5.9, Bound::AtLeast(6.0), "").is_met);
        assert!(!Goal::new("", 6.1, Bound::AtMost(6.0), "").is_met);
        assert!(Goal::new("", 5.9, Bound::Below(6.0), "").is_met);
    }

    #[test]
    fn missed_goal_stands_out() {
        let goal = Goal::new("p50", 7.0, Bound::AtMost(6.0), " ms");

        assert_eq!(goal.row(), ["p50", "≤ 6 ms", "7.00 ms", "**missed**"]);
    }
}
