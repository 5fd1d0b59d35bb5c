//! Events → where they lie in Kafka.
//!
//! The topic follows from the row, the partition from its key: only that one is read, from the offset on
//! whose record is not older than the event. What no consumer sees is looked for only where what
//! consumers see has no copy. Blocks.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
    types::RDKafkaErrorCode,
};

use super::{
    FindError,
    copies::{Copies, Copy, Visibility, Wanted},
    events::Event,
};
use crate::{
    progress::Progress,
    publish::{Fault, Isolation, Session, Settings, partition_of},
    replay,
};

const READING: &str = "looking for events";

/// By how much a broker's or relay's clock may be behind the source's. It costs reading what was
/// published meanwhile.
pub(super) const CLOCK_SLACK: Duration = Duration::from_secs(60);

/// Between two lines about a long search.
const LINE: Duration = Duration::from_secs(5);

/// Where an event should be, and where it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Destination {
    /// None without the topic.
    pub(super) partitions: Vec<Searched>,
    pub(super) copies: Copies,
}

/// What of a partition was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Searched {
    pub(super) partition: i32,
    /// The first offset that is there.
    pub(super) earliest: i64,
    /// Where reading began; `None` where every record is older than the event.
    pub(super) from: Option<i64>,
    /// Where it ended, for committed records.
    pub(super) end: i64,
    /// Records that are older than the event are there: nothing was deleted up to it. Only asked for
    /// where it has no copy.
    pub(super) has_older: bool,
}

/// Where each event is, in their order.
pub(super) fn look(
    settings: &Settings,
    events: &[Event],
    all_partitions: bool,
    progress: &Progress,
) -> Result<Vec<Destination>, FindError> {
    let mut look = Look {
        events,
        found: vec![Destination::default(); events.len()],
        progress,
        said: Instant::now(),
    };
    let committed = Session::open(settings, &settings.event_reader(Isolation::Committed))?;
    let mut unseen = Vec::new();
    for ((topic, partition), wanted) in look.places(&committed, all_partitions)? {
        let range = look.extent(&committed, &topic, partition, &wanted)?;
        look.read(&committed, &topic, range, &wanted, |_| Visibility::Committed)?;
        for event in wanted.iter().copied() {
            let has_older = look.has_older(&committed, &topic, range, event)?;
            if let Some(found) = look.found.get_mut(event) {
                found.partitions.push(Searched { has_older, ..range });
            }
        }
        let is_unseen = |event: &usize| {
            look.found.get(*event).is_some_and(|found| found.copies.originals().next().is_none())
        };
        unseen.push((topic, range, wanted.into_iter().filter(is_unseen).collect()));
    }
    drop(committed);
    unseen.retain(|(_, _, events): &(_, _, BTreeSet<usize>)| !events.is_empty());
    if !unseen.is_empty() {
        let hidden = Session::open(settings, &settings.event_reader(Isolation::Uncommitted))?;
        for (topic, range, wanted) in unseen {
            look.read_hidden(&hidden, &topic, range, &wanted)?;
        }
    }
    Ok(look.found)
}

/// Of each partition the events that should be in it.
type Places = BTreeMap<(Arc<str>, i32), BTreeSet<usize>>;

struct Look<'a> {
    events: &'a [Event],
    found: Vec<Destination>,
    progress: &'a Progress,
    said: Instant,
}

impl Look<'_> {
    fn places(&self, session: &Session<'_>, all: bool) -> Result<Places, FindError> {
        let mut topics: BTreeMap<&str, usize> = BTreeMap::new();
        let mut places = Places::new();
        for (index, Event { record, .. }) in self.events.iter().enumerate() {
            let topic = &*record.topic;
            let partitions = match topics.get(topic) {
                Some(partitions) => *partitions,
                None => {
                    let found = session.partitions(topic);
                    let found = found.map_err(|code| error(session, topic, code))?;
                    topics.insert(topic, found);
                    found
                }
            };
            let count = i32::try_from(partitions).unwrap_or(i32::MAX);
            let chosen = match (record.partition, &record.key) {
                (Some(partition), _) => Some(partition),
                (None, Some(key)) => partition_of(key, partitions),
                (None, None) => None,
            };
            let searched = match chosen {
                Some(chosen) if !all => chosen..chosen.saturating_add(1).min(count),
                Some(_) | None => 0..count,
            };
            for partition in searched {
                places.entry((Arc::clone(&record.topic), partition)).or_default().insert(index);
            }
        }
        Ok(places)
    }

    fn extent(
        &self,
        session: &Session<'_>,
        topic: &str,
        partition: i32,
        wanted: &BTreeSet<usize>,
    ) -> Result<Searched, FindError> {
        let failed = |code| error(session, topic, code);
        let events = wanted.iter().filter_map(|event| self.events.get(*event));
        let since = events.map(since_ms).min().unwrap_or(0);
        let from = session.first_since(topic, partition, since).map_err(failed)?;
        let (earliest, end) = session.watermarks(topic, partition).map_err(failed)?;
        let from = from.filter(|from| *from < end).map(|from| from.max(earliest));
        Ok(Searched { partition, earliest, from, end, has_older: false })
    }

    /// By the records' timestamps, without slack: it is a hint at the reason, nothing rests on it.
    fn has_older(
        &self,
        session: &Session<'_>,
        topic: &str,
        Searched { partition, earliest, end, .. }: Searched,
        event: usize,
    ) -> Result<bool, FindError> {
        let has_copy = self.found.get(event).is_some_and(|found| !found.copies.kept.is_empty());
        let Some(event) = self.events.get(event).filter(|_| !has_copy && earliest < end) else {
            return Ok(false);
        };
        let first = session.first_since(topic, partition, own_ms(event));
        let first = first.map_err(|code| error(session, topic, code))?;
        Ok(first.is_none_or(|first| first > earliest))
    }

    fn read(
        &mut self,
        session: &Session<'_>,
        topic: &str,
        Searched { partition, from, end, .. }: Searched,
        wanted: &BTreeSet<usize>,
        visibility: impl Fn(i64) -> Visibility,
    ) -> Result<(), FindError> {
        let Some(from) = from else { return Ok(()) };
        let mut ids = Wanted::default();
        for event in wanted {
            let header = self.events.get(*event).and_then(Event::id_header);
            if let Some((header, id)) =
                header.and_then(|header| Some((header, header.value.as_ref()?)))
            {
                ids.add(&header.name, id, *event);
            }
        }
        let (found, progress, said) = (&mut self.found, self.progress, &mut self.said);
        let scanned = session.scan(topic, partition, from, |record| {
            if record.offset() >= end {
                return ControlFlow::Break(());
            }
            if said.elapsed() > LINE {
                *said = Instant::now();
                let offset = record.offset();
                progress.line(&format!(
                    "find: {topic}, partition {partition}, offset {offset} of {end}"
                ));
            }
            for event in ids.events(headers(record)) {
                if let Some(found) = found.get_mut(*event) {
                    found.copies.add(copy(record, visibility(record.offset())));
                }
            }
            ControlFlow::Continue(())
        });
        scanned.map(drop).map_err(|code| error(session, topic, code))
    }

    /// The same records, and those of open and aborted transactions. `seen` is what was read before: what
    /// was not among it is aborted before its end, and behind it was not to be seen yet.
    fn read_hidden(
        &mut self,
        session: &Session<'_>,
        topic: &str,
        seen: Searched,
        wanted: &BTreeSet<usize>,
    ) -> Result<(), FindError> {
        let range = self.extent(session, topic, seen.partition, wanted)?;
        self.read(session, topic, range, wanted, |offset| match offset < seen.end {
            true => Visibility::Aborted,
            false => Visibility::Open,
        })
    }
}

fn since_ms(event: &Event) -> i64 {
    let slack = i64::try_from(CLOCK_SLACK.as_millis()).unwrap_or(i64::MAX);
    own_ms(event).saturating_sub(slack)
}

/// The record's timestamp is the event's own where a column says so, else the commit's; the broker may
/// set its own instead.
fn own_ms(event: &Event) -> i64 {
    event.committed_at.as_millisecond().min(event.record.timestamp_ms)
}

fn headers<'r>(
    record: &'r BorrowedMessage<'_>,
) -> impl Iterator<Item = (&'r str, Option<&'r [u8]>)> {
    let headers = record.headers();
    headers.into_iter().flat_map(|headers| headers.iter().map(|header| (header.key, header.value)))
}

fn copy(record: &BorrowedMessage<'_>, visibility: Visibility) -> Copy {
    let replayed = headers(record).find(|(name, _)| *name == replay::MARK);
    let timestamp = record.timestamp();
    Copy {
        partition: record.partition(),
        offset: record.offset(),
        visibility,
        timestamp: timestamp.to_millis().and_then(|ms| Timestamp::from_millisecond(ms).ok()),
        is_broker_time: matches!(timestamp, rdkafka::Timestamp::LogAppendTime(_)),
        replayed: replayed
            .map(|(_, name)| String::from_utf8_lossy(name.unwrap_or_default()).into_owned()),
    }
}

fn error(session: &Session<'_>, topic: &str, code: RDKafkaErrorCode) -> FindError {
    if Fault::of(code) == Fault::TopicDenied {
        return FindError::NotReadable { topic: topic.to_owned() };
    }
    session.error(READING, code).into()
}
