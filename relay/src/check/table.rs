//! Checks → a table for a terminal.

use std::fmt::{self, Write};

use super::{Check, Verdict, worst};

/// Longer texts go below their line instead of widening the table.
const COLUMN_MAX: usize = 48;

/// Aligned columns; a repair stands under its line.
pub fn render(checks: &[Check]) -> String {
    let width = |text: fn(&Check) -> &str, heading: &str| {
        let widths = checks.iter().map(|check| text(check).chars().count());
        widths.chain([heading.len()]).filter(|width| *width <= COLUMN_MAX).max().unwrap_or(0)
    };
    let name = width(|check| &check.name, "check");
    let actual = width(|check| &check.actual, "actual");
    let mut text = String::new();
    line(&mut text, format_args!("{:<7}  {:<name$}  {:<actual$}  required", "", "check", "actual"));
    for check in checks {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warning => "warning",
            Verdict::Failed => "FAILED",
        };
        let Check { name: check_name, actual: found, required, repair, .. } = check;
        line(
            &mut text,
            format_args!("{verdict:<7}  {check_name:<name$}  {found:<actual$}  {required}"),
        );
        if let Some(repair) = repair {
            line(&mut text, format_args!("         → {repair}"));
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (failed, warnings) = (count(Verdict::Failed), count(Verdict::Warning));
    let summary = match worst(checks) {
        Verdict::Ok => format!("all {} checks passed", checks.len()),
        Verdict::Warning => format!("no check failed, {warnings} warned"),
        Verdict::Failed => {
            format!("{failed} failed, {warnings} warned, of {} checks", checks.len())
        }
    };
    line(&mut text, format_args!("{summary}"));
    text
}

fn line(text: &mut String, content: fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let start = text.len();
    let _: fmt::Result = text.write_fmt(content);
    let end = text.trim_end().len().max(start);
    text.truncate(end);
    text.push('\n');
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
