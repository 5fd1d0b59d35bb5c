//! Topics → their counters, looked up once.

use std::{collections::HashMap, sync::Arc};

use prometheus_client::metrics::counter::Counter;

use crate::{
    metrics::{Metrics, TopicLabel},
    traces::Pending,
};

pub(super) struct Topics {
    metrics: Metrics,
    index: HashMap<Arc<str>, usize>,
    counters: Vec<Counters>,
    /// The topic of the record before: most often that of this one too.
    last: Option<(Arc<str>, usize)>,
}

struct Counters {
    published: Counter,
    acknowledged: Counter,
}

/// Records of one batch, by topic.
#[derive(Debug, Default)]
pub(super) struct Tally {
    records: Vec<u64>,
    acknowledged: Vec<(Counter, u64)>,
    /// Of those that are sampled, where spans are wanted.
    pub(super) spans: Vec<Pending>,
}

impl Topics {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { metrics, index: HashMap::new(), counters: Vec::new(), last: None }
    }

    pub(super) fn count(&mut self, topic: &Arc<str>, tally: &mut Tally) {
        let index = match &self.last {
            Some((last, index)) if Arc::ptr_eq(last, topic) => *index,
            _ => self.look_up(topic),
        };
        if tally.records.len() <= index {
            tally.records.resize(index + 1, 0);
        }
        if let Some(records) = tally.records.get_mut(index) {
            *records += 1;
        }
    }

    /// Counts the batch as handed to librdkafka, and prepares counting it as acknowledged.
    pub(super) fn publish(&self, tally: &mut Tally) {
        tally.acknowledged = self
            .counters
            .iter()
            .zip(&tally.records)
            .filter(|(_, records)| **records > 0)
            .map(|(counters, records)| {
                counters.published.inc_by(*records);
                (counters.acknowledged.clone(), *records)
            })
            .collect();
    }

    fn look_up(&mut self, topic: &Arc<str>) -> usize {
        let index = self.index.get(topic).copied().unwrap_or_else(|| {
            let label = TopicLabel { topic: topic.to_string() };
            self.counters.push(Counters {
                published: self.metrics.records_published.get_or_create(&label).clone(),
                acknowledged: self.metrics.records_acknowledged.get_or_create(&label).clone(),
            });
            let index = self.counters.len() - 1;
            self.index.insert(Arc::clone(topic), index);
            index
        });
        self.last = Some((Arc::clone(topic), index));
        index
    }
}

impl Tally {
    pub(super) fn records(&self) -> u64 {
        self.records.iter().sum()
    }

    pub(super) fn acknowledge(&self) {
        for (acknowledged, records) in &self.acknowledged {
            acknowledged.inc_by(*records);
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn records_are_counted_by_topic_and_only_once_acknowledged() {
        let metrics = Metrics::register(&mut Registry::default());
        let mut topics = Topics::new(metrics.clone());
        let (order, payment): (Arc<str>, Arc<str>) = ("order".into(), "payment".into());
        let acknowledged = |topic: &str| {
            let label = TopicLabel { topic: topic.to_owned() };
            metrics.records_acknowledged.get_or_create(&label).get()
        };

        let mut tally = Tally::default();
        // The same name in another allocation is the same topic.
        for topic in [&order, &order, &payment, &"order".into()] {
            topics.count(topic, &mut tally);
        }
        topics.publish(&mut tally);

        assert_eq!(tally.records(), 4);
        assert_eq!(acknowledged("order"), 0);
        tally.acknowledge();
        assert_eq!((acknowledged("order"), acknowledged("payment")), (3, 1));

        let mut next = Tally::default();
        topics.count(&payment, &mut next);
        topics.publish(&mut next);
        next.acknowledge();
        assert_eq!((acknowledged("order"), acknowledged("payment")), (3, 2));
    }
}
