//! A topic of numbers → what a consumer sees in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use super::KEYS;

/// Without anything from the broker for so long, it is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What a consumer gets to see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Committed transactions, up to the first open one.
    ReadCommitted,
    /// Everything in the log, aborted transactions included.
    ReadUncommitted,
}

/// The numbers in a topic, by partition in the order of the log.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    partitions: BTreeMap<i32, Vec<u64>>,
}

/// How the topic differs from "each number once, in order".
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub missing: u64,
    pub duplicated: u64,
    /// Numbers that come after a higher one of the same key.
    pub out_of_order: u64,
    pub unexpected: u64,
}

impl Seen {
    /// Reads every partition from its beginning to where this isolation ends now.
    pub fn read(bootstrap: &str, topic: &str, isolation: Isolation) -> Result<Self> {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("group.id", "rowpost-tests-numbers")
            .set(
                "isolation.level",
                match isolation {
                    Isolation::ReadCommitted => "read_committed",
                    Isolation::ReadUncommitted => "read_uncommitted",
                },
            )
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("fetch.wait.max.ms", "10")
            .create()?;
        let metadata = consumer.fetch_metadata(Some(topic), SILENCE_MAX)?;
        let found = metadata.topics().first().context("no answer about the topic")?;
        if let Some(error) = found.error() {
            bail!("{topic}: {error:?}");
        }
        let mut assignment = TopicPartitionList::new();
        for partition in found.partitions() {
            assignment.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
        }
        consumer.assign(&assignment)?;

        let mut seen = Self::default();
        let mut ends = 0;
        while ends < found.partitions().len() {
            match consumer.poll(SILENCE_MAX).with_context(|| format!("{topic} is silent"))? {
                Ok(record) => seen.add(&record)?,
                Err(KafkaError::PartitionEOF(_)) => ends += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(seen)
    }

    fn add(&mut self, record: &impl Message) -> Result<()> {
        let text = |bytes: Option<&[u8]>| -> Result<u64> {
            Ok(str::from_utf8(bytes.context("nothing where a number should be")?)?.parse()?)
        };
        let number = text(record.payload())?;
        if text(record.key())? != number % KEYS {
            bail!("{number} has another number's key");
        }
        self.partitions.entry(record.partition()).or_default().push(number);
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.partitions.values().map(Vec::len).sum()
    }

    pub fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<_> = self.partitions.values().flatten().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    /// Against the numbers below `end`.
    pub fn verdict(&self, end: u64) -> Verdict {
        let numbers = self.numbers();
        let mut distinct = numbers.clone();
        distinct.dedup();
        let expected = distinct.iter().filter(|number| **number < end).count() as u64;
        let mut verdict = Verdict {
            missing: end - expected,
            duplicated: (numbers.len() - distinct.len()) as u64,
            unexpected: distinct.len() as u64 - expected,
            out_of_order: 0,
        };
        for partition in self.partitions.values() {
            let mut highest = BTreeMap::new();
            for number in partition {
                let highest = highest.entry(number % KEYS).or_insert(*number);
                if number < highest {
                    verdict.out_of_order += 1;
                }
                *highest = (*highest).max(*number);
            }
        }
        verdict
    }

    /// By key: the first number that arrived for the first time after a higher one had.
    pub fn first_arrivals_out_of_order(&self) -> BTreeMap<u64, u64> {
        let mut found = BTreeMap::new();
        for partition in self.partitions.values() {
            let mut known = BTreeMap::<u64, BTreeSet<u64>>::new();
            for number in partition {
                let known = known.entry(number % KEYS).or_default();
                let is_late = known.last().is_some_and(|highest| highest > number);
                if known.insert(*number) && is_late {
                    found.entry(number % KEYS).or_insert(*number);
                }
            }
        }
        found
    }

    /// Every number below `end`, once, in order, and nothing else.
    ///
    /// # Panics
    /// With the verdict, when it is not so.
    #[track_caller]
    pub fn assert_once(&self, end: u64) {
        let verdict = self.verdict(end);
        assert_eq!(verdict, Verdict::default(), "{verdict}");
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { missing, duplicated, out_of_order, unexpected } = self;
        write!(
            f,
            "{missing} missing, {duplicated} duplicated, {out_of_order} out of order, {unexpected} \
             unexpected"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(partitions: &[&[u64]]) -> Seen {
        let numbered = (0..).zip(partitions.iter().map(|numbers| numbers.to_vec()));
        Seen { partitions: numbered.collect() }
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        assert_eq!(seen(&[&[0, 1, 3], &[2]]).verdict(4), Verdict::default());
        assert_eq!(seen(&[&[0, 1], &[]]).verdict(4).missing, 2);
        assert_eq!(seen(&[&[0, 1, 2, 1], &[3]]).verdict(4).duplicated, 1);
        assert_eq!(seen(&[&[0, 1, 9], &[2, 3]]).verdict(4).unexpected, 1);
        // Of different keys any order is right, of one key only one is.
        assert_eq!(seen(&[&[1, 0, 3, 2]]).verdict(4).out_of_order, 0);
        assert_eq!(seen(&[&[KEYS, 0]]).verdict(1).out_of_order, 1);
    }

    #[test]
    fn repetition_after_a_restart_is_no_disorder_but_a_late_first_arrival_is() {
        let (a, b, c) = (0, KEYS, 2 * KEYS);

        assert!(seen(&[&[a, b, a, b, c]]).first_arrivals_out_of_order().is_empty());
        assert_eq!(seen(&[&[a, c, b]]).first_arrivals_out_of_order(), BTreeMap::from([(0, b)]));
    }
}
