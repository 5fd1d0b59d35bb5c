//! Trials → medians of the rounds, goals, tables.

use serde::Serialize;

use super::trial::Trial;
use crate::{
    delivery::Delivery,
    report::{Bound, Goal, Table, megabytes, others, tenths},
    statistics::{Distribution, median},
};

/// Below this share of the rate asked for, the load was another one than the table says.
const REACHED_SHARE_MIN: f64 = 0.98;

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    loads: Vec<Summary>,
    goals: Vec<Goal>,
    trials: Vec<Trial>,
}

/// All rounds of one load.
#[derive(Debug, Serialize)]
struct Summary {
    delivery: Delivery,
    commits_per_second: u32,
    commits_per_second_reached: f64,
    latency_ms: Distribution,
    cpu_percent: f64,
    broker_cpu_percent: Option<f64>,
    resident_bytes: f64,
}

impl Report {
    pub(super) fn new(trials: Vec<Trial>) -> Self {
        let mut kinds: Vec<(u32, Delivery)> = Vec::new();
        for trial in &trials {
            let kind = (trial.commits_per_second, trial.delivery);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        let loads: Vec<Summary> = kinds
            .into_iter()
            .filter_map(|(rate, delivery)| Summary::of(&trials, rate, delivery))
            .collect();
        let goals = loads.iter().flat_map(Summary::goals).collect();
        Self { loads, goals, trials }
    }

    pub(crate) fn goals(&self) -> &[Goal] {
        &self.goals
    }

    pub(crate) fn markdown(&self) -> String {
        let mut table = Table::new([
            "commits/s",
            "delivery",
            "p50 ms",
            "p90 ms",
            "p99 ms",
            "p99.9 ms",
            "max ms",
            "CPU % of a core",
            "broker CPU %",
            "memory MB",
        ]);
        for load in &self.loads {
            let Distribution { p50, p90, p99, p99_9, max, .. } = load.latency_ms;
            let [p50, p90, p99, p99_9, max] =
                [p50, p90, p99, p99_9, max].map(|ms| format!("{ms:.2}"));
            table.row([
                load.commits_per_second.to_string(),
                load.delivery.name().to_owned(),
                p50,
                p90,
                p99,
                p99_9,
                max,
                tenths(Some(load.cpu_percent)),
                tenths(load.broker_cpu_percent),
                tenths(Some(megabytes(load.resident_bytes))),
            ]);
        }
        let mut text =
            "From the writer's commit to a `read_committed` consumer, medians of the rounds:\n\n"
                .to_owned();
        text.push_str(&table.markdown());
        text.push_str(&others(self.trials.iter().map(|trial| trial.others_percent)));
        for load in self.loads.iter().filter(|load| !load.is_kept()) {
            text.push_str(&format!(
                "\nThe writers reached only {:.0} of {} commits/s ({}): another load than named.\n",
                load.commits_per_second_reached,
                load.commits_per_second,
                load.delivery.name(),
            ));
        }
        text
    }
}

impl Summary {
    fn of(trials: &[Trial], commits_per_second: u32, delivery: Delivery) -> Option<Self> {
        let ours: Vec<&Trial> = trials
            .iter()
            .filter(|trial| {
                (trial.commits_per_second, trial.delivery) == (commits_per_second, delivery)
            })
            .collect();
        let middle =
            |of: fn(&Trial) -> Option<f64>| median(ours.iter().filter_map(|trial| of(trial)));
        let latencies: Vec<Distribution> = ours.iter().map(|trial| trial.latency_ms).collect();
        #[expect(clippy::cast_precision_loss, reason = "bytes far below 2^53")]
        let resident_bytes = middle(|trial| Some(trial.resident_bytes as f64))?;
        Some(Self {
            delivery,
            commits_per_second,
            commits_per_second_reached: middle(|trial| Some(trial.commits_per_second_reached))?,
            latency_ms: Distribution::median_of(&latencies)?,
            cpu_percent: middle(|trial| Some(trial.cpu_percent))?,
            broker_cpu_percent: middle(|trial| trial.broker_cpu_percent),
            resident_bytes,
        })
    }

    fn is_kept(&self) -> bool {
        let asked = f64::from(self.commits_per_second);
        self.commits_per_second_reached >= asked * REACHED_SHARE_MIN
    }

    fn goals(&self) -> Vec<Goal> {
        let Distribution { p50, p99, .. } = self.latency_ms;
        let goal = |quantile: &str, measured, most| {
            let (rate, delivery) = (self.commits_per_second, self.delivery.name());
            let what = format!("latency: {quantile}, {rate} commits/s, {delivery}");
            Goal::new(what, measured, Bound::AtMost(most), " ms")
        };
        match (self.delivery, self.commits_per_second) {
            (Delivery::ExactlyOnce, 50) => vec![goal("p50", p50, 6.0), goal("p99", p99, 25.0)],
            (Delivery::ExactlyOnce, 1_000) => vec![goal("p50", p50, 8.0), goal("p99", p99, 25.0)],
            (Delivery::AtLeastOnce, 50 | 1_000) => vec![goal("p50", p50, 1.5)],
            (Delivery::ExactlyOnce | Delivery::AtLeastOnce, _) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(delivery: Delivery, rate: u32, round: u32, p50: f64, reached: f64) -> Trial {
        let latency_ms =
            Distribution { count: 1, p50, p90: p50, p99: 30.0, p99_9: 40.0, max: 50.0 };
        Trial {
            delivery,
            commits_per_second: rate,
            round,
            commits_per_second_reached: reached,
            latency_ms,
            cpu_percent: 12.0,
            broker_cpu_percent: None,
            resident_bytes: 32 << 20,
            others_percent: None,
        }
    }

    #[test]
    fn goal_is_held_against_the_median_of_the_rounds() {
        let trials = [9.0, 5.0, 5.5]
            .into_iter()
            .zip(1..)
            .map(|(p50, round)| trial(Delivery::ExactlyOnce, 50, round, p50, 50.0))
            .collect();

        let goals = Report::new(trials).goals;

        let met: Vec<_> = goals.iter().map(|goal| (goal.measured, goal.is_met)).collect();
        assert_eq!(met, [(5.5, true), (30.0, false)]);
    }

    #[test]
    fn other_rates_have_no_goal() {
        let trials = vec![trial(Delivery::ExactlyOnce, 77, 1, 9.0, 77.0)];

        assert!(Report::new(trials).goals.is_empty());
    }

    #[test]
    fn load_that_was_not_kept_is_told() {
        let trials = vec![
            trial(Delivery::ExactlyOnce, 1_000, 1, 5.0, 990.0),
            trial(Delivery::AtLeastOnce, 1_000, 1, 5.0, 700.0),
        ];

        let markdown = Report::new(trials).markdown();

        assert!(markdown.contains("only 700 of 1000 commits/s (at-least-once)"), "{markdown}");
        assert!(!markdown.contains("only 990"), "{markdown}");
    }
}
