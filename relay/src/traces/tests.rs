//! What is sampled, what a span says, and that nobody waits.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    time::Duration,
};

use opentelemetry::{SpanId, TraceId};
use prometheus_client::registry::Registry;

use super::*;
use crate::{
    position::{Advance, BinlogCoordinates},
    record::Header,
};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn chunk(traceparents: &[Option<&str>]) -> Chunk {
    let header = |name: &str, value: &str| Header {
        name: name.into(),
        value: Some(value.as_bytes().to_vec()),
    };
    let record = |traceparent: &Option<&str>| OutboxRecord {
        table: "shop.outbox".into(),
        topic: "order".into(),
        partition: None,
        key: Some(b"a customer".to_vec()),
        value: Some(b"{\"name\": \"a customer\"}".to_vec()),
        headers: [header("id", "A")]
            .into_iter()
            .chain(traceparent.map(|traceparent| header(TRACEPARENT, traceparent)))
            .collect(),
        timestamp_ms: 0,
        event_type: None,
    };
    let coordinates = BinlogCoordinates { file: "bin-log.000001".into(), position: 420 };
    Chunk {
        records: traceparents.iter().map(record).collect(),
        advance: Advance {
            server_uuid: uuid::Uuid::nil(),
            coordinates,
            file_begun: None,
            gtids: None,
            table_start: None,
            prepared: Vec::new(),
            in_progress: None,
        },
        bytes: 0,
        commit_timestamp_us: 1_700_000_000_000_000,
        transaction: None,
        permit: None,
    }
}

/// With a queue of that many spans that nobody empties.
fn stuck(spans: usize) -> (Traces, Receiver<Message>) {
    let (queue, messages) = mpsc::sync_channel(spans);
    (Traces { queue, lost: Counter::default() }, messages)
}

fn pending(traces: &Traces, chunk: &Chunk) -> Vec<Pending> {
    let (mut origin, mut pending) = (None, Vec::new());
    for record in &chunk.records {
        traces.note(record, chunk, &mut origin, &mut pending);
    }
    pending
}

#[test]
fn only_what_is_sampled_has_a_span() {
    let (traces, _messages) = stuck(1);
    let unsampled = SAMPLED.replace("-01", "-00");

    let chunk =
        chunk(&[None, Some(SAMPLED), Some(&unsampled), Some("what ever"), Some(SAMPLED), Some("")]);

    assert_eq!(pending(&traces, &chunk).len(), 2);
    assert_eq!(traces.lost.get(), 0);
}

#[test]
fn span_runs_from_the_commit_to_the_acknowledgement_below_the_rows_span() {
    let (traces, _messages) = stuck(1);
    let pending = pending(&traces, &chunk(&[Some(SAMPLED)]));
    let committed_at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let scope = opentelemetry::InstrumentationScope::builder("test").build();
    let ended_at = |at| pending[0].ended(SpanId::from(7), at, scope.clone());

    let span = ended_at(committed_at + Duration::from_millis(12));
    let behind = ended_at(committed_at - Duration::from_secs(1));

    assert_eq!(
        span.span_context.trace_id(),
        TraceId::from(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736)
    );
    assert_eq!(span.parent_span_id, SpanId::from(0x00f0_67aa_0ba9_02b7));
    assert_eq!(span.name, "send order");
    assert_eq!(span.start_time, committed_at);
    assert_eq!(span.end_time.duration_since(span.start_time).unwrap().as_millis(), 12);
    assert_eq!(behind.end_time, behind.start_time, "the clocks disagree");
    let shown = format!("{span:?}");
    assert!(shown.contains("bin-log.000001:420") && shown.contains("shop.outbox"), "{shown}");
    assert!(!shown.contains("customer"), "{shown}");
}

#[test]
fn spans_beyond_the_queue_are_counted_and_nobody_waits() {
    let (traces, messages) = stuck(3);
    let spans = pending(&traces, &chunk(&[Some(SAMPLED); 10]));
    let (done, finished) = mpsc::channel();

    let lost = traces.lost.clone();
    thread::spawn(move || {
        traces.finish(spans);
        done.send(()).ok();
    });

    assert!(finished.recv_timeout(Duration::from_secs(5)).is_ok(), "publishing stands still");
    assert_eq!((messages.try_iter().count(), lost.get()), (3, 7));
}

#[test]
fn batch_remembers_no_more_spans_than_the_queue_has_room_for() {
    let (traces, _messages) = stuck(1);

    let spans = pending(&traces, &chunk(&vec![Some(SAMPLED); QUEUE_SPANS_MAX + 5]));

    assert_eq!((spans.len(), traces.lost.get()), (QUEUE_SPANS_MAX, 5));
}

#[test]
fn what_the_specification_wants_ignored_is_none() {
    let zero_trace = format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32));
    let zero_span = format!("00-{}-{}-01", "a".repeat(32), "0".repeat(16));
    let (upper_case, more) = (SAMPLED.to_uppercase(), format!("{SAMPLED}-00"));
    let forbidden = SAMPLED.replacen("00", "ff", 1);
    let later = format!("{}-more", SAMPLED.replacen("00", "01", 1));

    for text in ["", "00", "주문", &zero_trace, &zero_span, &upper_case, &more, &forbidden] {
        assert_eq!(Traceparent::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Traceparent::parse(b"\xff"), None);
    assert_eq!(Traceparent::parse(later.as_bytes()), Traceparent::parse(SAMPLED.as_bytes()));
}

fn exporting_to(collector: &TcpListener) -> (Traces, Exporting, Metrics) {
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let metrics = Metrics::register(&mut Registry::default());
    let config = config::Tracing { otlp_endpoint: Some(endpoint) };
    let (traces, exporting) = start(&config, "shop", &metrics).unwrap().unwrap();
    (traces, exporting, metrics)
}

/// Answers each request like this, after a while.
fn answer(collector: &TcpListener, status: &'static str, delay: Duration) {
    let collector = collector.try_clone().unwrap();
    thread::spawn(move || {
        for connection in collector.incoming() {
            let mut request = BufReader::new(connection.unwrap());
            let mut length = 0;
            let mut line = String::new();
            while request.read_line(&mut line).unwrap() > 2 {
                let lower = line.to_ascii_lowercase();
                if let Some(value) = lower.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            request.read_exact(&mut vec![0; length]).unwrap();
            thread::sleep(delay);
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            // Whoever has asked may have gone.
            request.get_mut().write_all(answer.as_bytes()).ok();
        }
    });
}

#[test]
fn spans_that_the_collector_takes_are_counted_once_it_has_them() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    answer(&collector, "200 OK", Duration::from_millis(300));
    let (traces, exporting, metrics) = exporting_to(&collector);
    let started = Instant::now();

    traces.finish(pending(&traces, &chunk(&[Some(SAMPLED); 7])));
    let published_in = started.elapsed();
    exporting.end();

    assert!(published_in < Duration::from_millis(200), "it took {published_in:?}");
    assert!(started.elapsed() >= Duration::from_millis(300), "the end waits for the last ones");
    assert_eq!((metrics.spans_exported.get(), metrics.spans_lost.get()), (7, 0));
}

#[test]
fn spans_that_the_collector_refuses_are_counted_as_lost() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    answer(&collector, "400 Bad Request", Duration::ZERO);
    let (traces, exporting, metrics) = exporting_to(&collector);

    traces.finish(pending(&traces, &chunk(&[Some(SAMPLED); 7])));
    exporting.end();

    assert_eq!((metrics.spans_exported.get(), metrics.spans_lost.get()), (0, 7));
}

#[test]
fn collector_that_never_answers_holds_the_end_for_a_second_and_its_spans_are_counted() {
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let (traces, exporting, metrics) = exporting_to(&deaf);
    let started = Instant::now();

    for _ in 0..QUEUE_SPANS_MAX * 3 / 100 {
        traces.finish(pending(&traces, &chunk(&[Some(SAMPLED); 100])));
    }
    let published_in = started.elapsed();
    let ended = thread::spawn(|| exporting.end());
    while !ended.is_finished() && started.elapsed() < FLUSH_MAX * 4 {
        thread::sleep(Duration::from_millis(10));
    }

    assert!(metrics.spans_lost.get() > 1_000, "{}", metrics.spans_lost.get());
    assert!(published_in < Duration::from_secs(1), "it took {published_in:?}");
    assert!(started.elapsed() < FLUSH_MAX * 3, "the end took {:?}", started.elapsed());
}

#[test]
fn nothing_runs_without_an_endpoint() {
    let metrics = Metrics::register(&mut Registry::default());

    assert!(start(&config::Tracing::default(), "shop", &metrics).unwrap().is_none());
}
