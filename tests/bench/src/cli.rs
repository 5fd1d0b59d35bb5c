//! Arguments → measurements → figures.

use std::env;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};
use rowpost_tests::programs::RELAY_VARIABLE;

use crate::{
    catch_up, ceiling, latency,
    machine::Machine,
    memory,
    report::{Output, Report},
    stand::{Setting, Stand},
};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", about = "What the relay reaches on real MySQL and Kafka")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    effort: Effort,
    #[command(flatten)]
    output: Output,
    /// Another value for a key of the relay's configuration, as `publish.commit_spacing='2ms'`.
    /// Repeatable; such figures do not go into the document.
    #[arg(long = "set", global = true, value_name = "KEY=TOML", conflicts_with = "write_docs")]
    settings: Vec<Setting>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drains a backlog and compares with what librdkafka alone reaches.
    CatchUp(catch_up::Options),
    /// Times records from the writer's commit to a consumer.
    Latency(latency::Options),
    /// Resident memory: steady, idle, one transaction of 1 GiB.
    Memory(memory::Options),
    /// All three, one after the other.
    All(All),
    /// What `catch-up` starts beside the relay.
    #[command(hide = true)]
    Ceiling(ceiling::Options),
}

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Effort {
    /// Small and short: shows that it works, its figures mean nothing.
    #[arg(long = "quick", global = true)]
    pub(crate) is_quick: bool,
    /// How often catch-up and latency try everything, in turns [default: 3; quick: 1].
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
}

impl Effort {
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.is_quick { 1 } else { 3 })
    }
}

#[derive(Debug, Args)]
struct All {
    #[command(flatten)]
    catch_up: catch_up::Options,
    #[command(flatten)]
    latency: latency::Options,
    #[command(flatten)]
    memory: memory::Options,
}

/// Which benchmarks to run, with their options.
#[derive(Debug, Default)]
struct Selection {
    catch_up: Option<catch_up::Options>,
    latency: Option<latency::Options>,
    memory: Option<memory::Options>,
}

pub(crate) fn run(arguments: Arguments) -> Result<()> {
    let none = Selection::default();
    let selection = match arguments.command {
        Command::Ceiling(options) => return ceiling::run(&options),
        Command::CatchUp(options) => Selection { catch_up: Some(options), ..none },
        Command::Latency(options) => Selection { latency: Some(options), ..none },
        Command::Memory(options) => Selection { memory: Some(options), ..none },
        Command::All(All { catch_up, latency, memory }) => {
            Selection { catch_up: Some(catch_up), latency: Some(latency), memory: Some(memory) }
        }
    };
    ensure!(
        env::var_os(RELAY_VARIABLE).is_some(),
        "{RELAY_VARIABLE} does not name the relay to be measured, and one built here would be a debug \
         build; `cargo xtask bench` builds and names it"
    );
    // ORDER: the machine is looked at before anything here makes it busy.
    let machine = Machine::look()?;
    eprintln!("{}", machine.line());
    if let Some(warning) = machine.warning() {
        eprintln!("warning: {warning}");
    }
    for setting in &arguments.settings {
        eprintln!("tried: {setting}");
    }
    let mut report = Report::of(machine, arguments.effort.is_quick);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let stand = Stand::start(&arguments.settings).await?;
        measure(&mut report, &stand, &selection, arguments.effort).await
    });
    // What was measured before a failure took its time too.
    let published = report.publish(&arguments.output);
    outcome.and(published)
}

async fn measure(
    report: &mut Report,
    stand: &Stand,
    selection: &Selection,
    effort: Effort,
) -> Result<()> {
    report.versions = stand.versions().await?;
    // ORDER: what catch-up and the large transactions leave behind is written to the disk for a while,
    // which latency would feel.
    if let Some(options) = &selection.latency {
        report.latency = Some(latency::run(stand, options, effort).await?);
    }
    if let Some(options) = &selection.catch_up {
        report.catch_up = Some(catch_up::run(stand, options, effort).await?);
    }
    if let Some(options) = &selection.memory {
        report.memory = Some(memory::run(stand, options, effort).await?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_free_of_contradictions() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn all_takes_the_options_of_each() {
        let line = "bench all --rows 5 --rates 50 --idle-seconds 3 --quick --json";

        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();

        assert!(matches!(arguments.command, Command::All(_)) && arguments.effort.is_quick);
    }

    #[test]
    fn figures_of_a_quick_run_do_not_reach_the_document() {
        let line = "bench memory --quick --write-docs";

        assert!(Arguments::try_parse_from(line.split(' ')).is_err());
    }

    #[test]
    fn figures_of_tried_settings_do_not_reach_the_document() {
        let line = "bench memory --set publish.slots=1 --write-docs";

        assert!(Arguments::try_parse_from(line.split(' ')).is_err());
        assert!(Arguments::try_parse_from(["bench", "memory", "--set", "publish.slots"]).is_err());
    }

    #[test]
    fn ceiling_understands_what_catch_up_tells_it() {
        let options = ceiling::Options {
            bootstrap: "127.0.0.1:9092".to_owned(),
            source: "s".to_owned(),
            topic: "t".to_owned(),
            run: u32::MAX,
            rows: 7,
            payload_bytes: 300,
        };
        let line = ["bench".to_owned(), "ceiling".to_owned()].into_iter();

        let arguments = Arguments::try_parse_from(line.chain(options.arguments())).unwrap();

        let Command::Ceiling(read) = arguments.command else { panic!("not the ceiling") };
        assert_eq!(read.arguments(), options.arguments());
    }
}
