//! Commits → rates and commit times of the last minute.
//!
//! One slot for each second, reused after a minute, so that memory and the cost of a commit are
//! constant and nothing runs while nothing happens. Commit times are counted in buckets of a quarter
//! of a power of two: a quantile is right to an eighth.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Seconds that the windows reach back.
const WINDOW: u64 = 60;
/// The window, and the second that is still running.
const SLOTS: usize = 61;
/// Up to 2^27 microseconds, some two minutes.
const BUCKETS: usize = 27 * 4;

/// Shared between the publisher, which records, and whoever shows it.
#[derive(Debug)]
pub struct Activity {
    started: Instant,
    windows: Mutex<Windows>,
}

/// What happened in the last minute, and in all.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Summary {
    /// Of the last whole second.
    pub records_per_second: f64,
    /// Over the last 60 whole seconds, or since the start.
    pub records_per_second_minute: f64,
    pub commit_p50: Option<Duration>,
    pub commit_p99: Option<Duration>,
    pub commit_last: Option<Duration>,
    pub commits_minute: u64,
    pub records_total: u64,
    pub commits_total: u64,
}

impl Activity {
    pub fn start() -> Self {
        Self { started: Instant::now(), windows: Mutex::new(Windows::new()) }
    }

    /// A Kafka transaction was committed: so many records, so long after its first one came.
    pub fn record(&self, records: u64, commit_time: Duration) {
        let second = self.started.elapsed().as_secs();
        self.windows().record(second, records, commit_time);
    }

    pub fn summary(&self) -> Summary {
        let second = self.started.elapsed().as_secs();
        self.windows().summary(second)
    }

    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        // Counters have no broken state that a panic could leave behind.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pure part: time is a number of seconds since the start.
#[derive(Debug)]
struct Windows {
    slots: Box<[Slot]>,
    last: Option<Duration>,
    records_total: u64,
    commits_total: u64,
}

#[derive(Debug, Clone)]
struct Slot {
    /// Which second this slot counts; a slot of another minute is out of date.
    second: u64,
    records: u64,
    commit_times: [u32; BUCKETS],
}

impl Windows {
    fn new() -> Self {
        let empty = Slot { second: 0, records: 0, commit_times: [0; BUCKETS] };
        Self { slots: vec![empty; SLOTS].into(), last: None, records_total: 0, commits_total: 0 }
    }

    fn record(&mut self, second: u64, records: u64, commit_time: Duration) {
        self.records_total += records;
        self.commits_total += 1;
        self.last = Some(commit_time);
        let index = usize::try_from(second).unwrap_or(usize::MAX) % SLOTS;
        let Some(slot) = self.slots.get_mut(index) else { return };
        if slot.second != second {
            *slot = Slot { second, records: 0, commit_times: [0; BUCKETS] };
        }
        slot.records += records;
        if let Some(count) = slot.commit_times.get_mut(bucket(commit_time)) {
            *count += 1;
        }
    }

    fn summary(&self, now: u64) -> Summary {
        let whole = |slot: &&Slot| slot.second < now && slot.second + WINDOW >= now;
        let last_second: u64 =
            self.slots.iter().filter(|slot| slot.second + 1 == now).map(|slot| slot.records).sum();
        let minute: u64 = self.slots.iter().filter(whole).map(|slot| slot.records).sum();
        // The running second counts for the times: a first commit is seen at once.
        let mut times = [0_u64; BUCKETS];
        for slot in self.slots.iter().filter(|slot| slot.second + WINDOW >= now) {
            for (sum, count) in times.iter_mut().zip(&slot.commit_times) {
                *sum += u64::from(*count);
            }
        }
        Summary {
            records_per_second: fraction(last_second),
            records_per_second_minute: fraction(minute) / fraction(now.clamp(1, WINDOW)),
            commit_p50: quantile(&times, 50),
            commit_p99: quantile(&times, 99),
            commit_last: self.last,
            commits_minute: times.iter().sum(),
            records_total: self.records_total,
            commits_total: self.commits_total,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count for people; far below 2^52")]
fn fraction(count: u64) -> f64 {
    count as f64
}

/// Four buckets for each power of two of microseconds.
fn bucket(time: Duration) -> usize {
    let us = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(4);
    let exponent = us.ilog2();
    let quarter = (us >> (exponent - 2)) & 3;
    let index = u64::from(exponent - 2) * 4 + quarter;
    usize::try_from(index).unwrap_or(usize::MAX).min(BUCKETS - 1)
}

/// The middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let (exponent, quarter) = (bucket / 4, u64::try_from(bucket % 4).unwrap_or(0));
    let width = 1_u64 << exponent;
    Duration::from_micros((4 + quarter) * width + width / 2)
}

fn quantile(times: &[u64; BUCKETS], percent: u64) -> Option<Duration> {
    let total: u64 = times.iter().sum();
    let rank = (total * percent).div_ceil(100).max(1);
    let mut seen = 0;
    times.iter().enumerate().find_map(|(bucket, count)| {
        seen += count;
        (seen >= rank && *count > 0).then(|| middle(bucket))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn rates_count_whole_seconds_only() {
        let mut windows = Windows::new();
        windows.record(9, 300, MS);
        windows.record(10, 50, MS);

        let summary = windows.summary(10);

        assert_eq!(summary.records_per_second, 300.0);
        assert_eq!(summary.records_per_second_minute, 30.0);
        assert_eq!(summary.records_total, 350);
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten_but_counts_in_the_totals() {
        let mut windows = Windows::new();
        windows.record(5, 600, 400 * MS);
        windows.record(66, 60, MS);

        let summary = windows.summary(67);

        assert_eq!(summary.records_per_second_minute, 1.0);
        assert_eq!(summary.commits_minute, 1);
        assert!(summary.commit_p99.unwrap() < 2 * MS);
        assert_eq!((summary.records_total, summary.commits_total), (660, 2));
    }

    #[test]
    fn rate_of_the_first_minute_divides_by_the_time_that_has_passed() {
        let mut windows = Windows::new();
        for second in 0..4 {
            windows.record(second, 100, MS);
        }

        assert_eq!(windows.summary(4).records_per_second_minute, 100.0);
    }

    #[test]
    fn quantiles_come_from_all_commits_of_the_minute() {
        let mut windows = Windows::new();
        for second in 0..50 {
            windows.record(second, 1, 4 * MS);
            windows.record(second, 1, 5 * MS);
        }
        windows.record(50, 1, 900 * MS);
        windows.record(50, 1, 900 * MS);

        let summary = windows.summary(50);

        let p50 = summary.commit_p50.unwrap();
        let p99 = summary.commit_p99.unwrap();
        assert!((3500..=5500).contains(&p50.as_micros()), "{p50:?}");
        assert!((800_000..=1_000_000).contains(&p99.as_micros()), "{p99:?}");
        assert_eq!(summary.commit_last, Some(900 * MS));
        assert_eq!(summary.commits_minute, 102);
    }

    #[test]
    fn nothing_yet_is_no_time_at_all() {
        let summary = Windows::new().summary(0);

        assert_eq!(summary, Summary::default());
    }

    proptest! {
        #[test]
        fn bucket_is_right_to_an_eighth(us in 4_u64..100_000_000) {
            let shown = middle(bucket(Duration::from_micros(us))).as_micros();

            let shown = f64::from(u32::try_from(shown).unwrap());
            let us = f64::from(u32::try_from(us).unwrap());
            prop_assert!((shown - us).abs() <= us / 8.0 + 1.0, "{us} shown as {shown}");
        }
    }
}
