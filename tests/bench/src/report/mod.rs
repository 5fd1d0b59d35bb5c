//! Figures → Markdown for people, JSON for programs, a section of `docs/benchmarks.md` for readers.

mod docs;
mod goal;
mod table;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;

pub(crate) use self::{
    goal::{Bound, Goal},
    table::{Table, megabytes, tenths, whole},
};
use crate::{catch_up, latency, machine::Machine, memory};

#[derive(Debug, Clone, Args)]
pub(crate) struct Output {
    /// JSON instead of Markdown: every single drain and trial, not only the medians.
    #[arg(long, global = true)]
    json: bool,
    /// Writes the figures into docs/benchmarks.md too.
    #[arg(long, global = true, conflicts_with = "is_quick")]
    write_docs: bool,
    /// Fails when a goal is missed.
    #[arg(long, global = true)]
    check: bool,
}

/// Everything that one call measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) is_quick: bool,
    /// Of the servers.
    pub(crate) versions: String,
    pub(crate) catch_up: Option<catch_up::Report>,
    pub(crate) latency: Option<latency::Report>,
    pub(crate) memory: Option<memory::Report>,
}

impl Report {
    /// Without any figures yet.
    pub(crate) fn of(machine: Machine, is_quick: bool) -> Self {
        Self {
            machine,
            is_quick,
            versions: String::new(),
            catch_up: None,
            latency: None,
            memory: None,
        }
    }

    /// Prints it, and whatever else was asked for.
    #[expect(clippy::print_stdout, reason = "the figures are the command's result")]
    pub(crate) fn publish(&self, output: &Output) -> Result<()> {
        if output.json {
            println!("{}", serde_json::to_string_pretty(self)?);
        } else {
            print!("{}", self.markdown());
        }
        if output.write_docs {
            let file = docs::write(&self.sections())?;
            eprintln!("the figures are in {}", file.display());
        }
        let missed: Vec<&str> =
            self.goals().filter(|goal| !goal.is_met).map(|goal| goal.what.as_str()).collect();
        if output.check && !missed.is_empty() {
            bail!(
                "{} of {} goals missed: {}",
                missed.len(),
                self.goals().count(),
                missed.join("; ")
            );
        }
        Ok(())
    }

    fn goals(&self) -> impl Iterator<Item = &Goal> {
        let catch_up = self.catch_up.iter().flat_map(catch_up::Report::goals);
        let latency = self.latency.iter().flat_map(latency::Report::goals);
        let memory = self.memory.iter().flat_map(memory::Report::goals);
        catch_up.chain(latency).chain(memory)
    }

    fn markdown(&self) -> String {
        let mut text = format!("{}\n", self.provenance());
        for (name, content) in self.bodies() {
            text.push_str(&format!("\n## {name}\n\n{content}"));
        }
        text
    }

    /// Each for itself, as it stands in the document.
    fn sections(&self) -> Vec<(&'static str, String)> {
        let provenance = self.provenance();
        let sections = self.bodies().into_iter();
        sections.map(|(name, content)| (name, format!("{provenance}\n\n{content}"))).collect()
    }

    fn provenance(&self) -> String {
        let mut text = format!("{}; {}.", self.machine.line(), self.versions);
        if let Some(warning) = self.machine.warning() {
            text.push_str(&format!(" **Doubtful: {warning}.**"));
        }
        if self.is_quick {
            text.push_str(" **A quick run: the figures show that it works, not how fast.**");
        }
        text
    }

    fn bodies(&self) -> Vec<(&'static str, String)> {
        let mut bodies = Vec::new();
        if let Some(report) = &self.catch_up {
            bodies.push(("catch-up", report.markdown() + &goals(report.goals())));
        }
        if let Some(report) = &self.latency {
            bodies.push(("latency", report.markdown() + &goals(report.goals())));
        }
        if let Some(report) = &self.memory {
            bodies.push(("memory", report.markdown() + &goals(report.goals())));
        }
        bodies
    }
}

/// Up to here other programs do not count.
const OTHERS_PERCENT_MAX: f64 = 5.0;

/// A line about the most that other programs used during any of the measurements; nothing where
/// nobody can know.
pub(crate) fn others(percents: impl Iterator<Item = Option<f64>>) -> String {
    let most = percents.flatten().fold(None, |most: Option<f64>, percent| {
        Some(most.map_or(percent, |most| most.max(percent)))
    });
    match most {
        Some(most) if most > OTHERS_PERCENT_MAX => format!(
            "\n**Doubtful: other programs used up to {most:.0} % of the machine's CPU meanwhile.**\n"
        ),
        Some(most) => {
            format!("\nOther programs used up to {most:.1} % of the machine's CPU meanwhile.\n")
        }
        None => String::new(),
    }
}

fn goals(goals: &[Goal]) -> String {
    if goals.is_empty() {
        return String::new();
    }
    let mut table = Table::new(["goal", "required", "measured", ""]);
    goals.iter().for_each(|goal| table.row(goal.row()));
    format!("\n{}", table.markdown())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_that_others_used_is_told_and_doubted_when_it_is_much() {
        let line = others([Some(1.0), None, Some(4.25), Some(2.0)].into_iter());
        assert!(line.contains("up to 4.2 %") && !line.contains("Doubtful"), "{line}");

        let line = others([Some(1.0), Some(5.1)].into_iter());
        assert!(line.contains("Doubtful"), "{line}");

        assert_eq!(others([None].into_iter()), "");
    }
}
