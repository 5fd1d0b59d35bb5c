//! Deliveries → the latencies before the kill, across it, and after.

use std::time::{Duration, Instant};

use super::track::{Delivery, Latencies};

/// The run's latencies, sorted by what the relay was doing.
#[derive(Debug, Default)]
pub(super) struct Phases {
    killed_at: Option<Instant>,
    ready_at: Option<Instant>,
    caught_up_at: Option<Instant>,
    /// Arrived before the kill.
    pub(super) before: Latencies,
    /// Committed before the new relay had caught up, and arrived after the kill.
    pub(super) across: Latencies,
    /// Committed once the new relay had caught up.
    pub(super) after: Latencies,
}

impl Phases {
    pub(super) fn add(&mut self, delivery: &Delivery) {
        let arrived_at = delivery.committed_at + delivery.latency;
        let is_before = self.killed_at.is_none_or(|killed_at| arrived_at < killed_at);
        let is_after = self.caught_up_at.is_some_and(|at| delivery.committed_at >= at);
        let latencies = match (is_before, is_after) {
            (true, _) => &mut self.before,
            (false, true) => &mut self.after,
            (false, false) => &mut self.across,
        };
        latencies.add(delivery.latency);
    }

    pub(super) fn killed(&mut self, at: Instant) {
        self.killed_at = Some(at);
    }

    /// Takes the moment when the new relay was ready; returns how long after the kill that was.
    pub(super) fn ready(&mut self, at: Instant) -> Option<Duration> {
        self.ready_at = Some(at);
        self.back_after()
    }

    /// From the kill to the new relay's readiness.
    pub(super) fn back_after(&self) -> Option<Duration> {
        Some(self.ready_at?.saturating_duration_since(self.killed_at?))
    }

    /// Notes that nothing but what is just on its way is missing in Kafka; the first time after the
    /// relay's return it says how long after the kill that was.
    pub(super) fn is_level(&mut self, at: Instant) -> Option<Duration> {
        self.ready_at?;
        if self.caught_up_at.is_some() {
            return None;
        }
        self.caught_up_at = Some(at);
        Some(at.saturating_duration_since(self.killed_at?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::EventId;

    fn after(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn delivery(start: Instant, committed_ms: u64, latency_ms: u64) -> Delivery {
        Delivery {
            event: EventId { run: 1, key: 1, sequence: 1 },
            committed_at: after(start, committed_ms),
            latency: Duration::from_millis(latency_ms),
        }
    }

    #[test]
    fn row_that_waited_for_the_new_relay_counts_as_across_the_kill() {
        let (mut phases, start) = (Phases::default(), Instant::now());

        phases.add(&delivery(start, 0, 5));
        phases.killed(after(start, 100));
        phases.add(&delivery(start, 90, 5));
        phases.add(&delivery(start, 98, 800));
        assert_eq!(phases.ready(after(start, 800)), Some(Duration::from_millis(700)));
        assert_eq!(phases.is_level(after(start, 900)), Some(Duration::from_millis(800)));
        phases.add(&delivery(start, 899, 20));
        phases.add(&delivery(start, 900, 7));

        let greatest = [&phases.before, &phases.across, &phases.after].map(Latencies::greatest);
        assert_eq!(greatest, [5, 800, 7].map(|ms| Some(Duration::from_millis(ms))));
    }

    #[test]
    fn nothing_is_caught_up_before_the_relay_is_back_and_it_is_said_once() {
        let (mut phases, start) = (Phases::default(), Instant::now());

        phases.killed(start);
        assert_eq!(phases.is_level(after(start, 1)), None);
        phases.ready(after(start, 2));

        assert_eq!(phases.is_level(after(start, 3)), Some(Duration::from_millis(3)));
        assert_eq!(phases.is_level(after(start, 4)), None);
    }
}
