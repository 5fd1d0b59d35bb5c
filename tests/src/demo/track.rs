//! Commits and arrivals, each in its own time → latencies.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::{
    ledger::{EventId, Outcome},
    writer::Ended,
};

/// What is known of a row so far.
#[derive(Debug, Clone, Copy)]
enum Known {
    /// Not in Kafka yet.
    Committed(Instant),
    /// Before the writer could say that its commit had returned.
    Arrived(Instant),
}

/// A committed row that has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) event: EventId,
    pub(super) committed_at: Instant,
    /// From the return of COMMIT to the hands of the consumer; zero where the record was faster.
    pub(super) latency: Duration,
}

/// Rows between writer and consumer, and how many there were.
#[derive(Debug, Default)]
pub(super) struct Track {
    known: HashMap<EventId, Known>,
    committed: u64,
    rolled_back: u64,
    delivered: u64,
}

impl Track {
    /// Takes the end of a transaction, and returns the rows that had arrived before it was reported.
    pub(super) fn ended(&mut self, ended: &Ended) -> Vec<Delivery> {
        let rows = ended.events.len() as u64;
        match ended.outcome {
            Outcome::RolledBack => {
                self.rolled_back += rows;
                Vec::new()
            }
            Outcome::Committed => {
                self.committed += rows;
                ended
                    .events
                    .iter()
                    .filter_map(|event| self.committed_row(*event, ended.at))
                    .collect()
            }
        }
    }

    fn committed_row(&mut self, event: EventId, committed_at: Instant) -> Option<Delivery> {
        match self.known.remove(&event) {
            Some(Known::Arrived(at)) => Some(self.delivery(event, committed_at, at)),
            Some(Known::Committed(_)) | None => {
                self.known.insert(event, Known::Committed(committed_at));
                None
            }
        }
    }

    /// Takes a record, and returns the delivery unless the commit has not been reported yet.
    pub(super) fn arrived(&mut self, event: EventId, at: Instant) -> Option<Delivery> {
        match self.known.remove(&event) {
            Some(Known::Committed(committed_at)) => Some(self.delivery(event, committed_at, at)),
            Some(Known::Arrived(_)) | None => {
                self.known.insert(event, Known::Arrived(at));
                None
            }
        }
    }

    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    pub(super) fn rolled_back(&self) -> u64 {
        self.rolled_back
    }

    /// Committed rows that have arrived.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Rows committed and not yet seen in Kafka.
    pub(super) fn behind(&self) -> u64 {
        self.committed - self.delivered
    }

    fn delivery(&mut self, event: EventId, committed_at: Instant, arrived_at: Instant) -> Delivery {
        self.delivered += 1;
        let latency = arrived_at.saturating_duration_since(committed_at);
        Delivery { event, committed_at, latency }
    }
}

/// Latencies of one stretch of time.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    all: Vec<Duration>,
}

impl Latencies {
    pub(super) fn add(&mut self, latency: Duration) {
        self.all.push(latency);
    }

    /// The latency that this share, 0 to 1, of all rows kept to; `None` without rows.
    pub(super) fn quantile(&mut self, share: f64) -> Option<Duration> {
        let count = u32::try_from(self.all.len()).ok()?;
        // The nearest rank: the smallest latency that at least this share does not exceed.
        let rank = (1..=count).find(|rank| f64::from(*rank) >= share * f64::from(count))?;
        self.all.sort_unstable();
        self.all.get(rank as usize - 1).copied()
    }

    pub(super) fn greatest(&self) -> Option<Duration> {
        self.all.iter().max().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: EventId = EventId { run: 1, key: 2, sequence: 3 };

    fn ended(outcome: Outcome, at: Instant) -> Ended {
        Ended { events: vec![EVENT], outcome, at }
    }

    #[test]
    fn latency_runs_from_the_commit_to_the_arrival() {
        let (mut track, start) = (Track::default(), Instant::now());

        assert!(track.ended(&ended(Outcome::Committed, start)).is_empty());
        assert_eq!(track.behind(), 1);
        let delivery = track.arrived(EVENT, start + Duration::from_millis(5)).unwrap();

        assert_eq!(delivery.latency, Duration::from_millis(5));
        assert_eq!(track.behind(), 0);
    }

    #[test]
    fn record_that_is_faster_than_the_answer_to_its_commit_has_no_latency() {
        let (mut track, start) = (Track::default(), Instant::now());

        assert_eq!(track.arrived(EVENT, start), None);
        assert_eq!((track.delivered(), track.behind()), (0, 0));
        let commit = ended(Outcome::Committed, start + Duration::from_millis(1));
        let deliveries = track.ended(&commit);

        assert_eq!(
            deliveries.iter().map(|delivery| delivery.latency).sum::<Duration>(),
            Duration::ZERO
        );
        assert_eq!((deliveries.len(), track.behind()), (1, 0));
    }

    #[test]
    fn rolled_back_row_is_not_waited_for() {
        let mut track = Track::default();

        track.ended(&ended(Outcome::RolledBack, Instant::now()));

        assert_eq!((track.rolled_back(), track.committed(), track.behind()), (1, 0, 0));
    }

    #[test]
    fn quantile_is_the_nearest_rank() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);

        (1..=100).rev().for_each(|ms| latencies.add(Duration::from_millis(ms)));

        let quantiles = [0.5, 0.99, 1.0].map(|share| latencies.quantile(share));
        assert_eq!(quantiles, [50, 99, 100].map(|ms| Some(Duration::from_millis(ms))));
        assert_eq!(latencies.greatest(), Some(Duration::from_millis(100)));
    }
}
