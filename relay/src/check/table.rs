//! Checks → a table for a terminal.

use super::{Check, Verdict, worst};

/// Longer texts go below their line instead of widening the table.
const COLUMN_MAX: usize = 40;

/// Aligned columns; a repair stands under its line.
pub fn render(checks: &[Check]) -> String {
    let width = |text: fn(&Check) -> &str, heading: &str| {
        let widths = checks.iter().map(|check| text(check).chars().count());
        widths.chain([heading.len()]).filter(|width| *width <= COLUMN_MAX).max().unwrap_or(0)
    };
    let name_width = width(|check| &check.name, "check");
    let actual_width = width(|check| &check.actual, "actual");
    let line = |verdict: &str, name: &str, actual: &str, required: &str| {
        let line =
            format!("{verdict:<7}  {name:<name_width$}  {actual:<actual_width$}  {required}");
        format!("{}\n", line.trim_end())
    };
    let mut text = line("", "check", "actual", "required");
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
        };
        text.push_str(&line(verdict, &check.name, &check.actual, &check.required));
        if let Some(repair) = &check.repair {
            text.push_str(&format!("         → {repair}\n"));
        }
    }
    text.push_str(&summary(checks));
    text
}

fn summary(checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (failed, warnings) = (count(Verdict::Failed), count(Verdict::Warning));
    match worst(checks) {
        Verdict::Ok => format!("all {} checks passed\n", checks.len()),
        Verdict::Warning => format!("no check failed, {warnings} warned\n"),
        Verdict::Failed => {
            format!("{failed} failed, {warnings} warned, of {} checks\n", checks.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_repairs_stand_below() {
        let checks = [
            Check::ok("binlog_format", "ROW").requiring("ROW"),
            Check::failed("binlog_row_image", "MINIMAL").requiring("FULL"),
            Check::warning("gtid_mode", "OFF", "set global gtid_mode = ON"),
        ];

        assert_eq!(
            render(&checks),
            "         check             actual   required\n\
             ok       binlog_format     ROW      ROW\n\
             FAILED   binlog_row_image  MINIMAL  FULL\n\
             warning  gtid_mode         OFF\n         → set global gtid_mode = ON\n\
             1 failed, 1 warned, of 3 checks\n"
        );
    }

    #[test]
    fn summary_says_the_worst() {
        assert!(render(&[Check::ok("a", "b")]).ends_with("all 1 checks passed\n"));
        let warned = [Check::ok("a", "b"), Check::warning("a", "b", "c")];
        assert!(render(&warned).ends_with("no check failed, 1 warned\n"));
        assert_eq!(
            worst(&[Check::failed("a", "b"), Check::warning("a", "b", "c")]),
            Verdict::Failed
        );
        assert_eq!(worst(&[]), Verdict::Ok);
    }
}
