//! `cargo xtask test`: every test, on real servers.
//!
//! The README's other command is among them. A tier that cannot run is said in one line and counted as failed, unless it was left out by
//! `--without`. The last line is `N passed, N failed`.

mod compose;
mod tally;

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use rowpost_servers::tier::{Tier, WITHOUT_VARIABLE};

use self::tally::Tally;
use crate::cargo;

/// Of cargo's test programs: how many tests run at once. Twice the cores, because they mostly wait for servers.
const THREADS_VARIABLE: &str = "RUST_TEST_THREADS";

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// Leaves tests out that need this: mysql-5.7, mysql-8.0, mysql-9, kafka, dynamodb, kill, compose. Repeatable.
    #[arg(long, value_name = "TIER")]
    without: Vec<Tier>,
    /// Only tests whose names contain this.
    filter: Option<String>,
}

pub(crate) fn run(arguments: &Test) -> Result<()> {
    let mut tally = Tally::default();
    let wanted = |tier: &Tier| !arguments.without.contains(tier);
    for tier in &arguments.without {
        println!("left out: {tier}");
    }
    let mut without = arguments.without.clone();
    for tier in Tier::ALL.into_iter().filter(wanted) {
        if let Err(error) = tier.prepare() {
            // Counted here once, not once more in each test that needs it.
            tally.fail(&format!(
                "tier {tier} cannot run: {error:#} (--without {tier} leaves it out)"
            ));
            without.push(tier);
        }
    }
    run_cargo_tests(arguments, &without, &mut tally)?;
    if wanted(&Tier::Compose) && arguments.filter.is_none() {
        match compose::check() {
            Ok(()) => tally.pass("docker compose up gives a shop and a relay that publishes"),
            Err(error) => tally.fail(&format!("tier compose: {error:#}")),
        }
    }
    if [Tier::Mysql9, Tier::Kafka].iter().all(wanted) && arguments.filter.is_none() {
        match demo() {
            Ok(()) => tally.pass("cargo xtask demo ends in a good verdict"),
            Err(error) => tally.fail(&format!("cargo xtask demo: {error:#}")),
        }
    }
    tally.print();
    ensure!(tally.failed() == 0, "tests failed");
    Ok(())
}

/// The README's other command, shorter; the compose file is checked by itself.
fn demo() -> Result<()> {
    let this = env::current_exe().context("where xtask lies")?;
    let status = Command::new(this)
        .args(["demo", "--native", "--seconds", "6"])
        .status()
        .context("the demo cannot be started")?;
    ensure!(status.success(), "{status}");
    Ok(())
}

fn run_cargo_tests(arguments: &Test, without: &[Tier], tally: &mut Tally) -> Result<()> {
    // What the tests start; built first, so that no test waits for a compiler.
    cargo::run(&cargo::build_arguments(&cargo::PROGRAMS))?;
    let without: Vec<String> = without.iter().map(Tier::to_string).collect();
    let mut tests = cargo::command();
    tests
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(arguments.filter.as_deref())
        .env(WITHOUT_VARIABLE, without.join(","))
        .env("ROWPOST_BIN", cargo::target().join("debug/rowpost"));
    if env::var_os(THREADS_VARIABLE).is_none() {
        let cores = thread::available_parallelism().context("how many cores there are")?;
        tests.env(THREADS_VARIABLE, (2 * cores.get()).to_string());
    }
    let succeeded = stream(&mut tests, |line| tally.read(line))?;
    if !succeeded && tally.failed() == 0 {
        // Not a test: something does not compile, or a test program died.
        tally.fail("cargo test failed before a test could");
    }
    Ok(())
}

/// Shows what a program prints on stdout, line by line, and whether it succeeded.
fn stream(command: &mut Command, mut each: impl FnMut(&str)) -> Result<bool> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("cargo cannot be started")?;
    let output = child.stdout.take().context("stdout was piped")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        each(&line);
    }
    Ok(child.wait()?.success())
}
