//! What was resident → goals, table.

use serde::Serialize;

use super::{
    giant::{Compression, Giant},
    steady::Steady,
};
use crate::report::{Bound, Goal, Table, megabytes, tenths, whole};

#[derive(Debug, Serialize)]
pub(crate) struct Report {
    steady: Steady,
    giants: Vec<Giant>,
    goals: Vec<Goal>,
}

impl Report {
    pub(super) fn new(steady: Steady, giants: Vec<Giant>) -> Self {
        let resident = mb(steady.resident_bytes);
        let mut goals = vec![
            Goal::new("memory: steady", resident, Bound::AtMost(64.0), " MB"),
            Goal::new("CPU: idle", steady.idle_cpu_percent, Bound::Below(0.5), " % of a core"),
        ];
        for giant in &giants {
            match giant.compression {
                Compression::Off => {
                    let peak = mb(giant.resident_bytes_peak);
                    let what = "memory: peak, one large transaction";
                    goals.push(Goal::new(what, peak, Bound::AtMost(128.0), " MB"));
                }
                // The server hands over a compressed transaction as one event: no goal is set.
                Compression::On => {}
            }
        }
        Self { steady, giants, goals }
    }

    pub(crate) fn goals(&self) -> &[Goal] {
        &self.goals
    }

    pub(crate) fn markdown(&self) -> String {
        let mut table =
            Table::new(["exactly-once", "memory MB", "peak MB", "CPU % of a core", "seconds"]);
        let steady = &self.steady;
        let dash = || "–".to_owned();
        table.row([
            format!("steady, {} commits/s", steady.commits_per_second),
            tenths(Some(mb(steady.resident_bytes))),
            tenths(Some(mb(steady.resident_bytes_peak))),
            tenths(Some(steady.cpu_percent)),
            steady.seconds.to_string(),
        ]);
        table.row([
            "idle after that".to_owned(),
            tenths(Some(mb(steady.idle_resident_bytes))),
            dash(),
            format!("{:.2}", steady.idle_cpu_percent),
            steady.idle_seconds.to_string(),
        ]);
        for giant in &self.giants {
            let (rows, size) = (whole(float(giant.rows)), whole(mb(giant.row_bytes)));
            let compression = giant.compression.name();
            table.row([
                format!("one transaction of {size} MB, {rows} rows, {compression}"),
                dash(),
                tenths(Some(mb(giant.resident_bytes_peak))),
                dash(),
                tenths(Some(giant.seconds)),
            ]);
        }
        table.markdown()
    }
}

fn mb(bytes: u64) -> f64 {
    megabytes(float(bytes))
}

#[expect(clippy::cast_precision_loss, reason = "counts and bytes far below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn giant(compression: Compression, resident_bytes_peak: u64) -> Giant {
        let (rows, row_bytes, seconds) = (900_000, 1 << 30, 9.5);
        Giant { compression, rows, row_bytes, resident_bytes_peak, seconds }
    }

    fn report(idle_cpu_percent: f64) -> Report {
        let steady = Steady {
            commits_per_second: 1_000,
            seconds: 60,
            cpu_percent: 12.0,
            resident_bytes: 40_000_000,
            resident_bytes_peak: 45_000_000,
            idle_seconds: 30,
            idle_cpu_percent,
            idle_resident_bytes: 39_000_000,
        };
        let giants =
            vec![giant(Compression::Off, 128_000_000), giant(Compression::On, 700_000_000)];
        Report::new(steady, giants)
    }

    #[test]
    fn compressed_transaction_is_shown_and_has_no_goal() {
        let report = report(0.1);

        assert!(report.goals.iter().all(|goal| goal.is_met), "{:?}", report.goals);
        assert_eq!(report.goals.len(), 3);
        assert!(report.markdown().contains("700.0"), "{}", report.markdown());
    }

    #[test]
    fn idle_cpu_must_stay_below_its_bound() {
        assert!(report(0.5).goals.iter().any(|goal| !goal.is_met));
    }
}
