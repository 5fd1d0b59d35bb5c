//! Warnings of the preflight → the log, each once.
//!
//! Every attempt of the pipeline asks the server again. What an operator was told at the start is not
//! news at the hundredth attempt of an outage; that it has changed is.

use std::collections::BTreeMap;

use tracing::{debug, warn};

use super::Check;
use crate::check::Verdict;

/// What was said since the process began: name and finding.
#[derive(Debug, Default)]
pub struct Advice(BTreeMap<String, String>);

impl Advice {
    pub(in crate::source) fn give(&mut self, checks: &[Check]) {
        for check in checks.iter().filter(|check| check.verdict == Verdict::Warning) {
            let Check { name, actual, .. } = check;
            let repair = check.repair.as_deref();
            if self.is_news(check) {
                warn!(name, actual, repair, "source is not set up for the best");
            } else {
                debug!(name, actual, repair, "source is still not set up for the best");
            }
        }
    }

    fn is_news(&mut self, check: &Check) -> bool {
        let said = self.0.insert(check.name.clone(), check.actual.clone());
        said.as_ref() != Some(&check.actual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_is_news_once_and_again_when_it_has_changed() {
        let mut advice = Advice::default();
        let off = Check::warning("gtid_mode", "OFF", "mend it");
        let checksum = Check::warning("binlog_checksum", "OFF", "mend it");
        let permissive = Check::warning("gtid_mode", "ON_PERMISSIVE", "mend it");

        assert!(advice.is_news(&off));
        assert!(advice.is_news(&checksum));
        assert!(!advice.is_news(&off) && !advice.is_news(&checksum));
        assert!(advice.is_news(&permissive));
        assert!(!advice.is_news(&permissive));
    }
}
