//! What the figures were measured on, in one line, and whether it was busy with something else.

use std::{fs, process::Command, thread};

use anyhow::{Context, Result};
use serde::Serialize;

/// Share of the cores that others may use before the figures are called doubtful.
const LOAD_SHARE_MAX: f64 = 0.25;

/// The machine at the moment of the start.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: f64,
    pub(crate) kernel: String,
    /// Load average of the last 1, 5 and 15 minutes.
    pub(crate) load: [f64; 3],
    /// The commit that was built, `-dirty` where files differ from it; empty outside a clone.
    pub(crate) commit: String,
    pub(crate) date: String,
}

impl Machine {
    pub(crate) fn look() -> Result<Self> {
        Ok(Self {
            processor: processor(&read("/proc/cpuinfo")?),
            cores: thread::available_parallelism()?.get(),
            memory_gib: memory_gib(&read("/proc/meminfo")?).context("no MemTotal")?,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load(&read("/proc/loadavg")?).context("no load average")?,
            commit: commit(),
            date: jiff::Zoned::now().date().to_string(),
        })
    }

    /// A busy machine's figures say little; why, if it is one.
    pub(crate) fn warning(&self) -> Option<String> {
        let [last_minute, ..] = self.load;
        #[expect(clippy::cast_precision_loss, reason = "a number of cores")]
        let load_max = self.cores as f64 * LOAD_SHARE_MAX;
        (last_minute > load_max).then(|| {
            format!(
                "the load average was {last_minute:.2} on {} cores before the start (up to \
                 {load_max:.2} is quiet): figures of a busy machine mean little",
                self.cores
            )
        })
    }

    pub(crate) fn line(&self) -> String {
        let [one, five, fifteen] = self.load;
        let built = if self.commit.is_empty() {
            String::new()
        } else {
            format!(", commit {}", self.commit)
        };
        format!(
            "{}: {} × {}, {:.1} GiB, Linux {}, load average at the start {one:.2} {five:.2} \
             {fifteen:.2}{built}",
            self.date, self.cores, self.processor, self.memory_gib, self.kernel,
        )
    }
}

fn read(file: &str) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {file}"))
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

fn memory_gib(meminfo: &str) -> Option<f64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1_024.0 / 1_024.0)
}

fn load(loadavg: &str) -> Option<[f64; 3]> {
    let mut numbers = loadavg.split_whitespace().map_while(|number| number.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

fn commit() -> String {
    let mut git = Command::new("git");
    let described = git.args(["describe", "--always", "--dirty", "--exclude=*"]).output();
    match described {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        }
        Ok(_) | Err(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(last_minute: f64) -> Machine {
        Machine {
            processor: processor("processor\t: 0\nmodel name\t: Test CPU\n"),
            cores: 2,
            memory_gib: memory_gib("MemTotal:  24117248 kB\nMemFree: 1 kB\n").unwrap(),
            kernel: "6.1".to_owned(),
            load: [last_minute, 1.0, 2.0],
            commit: String::new(),
            date: "2026-01-02".to_owned(),
        }
    }

    #[test]
    fn line_names_what_the_kernel_says() {
        let expected = "2026-01-02: 2 × Test CPU, 23.0 GiB, Linux 6.1, load average at the start \
             0.10 1.00 2.00";
        assert_eq!(machine(0.1).line(), expected);
        assert_eq!(load("0.50 0.40 0.30 1/234 5678\n"), Some([0.5, 0.4, 0.3]));
    }

    #[test]
    fn busy_machine_is_warned_of_and_a_quiet_one_is_not() {
        assert_eq!(machine(0.5).warning(), None);
        assert!(machine(0.51).warning().unwrap().contains("0.51"));
    }

    #[test]
    fn this_machine_can_be_looked_at() {
        let machine = Machine::look().unwrap();

        assert!(machine.cores > 0 && machine.memory_gib > 0.0, "{machine:?}");
    }
}
