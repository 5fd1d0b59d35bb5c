//! A session on events from a script.

use std::{collections::VecDeque, num::NonZeroU32, sync::Arc, time::Duration};

use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, mpsc};
use uuid::Uuid;

use super::*;
use crate::config::NameCase;
use crate::source::{
    Chunk, Interest, RawEvent, StreamError, TransactionFault,
    assembler::tests::{
        ids,
        script::{Log, Logged, OTHER, OUTBOX, SOURCE, artificial_rotate, file_name},
    },
    mysql::ConnectionError,
};

/// Gives its events, those of a burst at once, then stays silent or fails.
struct Script {
    bursts: VecDeque<VecDeque<Logged>>,
    /// What `next_event` shows.
    shown: Option<Logged>,
    is_lost_at_end: bool,
}

impl Script {
    fn new(bursts: Vec<Vec<Logged>>, is_lost_at_end: bool) -> Self {
        let bursts = bursts.into_iter().map(VecDeque::from).collect();
        Self { bursts, shown: None, is_lost_at_end }
    }
}

impl EventSource for Script {
    async fn ready(&mut self) -> Result<(), StreamError> {
        self.bursts.retain(|burst| !burst.is_empty());
        if self.bursts.is_empty() && !self.is_lost_at_end {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    fn has_event(&self) -> bool {
        self.bursts.front().is_some_and(|burst| !burst.is_empty())
    }

    async fn next_event(
        &mut self,
        _: &(impl Interest + Sync),
    ) -> Result<RawEvent<'_>, StreamError> {
        let burst = self.bursts.front_mut().ok_or(ConnectionError::Ended)?;
        self.shown = burst.pop_front();
        Ok(self.shown.as_ref().ok_or(ConnectionError::Ended)?.event())
    }
}

struct Bench {
    session: Session,
    outlet: Outlet,
    received: mpsc::Receiver<Chunk>,
    in_flight: Arc<Semaphore>,
}

impl Bench {
    fn new(start: &Position, in_flight: usize) -> Self {
        let url = serde_json::json!({ "url": "mysql://relay@127.0.0.1:1" });
        let config = serde_json::from_value(url).unwrap();
        let metrics = Metrics::register(&mut Registry::default());
        let (chunks, received) = mpsc::channel(100);
        let in_flight = Arc::new(Semaphore::new(in_flight));
        let outlet = Outlet::new(chunks, Arc::clone(&in_flight), metrics.clone(), start.clone());
        let session = Session {
            origin: Origin::Server,
            connect: ConnectOptions::new(&config),
            replica: Replica { server_id: NonZeroU32::MAX, uuid: Uuid::nil() },
            heartbeat: Duration::from_secs(1),
            entries: Arc::from(vec![OutboxTable::default()]),
            bounds: Bounds::default(),
            cut: Cut::AtLimits,
            present_columns: PresentColumns::Trusted,
            chunk_cost_max: 10_000,
            checkpoint_interval: Duration::from_secs(10),
            metrics,
        };
        Self { session, outlet, received, in_flight }
    }

    async fn read(&mut self, mut script: Script) -> (Result<Ended, SourceError>, Progress) {
        let start = self.outlet.position().clone();
        let mut assembler = Assembler::new(
            &start,
            Arc::clone(&self.session.entries),
            NameCase::Sensitive,
            self.session.chunk_cost_max,
        );
        let mut progress = Progress::default();
        let reading =
            self.session.read(&mut script, &mut assembler, &mut self.outlet, &mut progress);
        let ended = reading.await;
        (ended, progress)
    }

    fn take(&mut self) -> Vec<Chunk> {
        std::iter::from_fn(|| self.received.try_recv().ok()).collect()
    }
}

fn rows(chunks: &[Chunk]) -> Vec<usize> {
    chunks.iter().map(|chunk| chunk.records.len()).collect()
}

const UNLIMITED: usize = 1 << 20;

#[tokio::test(start_paused = true)]
async fn transactions_that_are_here_at_once_share_a_chunk() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).transaction(&[(OUTBOX, &[(2, 10)])]);
    let start = log.start();
    let first = log.serve(&start);
    log.transaction(&[(OUTBOX, &[(3, 10)])]);
    let second = log.serve(&start).split_off(first.len());
    let mut bench = Bench::new(&start, UNLIMITED);

    let (ended, _) = bench.read(Script::new(vec![first, second], true)).await;

    assert!(matches!(ended, Err(SourceError::Connection(ConnectionError::Ended))));
    assert_eq!(rows(&bench.take()), [2, 1]);
}

#[tokio::test(start_paused = true)]
async fn transaction_does_not_wait_for_one_that_is_half_here() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).begin().insert(OUTBOX, &[(2, 10)]);
    let start = log.start();
    let mut bench = Bench::new(&start, UNLIMITED);
    let script = Script::new(vec![log.serve(&start)], false);

    let waiting = tokio::time::timeout(Duration::from_millis(1), bench.read(script)).await;

    assert!(waiting.is_err(), "the stream is still open");
    assert_eq!(rows(&bench.take()), [1]);
}

#[tokio::test(start_paused = true)]
async fn what_is_whole_leaves_before_a_fault_and_the_next_session_begins_at_it() {
    let mut log = Log::new(true);
    log.transaction(&[(OTHER, &[(1, 10)])]).begin().insert(OUTBOX, &[(2, 10)]).gtid();
    let start = log.start();
    let mut bench = Bench::new(&start, UNLIMITED);

    let mut faults = 0;
    for sent in [1, 1] {
        let script = Script::new(vec![log.serve(bench.outlet.position())], true);
        let (ended, _) = bench.read(script).await;
        faults += u8::from(matches!(
            ended,
            Err(SourceError::Transaction { fault: TransactionFault::CutShort { .. }, .. })
        ));
        assert_eq!(bench.outlet.sent(), sent, "the second time the position does not move");
    }

    assert_eq!(faults, 2);
    assert_eq!(bench.outlet.position().gtid_set.as_ref().unwrap().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn position_of_a_quiet_outbox_moves_on_the_timer() {
    let mut log = Log::new(false);
    log.transaction(&[(OTHER, &[(1, 10)])]);
    let start = log.start();
    let mut bench = Bench::new(&start, UNLIMITED);
    let script = Script::new(vec![log.serve(&start)], false);
    let before = tokio::time::Instant::now();

    let received = {
        let (session, outlet) = (&bench.session, &mut bench.outlet);
        let mut assembler =
            Assembler::new(&start, Arc::clone(&session.entries), NameCase::Sensitive, 10_000);
        let mut progress = Progress::default();
        let mut script = script;
        tokio::select! {
            _ = session.read(&mut script, &mut assembler, outlet, &mut progress) => None,
            chunk = bench.received.recv() => chunk,
        }
    };

    let chunk = received.unwrap();
    assert!(chunk.records.is_empty());
    assert!(chunk.permit.is_none());
    assert_eq!(chunk.advance.coordinates.position, log.position);
    let waited = before.elapsed();
    assert!(waited >= Duration::from_secs(10) && waited < Duration::from_secs(12), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn source_waits_while_chunks_are_in_flight() {
    let mut log = Log::new(true);
    for id in 0..20 {
        log.transaction(&[(OUTBOX, &[(id, 4000)])]);
    }
    let start = log.start();
    let mut bench = Bench::new(&start, 20_000);
    let script = Script::new(vec![log.serve(&start)], true);

    let (session, outlet) = (&bench.session, &mut bench.outlet);
    let mut assembler =
        Assembler::new(&start, Arc::clone(&session.entries), NameCase::Sensitive, 10_000);
    let (mut progress, mut script) = (Progress::default(), script);
    let reading = session.read(&mut script, &mut assembler, outlet, &mut progress);
    tokio::pin!(reading);
    let mut read = 0;
    let mut held = Vec::new();
    while read < 20 {
        let waited = tokio::time::timeout(Duration::from_secs(1), reading.as_mut()).await;
        held.extend(std::iter::from_fn(|| bench.received.try_recv().ok()));
        if waited.is_err() {
            assert!(bench.in_flight.available_permits() < 10_000, "no room for another chunk");
        }
        read += held.drain(..).map(|chunk: Chunk| chunk.records.len()).sum::<usize>();
    }

    assert_eq!(read, 20);
    assert_eq!(bench.in_flight.available_permits(), 20_000);
}

#[tokio::test(start_paused = true)]
async fn chunk_larger_than_the_limit_takes_all_of_it() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 5000)])]);
    let start = log.start();
    let mut bench = Bench::new(&start, 1000);

    let (_, _) = bench.read(Script::new(vec![log.serve(&start)], true)).await;

    assert_eq!(bench.in_flight.available_permits(), 0);
    assert_eq!(rows(&bench.take()), [1]);
    assert_eq!(bench.in_flight.available_permits(), 1000);
}

#[tokio::test(start_paused = true)]
async fn session_ends_when_nobody_takes_chunks() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]);
    let start = log.start();
    let mut bench = Bench::new(&start, UNLIMITED);
    bench.received.close();

    let (ended, _) = bench.read(Script::new(vec![log.serve(&start)], false)).await;

    assert!(matches!(ended, Ok(Ended::NobodyListens)));
}

#[tokio::test(start_paused = true)]
async fn heartbeat_shows_that_the_connection_lives() {
    let log = Log::new(true);
    let start = log.start();
    let mut heartbeat = artificial_rotate(&file_name(0), 4);
    heartbeat.header.event_type = EventType::HEARTBEAT;
    let mut bench = Bench::new(&start, UNLIMITED);

    let (_, dead) = bench.read(Script::new(vec![log.serve(&start)], true)).await;
    let (_, alive) = bench.read(Script::new(vec![vec![heartbeat]], true)).await;

    assert!(!dead.has_lived);
    assert!(alive.has_lived);
}

#[test]
fn position_beyond_4_gib_is_reached_from_the_start_of_its_file() {
    let start = Log::new(false).start();
    let far =
        Position { coordinates: "bin-log.000001:4294967300".parse().unwrap(), ..start.clone() };
    let near = Position { coordinates: "bin-log.000001:4294967295".parse().unwrap(), ..start };

    assert_eq!(dump_start(&far, None), DumpStart::At("bin-log.000001:4".parse().unwrap()));
    assert_eq!(dump_start(&near, None), DumpStart::At(near.coordinates.clone()));
}

/// Reads the log's transactions one by one within bounds; also says how it ended.
async fn read_within(log: &Log, bounds: Bounds) -> (Vec<Vec<u64>>, Position) {
    let start = Position { gtid_set: None, ..log.start() };
    let mut bench = Bench::new(&start, UNLIMITED);
    bench.session.bounds = bounds.clone();
    let mut script = Script::new(vec![log.serve(&start)], true);
    let mut assembler = bench.session.assembler(&start, NameCase::Sensitive);
    let mut progress = Progress::default();
    let ended = bench.session.read(&mut script, &mut assembler, &mut bench.outlet, &mut progress);

    assert!(matches!(ended.await, Ok(Ended::Complete)), "{bounds:?}");
    (ids(&bench.take()), bench.outlet.position().clone())
}

#[tokio::test(start_paused = true)]
async fn reading_ends_behind_the_last_transaction_that_begins_before_the_end() {
    let mut log = Log::new(true);
    let mut boundaries = vec![log.position];
    for id in 1..=3 {
        log.transaction(&[(OUTBOX, &[(id, 10)])]);
        boundaries.push(log.position);
    }
    log.rotate();
    for (count, at) in boundaries.iter().enumerate() {
        let end = |position| BinlogCoordinates { file: file_name(0).into(), position };
        let bounds = |position| Bounds { end: Some(end(position)), ..Bounds::default() };

        let (read, position) = read_within(&log, bounds(*at)).await;
        assert_eq!(read.concat(), (1..=count as u64).collect::<Vec<_>>());
        assert_eq!(position.coordinates, end(*at));

        // Inside of the next transaction, or of the rotation.
        let (read, position) = read_within(&log, bounds(at + 1)).await;
        assert_eq!(read.concat(), (1..=3.min(count as u64 + 1)).collect::<Vec<_>>());
        assert!(bounds(at + 1).are_reached(&position.coordinates));
    }
}

#[tokio::test(start_paused = true)]
async fn transactions_outside_of_the_gtid_sets_leave_no_trace() {
    let mut log = Log::new(true);
    log.transaction(&[(OUTBOX, &[(1, 10)])]).transaction(&[(OUTBOX, &[(2, 10)])]);
    // Statement format and XA halt where they count.
    log.begin().query("insert into outbox values (3)").xid();
    log.compressed(&[(OUTBOX, &[(4, 10)])]).transaction(&[(OUTBOX, &[(5, 10)])]);
    let end = BinlogCoordinates { file: file_name(0).into(), position: log.position };
    let set = |numbers: &str| format!("{SOURCE}:{numbers}").parse().ok();

    let bounds = Bounds { end: Some(end.clone()), after: set("1:3"), within: set("1-4") };
    let (read, position) = read_within(&log, bounds).await;

    assert_eq!(read.concat(), [2, 4]);
    assert_eq!(position.coordinates, end);
}
