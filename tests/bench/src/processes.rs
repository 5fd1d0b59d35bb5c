//! CPU time over time: of the publisher, of the servers, and of everybody else on the machine.
//!
//! A drain's moments are known only afterwards (when the broker appended the first and the last
//! record), so the counters are noted all the time and read in between by interpolation.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, anyhow};
use rowpost_servers::{process::ProcessId, usage};

/// The kernel counts in steps of 10 ms.
const INTERVAL: Duration = Duration::from_millis(25);

/// Who has a part in what is measured. `None`: a server that is not our process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watched {
    pub(crate) publisher: ProcessId,
    pub(crate) broker: Option<ProcessId>,
    pub(crate) mysql: Option<ProcessId>,
}

/// CPU seconds since some beginning; `None` where nobody can know.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Cpu {
    pub(crate) publisher: Option<f64>,
    pub(crate) broker: Option<f64>,
    mysql: Option<f64>,
    /// This process: writers and consumers.
    own: Option<f64>,
    /// All processes on all cores, and what the hypervisor took.
    machine: Option<f64>,
}

impl Watched {
    pub(crate) fn look(&self) -> Cpu {
        let seconds = |process: Option<ProcessId>| usage::cpu_seconds(process?).ok();
        Cpu {
            publisher: seconds(Some(self.publisher)),
            broker: seconds(self.broker),
            mysql: seconds(self.mysql),
            own: seconds(ProcessId::of(std::process::id())),
            machine: fs::read_to_string("/proc/stat").ok().and_then(|stat| machine_seconds(&stat)),
        }
    }
}

/// SERVER: proc(5), `/proc/stat`: user, nice, system, idle, iowait, irq, softirq, steal, in hundredths.
fn machine_seconds(stat: &str) -> Option<f64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<f64> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
        return None;
    };
    Some((user + nice + system + irq + softirq + steal) / 100.0)
}

impl Cpu {
    pub(crate) fn since(self, earlier: Self) -> Self {
        self.with(earlier, |now, then| now - then)
    }

    /// What is none of ours.
    pub(crate) fn others(self) -> Option<f64> {
        // The processes' counters and the machine's are not of the same instant.
        Some((self.machine? - self.publisher? - self.broker? - self.mysql? - self.own?).max(0.0))
    }

    fn with(self, other: Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        let both = |ours: Option<f64>, others: Option<f64>| Some(combine(ours?, others?));
        Self {
            publisher: both(self.publisher, other.publisher),
            broker: both(self.broker, other.broker),
            mysql: both(self.mysql, other.mysql),
            own: both(self.own, other.own),
            machine: both(self.machine, other.machine),
        }
    }
}

/// Milliseconds since the epoch: the clock of Kafka's timestamps.
fn epoch_ms() -> f64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1_000.0
}

/// The counters over time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Timeline {
    samples: Vec<(f64, Cpu)>,
}

impl Timeline {
    /// What was used between two moments.
    pub(crate) fn between(&self, from_ms: f64, to_ms: f64) -> Result<Cpu> {
        let at = |moment_ms| self.at(moment_ms).context("the processes were never looked at");
        Ok(at(to_ms)?.since(at(from_ms)?))
    }

    /// Before the first and after the last sample the counters are taken to stand still.
    fn at(&self, at_ms: f64) -> Option<Cpu> {
        let later = self.samples.partition_point(|(sample_ms, _)| *sample_ms < at_ms);
        let after = self.samples.get(later);
        let before = later.checked_sub(1).and_then(|earlier| self.samples.get(earlier));
        match (before, after) {
            (Some((before_ms, before)), Some((after_ms, after))) => {
                let share = (at_ms - before_ms) / (after_ms - before_ms);
                Some(before.with(*after, |before, after| before + share * (after - before)))
            }
            (Some((_, only)), None) | (None, Some((_, only))) => Some(*only),
            (None, None) => None,
        }
    }
}

/// Notes the counters until it is asked for them.
pub(crate) struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Timeline>,
}

impl Sampler {
    pub(crate) fn start(watched: Watched) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut timeline = Timeline::default();
            loop {
                // ORDER: asked before the look, so that the last sample is not older than the stop.
                let is_last = stopped.load(Ordering::Acquire);
                timeline.samples.push((epoch_ms(), watched.look()));
                if is_last {
                    return timeline;
                }
                thread::sleep(INTERVAL);
            }
        });
        Self { stop, thread }
    }

    pub(crate) fn finish(self) -> Result<Timeline> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| anyhow!("the sampler panicked"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(samples: &[(f64, f64)]) -> Timeline {
        let cpu = |seconds| Cpu { publisher: Some(seconds), ..Cpu::default() };
        Timeline { samples: samples.iter().map(|(ms, seconds)| (*ms, cpu(*seconds))).collect() }
    }

    fn used(timeline: &Timeline, from_ms: f64, to_ms: f64) -> f64 {
        timeline.between(from_ms, to_ms).unwrap().publisher.unwrap()
    }

    #[test]
    fn time_between_two_samples_is_shared_out() {
        let timeline = timeline(&[(1_000.0, 5.0), (1_100.0, 5.1), (1_200.0, 5.2)]);

        let used = used(&timeline, 1_050.0, 1_175.0);

        assert!((used - 0.125).abs() < 1e-9, "{used}");
    }

    #[test]
    fn counter_stands_still_outside_of_the_samples() {
        let timeline = timeline(&[(1_000.0, 5.0), (2_000.0, 6.0)]);

        assert_eq!(used(&timeline, 0.0, 9_000.0), 1.0);
        assert_eq!(used(&timeline, 3_000.0, 9_000.0), 0.0);
        assert_eq!(timeline.between(0.0, 9_000.0).unwrap().broker, None);
        assert!(Timeline::default().between(0.0, 1.0).is_err());
    }

    #[test]
    fn others_are_the_machine_without_ours() {
        let ours = Cpu {
            publisher: Some(1.0),
            broker: Some(2.0),
            mysql: Some(3.0),
            own: Some(4.0),
            machine: machine_seconds("cpu  700 100 100 9999 88 50 50 200 0 0\ncpu0 1\n"),
        };

        assert_eq!(ours.machine, Some(12.0));
        assert_eq!(ours.others(), Some(2.0));
        assert_eq!(Cpu { mysql: None, ..ours }.others(), None);
    }

    #[test]
    fn busy_process_is_seen_using_time() {
        let own = ProcessId::of(std::process::id()).unwrap();
        let sampler = Sampler::start(Watched { publisher: own, broker: None, mysql: None });
        let from = epoch_ms();
        let mut sum = 0_u64;
        while epoch_ms() < from + 200.0 {
            sum = sum.wrapping_mul(31).wrapping_add(std::hint::black_box(7));
        }
        let to = epoch_ms();

        let used = sampler.finish().unwrap().between(from, to).unwrap();

        assert!(used.publisher.unwrap() > 0.02, "{used:?}, {sum}");
        assert!(used.machine.unwrap() > 0.02 && used.broker.is_none(), "{used:?}");
    }
}
