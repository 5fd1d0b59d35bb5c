//! `rowpost check`: everything the relay needs of MySQL and Kafka, looked at without publishing.
//!
//! Each stage checks its own side and returns [`Check`]s; here they become a table or JSON, and an
//! exit code.

mod command;
mod table;

use serde::Serialize;

pub use self::{
    command::{CheckFailed, collect, conclude},
    table::render,
};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The setting or privilege, by the name the server gives it.
    pub name: String,
    pub verdict: Verdict,
    /// What was found.
    pub actual: String,
    /// What the relay needs; empty where there is nothing to require.
    pub required: String,
    /// What to do, where something is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
}

/// In ascending order of badness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    /// The relay runs, but somebody should know.
    Warning,
    /// The relay would halt.
    Failed,
}

impl Check {
    pub fn ok(name: impl Into<String>, actual: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            verdict: Verdict::Ok,
            actual: actual.into(),
            required: String::new(),
            repair: None,
        }
    }

    pub fn warning(
        name: impl Into<String>,
        actual: impl Into<String>,
        repair: impl Into<String>,
    ) -> Self {
        Self { verdict: Verdict::Warning, repair: Some(repair.into()), ..Self::ok(name, actual) }
    }

    pub fn failed(name: impl Into<String>, actual: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, ..Self::ok(name, actual) }
    }

    /// The same, but somebody should repair it.
    pub fn warn(self, repair: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, repair: Some(repair.into()), ..self }
    }

    /// The same, but the relay would halt.
    pub fn fail(self, repair: impl Into<String>) -> Self {
        Self { verdict: Verdict::Failed, repair: Some(repair.into()), ..self }
    }

    pub fn requiring(self, required: impl Into<String>) -> Self {
        Self { required: required.into(), ..self }
    }
}

/// The worst verdict, [`Verdict::Ok`] for no checks at all.
pub fn worst(checks: &[Check]) -> Verdict {
    checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok)
}
