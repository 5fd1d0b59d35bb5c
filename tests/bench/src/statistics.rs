//! Many values → the few that a table shows.

use serde::Serialize;

/// The middle value; of an even number the mean of the two in the middle.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *values.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

/// How values are spread; each quantile is a value that was measured (nearest rank).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Distribution {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p99_9: f64,
    pub(crate) max: f64,
}

impl Distribution {
    /// `None` without any value.
    pub(crate) fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let at = |thousandths: usize| {
            let rank = (values.len() * thousandths).div_ceil(1_000);
            values.get(rank.saturating_sub(1)).copied()
        };
        Some(Self {
            count: values.len(),
            p50: at(500)?,
            p90: at(900)?,
            p99: at(990)?,
            p99_9: at(999)?,
            max: *values.last()?,
        })
    }

    /// Quantile by quantile the median of several runs.
    pub(crate) fn median_of(runs: &[Self]) -> Option<Self> {
        let middle = |of: fn(&Self) -> f64| median(runs.iter().map(of));
        Some(Self {
            count: runs.iter().map(|run| run.count).sum(),
            p50: middle(|run| run.p50)?,
            p90: middle(|run| run.p90)?,
            p99: middle(|run| run.p99)?,
            p99_9: middle(|run| run.p99_9)?,
            max: middle(|run| run.max)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle_whatever_the_order() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn quantile_is_the_smallest_value_that_so_many_do_not_exceed() {
        let values = (1..=1_000).rev().map(f64::from).collect();

        let spread = Distribution::of(values).unwrap();

        let expected = (500.0, 900.0, 990.0, 999.0, 1_000.0);
        assert_eq!((spread.p50, spread.p90, spread.p99, spread.p99_9, spread.max), expected);
    }

    #[test]
    fn one_value_is_every_quantile_and_none_has_no_spread() {
        let spread = Distribution::of(vec![7.0]).unwrap();

        assert_eq!((spread.p50, spread.p99_9, spread.max), (7.0, 7.0, 7.0));
        assert_eq!(Distribution::of(Vec::new()), None);
    }
}
