//! What test programs print → how many passed and failed.

#[derive(Debug, Default)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Tally {
    /// `test result: ok. 12 passed; 0 failed; …` counts; so does the name of each failed test, which
    /// the end of a long run would otherwise hide.
    pub(super) fn read(&mut self, line: &str) {
        if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failures.push(name.to_owned());
        }
        let Some((_, counts)) = line.split_once("test result: ") else { return };
        self.passed += count(counts, " passed");
        self.failed += count(counts, " failed");
    }

    pub(super) fn pass(&mut self, what: &str) {
        println!("passed: {what}");
        self.passed += 1;
    }

    pub(super) fn fail(&mut self, what: &str) {
        println!("FAILED: {what}");
        self.failures.push(what.to_owned());
        self.failed += 1;
    }

    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    pub(super) fn print(&self) {
        for failure in &self.failures {
            println!("failed: {failure}");
        }
        println!("{} passed, {} failed", self.passed, self.failed);
    }
}

/// The number before `unit`.
fn count(counts: &str, unit: &str) -> u64 {
    counts
        .split_once(unit)
        .and_then(|(before, _)| before.rsplit(|character: char| !character.is_ascii_digit()).next())
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_programs_are_summed() {
        let mut tally = Tally::default();

        tally.read("test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out");
        tally.read("test position::gtid ... ok");
        tally.read("test ordering ... FAILED");
        tally.read("test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured");

        assert_eq!((tally.passed, tally.failed), (15, 1));
        assert_eq!(tally.failures, ["ordering"]);
    }
}
