//! Drains → medians, ratios, tables.

use serde::Serialize;

use super::{
    Shape,
    drain::{Drain, Publisher},
};
use crate::{
    report::{Bound, Goal, Table, megabytes, others, tenths, whole},
    statistics::median,
};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    shape: Shape,
    ratios: Vec<Ratio>,
    goals: Vec<Goal>,
    drains: Vec<Drain>,
}

/// How much of another's rate exactly-once reaches, round by round.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Ratio {
    against: Publisher,
    by_round: Vec<f64>,
    median: f64,
}

impl Report {
    pub(super) fn new(shape: Shape, drains: Vec<Drain>) -> Self {
        let ratios: Vec<Ratio> = [Publisher::Ceiling, Publisher::AtLeastOnce]
            .into_iter()
            .filter_map(|against| Ratio::of(&drains, against))
            .collect();
        // Small transactions cost more to read, large rows more to send: another shape, other goals.
        let is_of_goals = shape.rows_per_transaction == Shape::OF_GOALS.rows_per_transaction
            && shape.payload_bytes == Shape::OF_GOALS.payload_bytes;
        let goals = ratios.iter().filter(|_| is_of_goals).map(Ratio::goal).collect();
        Self { shape, ratios, goals, drains }
    }

    pub(crate) fn goals(&self) -> &[Goal] {
        &self.goals
    }

    pub(crate) fn markdown(&self) -> String {
        let Shape { rows, rows_per_transaction, payload_bytes } = self.shape;
        let mut text = format!(
            "{} outbox rows of {payload_bytes} bytes payload, {rows_per_transaction} in each \
             transaction; medians of the rounds:\n\n",
            whole(as_float(rows)),
        );
        text.push_str(&self.figures().markdown());
        text.push_str(&others(self.drains.iter().map(|drain| drain.others_percent)));
        if self.ratios.is_empty() {
            return text;
        }
        text.push_str("\nExactly once against the others, median and each round:\n\n");
        let mut table = Table::new(["ratio", "median", "rounds"]);
        for ratio in &self.ratios {
            let rounds: Vec<String> =
                ratio.by_round.iter().map(|ratio| format!("{ratio:.2}")).collect();
            table.row([ratio.what(), format!("{:.2}", ratio.median), rounds.join(", ")]);
        }
        text.push_str(&table.markdown());
        text
    }

    fn figures(&self) -> Table {
        let mut table = Table::new([
            "publisher",
            "records/s",
            "CPU µs/record",
            "broker CPU µs/record",
            "peak memory MB",
            "records per batch",
            "bytes per record",
        ]);
        for publisher in Publisher::ALL {
            let drains: Vec<&Drain> = of(&self.drains, publisher).collect();
            if drains.is_empty() {
                continue;
            }
            let middle =
                |of: fn(&Drain) -> Option<f64>| median(drains.iter().filter_map(|drain| of(drain)));
            let cell = |number: Option<f64>| number.map_or_else(|| "–".to_owned(), whole);
            table.row([
                publisher.name().to_owned(),
                cell(middle(|drain| Some(drain.records_per_second))),
                tenths(middle(|drain| drain.cpu_us_per_record)),
                tenths(middle(|drain| drain.broker_cpu_us_per_record)),
                tenths(middle(|drain| drain.resident_bytes_peak.map(as_float).map(megabytes))),
                cell(middle(|drain| drain.records_per_batch)),
                cell(middle(|drain| Some(drain.bytes_per_record))),
            ]);
        }
        table
    }
}

impl Ratio {
    /// Pairs the drains of a round, which stood next to each other in time. `None` without any pair.
    fn of(drains: &[Drain], against: Publisher) -> Option<Self> {
        let by_round: Vec<f64> = of(drains, Publisher::ExactlyOnce)
            .filter_map(|ours| {
                let other = of(drains, against).find(|other| other.round == ours.round)?;
                Some(ours.records_per_second / other.records_per_second)
            })
            .collect();
        let median = median(by_round.iter().copied())?;
        Some(Self { against, by_round, median })
    }

    fn what(&self) -> String {
        format!("exactly-once / {}", self.against.name())
    }

    fn goal(&self) -> Goal {
        let least = match self.against {
            Publisher::Ceiling => 0.60,
            Publisher::ExactlyOnce | Publisher::AtLeastOnce => 0.75,
        };
        Goal::new(format!("catch-up: {}", self.what()), self.median, Bound::AtLeast(least), "")
    }
}

fn of(drains: &[Drain], publisher: Publisher) -> impl Iterator<Item = &Drain> {
    drains.iter().filter(move |drain| drain.publisher == publisher)
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^53")]
fn as_float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(publisher: Publisher, round: u32, rate: f64) -> Drain {
        Drain {
            publisher,
            round,
            records: 300_000,
            records_per_second: rate,
            cpu_us_per_record: Some(5.0),
            broker_cpu_us_per_record: None,
            resident_bytes_peak: (publisher != Publisher::Ceiling).then_some(64_000_000),
            bytes_per_record: 345.0,
            records_per_batch: Some(10_000.0),
            others_percent: Some(1.0),
        }
    }

    fn report(shape: Shape) -> Report {
        let mut drains = Vec::new();
        // The machine is half as fast in round 2: each round is compared with itself.
        for (round, speed) in [(1, 1.0), (2, 0.5), (3, 1.0)] {
            drains.push(drain(Publisher::Ceiling, round, 200_000.0 * speed));
            drains.push(drain(Publisher::ExactlyOnce, round, 150_000.0 * speed));
            drains.push(drain(Publisher::AtLeastOnce, round, 160_000.0 * speed));
        }
        Report::new(shape, drains)
    }

    #[test]
    fn ratio_is_taken_within_a_round() {
        let ratio = &report(Shape::OF_GOALS).ratios[0];

        assert_eq!(ratio.by_round, [0.75, 0.75, 0.75]);
        assert_eq!((ratio.against, ratio.median), (Publisher::Ceiling, 0.75));
    }

    #[test]
    fn goals_are_held_against_the_shape_they_are_set_for() {
        let goals = report(Shape::OF_GOALS).goals;

        assert_eq!(goals.len(), 2);
        assert!(goals.iter().all(|goal| goal.is_met), "{goals:?}");
        for other in [
            Shape { rows_per_transaction: 1, ..Shape::OF_GOALS },
            Shape { payload_bytes: 100, ..Shape::OF_GOALS },
        ] {
            assert!(report(other).goals.is_empty(), "{other:?}");
        }
    }

    #[test]
    fn table_has_a_row_for_each_publisher() {
        let markdown = report(Shape::OF_GOALS).markdown();

        for line in [
            "| ceiling       | 200,000   | 5.0           | –                    | –              |",
            "| exactly-once  | 150,000   | 5.0           | –                    | 64.0           |",
            "| exactly-once / ceiling       | 0.75   | 0.75, 0.75, 0.75 |",
        ] {
            assert!(markdown.lines().any(|found| found.starts_with(line)), "{line}\n{markdown}");
        }
    }

    #[test]
    fn single_publisher_has_no_ratio() {
        let drains = vec![drain(Publisher::ExactlyOnce, 1, 1.0)];

        let report = Report::new(Shape::OF_GOALS, drains);

        assert!(report.goals.is_empty() && !report.markdown().contains("ratio"));
    }
}
