//! Every path, by a request to the router.

use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode, header::CONTENT_TYPE},
};
use jiff::Timestamp;
use tokio::sync::watch;
use tower::ServiceExt;
use uuid::Uuid;

use super::*;
use crate::{
    config::{Config, Flag},
    metrics::Metrics,
    position::Position,
    publish::Committed,
    status::{Stage, State, StatusReport, render},
};

const SECRET: &str = "hunter2";

struct Relay {
    shown: Shown,
    metrics: Metrics,
}

impl Relay {
    fn new() -> Self {
        let flags =
            [("--mysql", format!("mysql://relay:{SECRET}@db:3306")), ("--kafka", "k:1".into())]
                .map(|(flag, value)| Flag { flag, values: vec![value] });
        let config = Config::load(None, [], &flags).unwrap();
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let status = Status::new(&config, metrics.clone());
        Self { shown: Shown { status, registry: Arc::new(registry) }, metrics }
    }

    /// As it is after a first commit.
    fn publishing(&self) -> watch::Sender<Committed> {
        let (sender, receiver) = watch::channel(Committed {
            position: Position {
                server_uuid: Uuid::from_u128(7),
                coordinates: "bin-log.000042:1234".parse().unwrap(),
                file_begun: None,
                gtid_set: None,
                in_progress: None,
                table_start: None,
                prepared: Vec::new(),
            },
            records_total: 2,
            commit_timestamp_us: 1_700_000_000_000_000,
            committed_at: Timestamp::UNIX_EPOCH,
        });
        let status = &self.shown.status;
        status.enter(State::Publishing);
        self.metrics.source_view.opened(Uuid::from_u128(7), "9.7.4");
        status.publishing(receiver);
        self.metrics.source_connected.set(1);
        sender
    }

    async fn get(&self, path: &str) -> (StatusCode, String, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router(self.shown.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let kind =
            response.headers().get(CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, kind.unwrap_or_default(), String::from_utf8(body.to_vec()).unwrap())
    }
}

#[tokio::test]
async fn process_is_alive_while_it_is_not_ready() {
    let relay = Relay::new();

    assert_eq!(relay.get("/healthz").await.0, StatusCode::OK);
    assert_eq!(relay.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn ready_is_connected_fenced_and_with_a_known_position() {
    let relay = Relay::new();
    let _committed = relay.publishing();

    let (code, _, body) = relay.get("/readyz").await;

    assert_eq!((code, body.as_str()), (StatusCode::OK, r#"{"ready":true}"#));
}

#[tokio::test]
async fn relay_without_a_connection_is_not_ready_and_says_so() {
    let relay = Relay::new();
    let _committed = relay.publishing();
    relay.metrics.source_connected.set(0);
    relay.metrics.source_view.failed("connection refused".to_owned());

    let (code, _, body) = relay.get("/readyz").await;

    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        body,
        r#"{"ready":false,"reason":"the source is not connected: connection refused"}"#
    );
}

#[tokio::test]
async fn relay_that_does_not_know_its_position_is_not_ready() {
    let relay = Relay::new();
    relay.shown.status.enter(State::Publishing);
    relay.metrics.source_connected.set(1);

    let (code, _, body) = relay.get("/readyz").await;

    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("the committed position is not known"), "{body}");
}

#[tokio::test]
async fn retrying_relay_is_not_ready_counts_the_attempt_and_shows_the_error() {
    let relay = Relay::new();
    let _committed = relay.publishing();

    relay.shown.status.retrying(Stage::Source, "connection refused");

    let (code, _, body) = relay.get("/readyz").await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("connection refused"), "{body}");
    let report = relay.shown.status.report();
    assert_eq!((report.retries.source, report.retries.publish), (1, 0));
    assert_eq!(report.last_error.unwrap().message, "connection refused");
    let metrics = relay.get("/metrics").await.2;
    assert!(metrics.contains("rowpost_retries_total{stage=\"source\"} 1"), "{metrics}");
}

#[tokio::test]
async fn metrics_are_in_the_text_format_with_every_name() {
    let relay = Relay::new();
    relay.metrics.outbox_rows_read.inc_by(3);

    let (code, kind, body) = relay.get("/metrics").await;

    assert_eq!(code, StatusCode::OK);
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    assert!(body.contains("\nrowpost_outbox_rows_read_total 3\n"), "{body}");
    assert!(body.ends_with("# EOF\n"), "{body}");
}

#[tokio::test]
async fn status_holds_what_the_pipeline_said() {
    let relay = Relay::new();
    let _committed = relay.publishing();
    relay.metrics.activity.record(2, std::time::Duration::from_millis(4));
    relay.metrics.replication_lag.set(0.25);
    relay.shown.status.lag_bytes(99);
    relay.metrics.source_view.read_up_to("bin-log.000042:2000".parse().unwrap());

    let (code, kind, body) = relay.get("/api/status").await;

    assert_eq!((code, kind.as_str()), (StatusCode::OK, "application/json"));
    let report: StatusReport = serde_json::from_str(&body).unwrap();
    assert!(report.ready);
    assert_eq!(report.state, State::Publishing);
    assert_eq!(report.source.version.as_deref(), Some("9.7.4"));
    assert_eq!(report.source.read_position.unwrap().to_string(), "bin-log.000042:2000");
    let committed = report.committed.unwrap();
    assert_eq!(committed.position.coordinates.to_string(), "bin-log.000042:1234");
    assert_eq!(committed.source_commit.unwrap().as_second(), 1_700_000_000);
    assert_eq!((report.lag.milliseconds, report.lag.bytes), (250.0, Some(99)));
    assert_eq!((report.totals.records_committed, report.totals.commits), (2, 1));
    assert!(report.commits.last_ms.unwrap() > 3.9);
}

#[tokio::test]
async fn source_that_begins_at_the_start_of_a_file_does_not_seem_to_have_gone_back() {
    let relay = Relay::new();
    let _committed = relay.publishing();
    relay.metrics.source_view.read_up_to("bin-log.000042:158".parse().unwrap());

    let read = relay.shown.status.report().source.read_position.unwrap();

    assert_eq!(read.to_string(), "bin-log.000042:1234");
}

#[tokio::test]
async fn rows_wait_between_reading_and_commit_and_while_nobody_reads() {
    let relay = Relay::new();
    relay.metrics.outbox_rows_read.inc_by(9);
    let _committed = relay.publishing();
    let status = &relay.shown.status;
    assert!(!status.has_unpublished(), "what an earlier publisher left is read again");

    relay.metrics.outbox_rows_read.inc_by(2);
    assert!(status.has_unpublished());
    relay.metrics.activity.record(2, std::time::Duration::ZERO);
    assert!(!status.has_unpublished());

    status.enter(State::Fencing);
    assert!(status.has_unpublished());
}

#[tokio::test]
async fn nothing_that_is_served_holds_the_password() {
    let relay = Relay::new();
    let _committed = relay.publishing();

    for path in ["/", "/metrics", "/healthz", "/readyz", "/api/status"] {
        let (code, _, body) = relay.get(path).await;
        assert_eq!(code, StatusCode::OK, "{path}");
        assert!(!body.contains(SECRET), "{path}");
    }
    assert!(!format!("{:?}", relay.shown.status).contains(SECRET));
}

#[tokio::test]
async fn page_loads_nothing_from_elsewhere() {
    let relay = Relay::new();

    let (code, kind, body) = relay.get("/").await;

    assert_eq!((code, kind.as_str()), (StatusCode::OK, "text/html; charset=utf-8"));
    assert!(body.contains("fetch(\"/api/status\""), "{body}");
    assert!(!body.contains("http://") && !body.contains("https://"), "{body}");
    assert!(!body.contains("innerHTML"), "{body}");
}

/// The page reads fields by name: each must be in the JSON, or the page shows nothing for it.
#[tokio::test]
async fn page_reads_only_fields_that_the_status_has() {
    let relay = Relay::new();
    let _committed = relay.publishing();
    let status: serde_json::Value =
        serde_json::from_str(&relay.get("/api/status").await.2).unwrap();
    let page = relay.get("/").await.2;

    for section in ["source", "committed", "lag", "rates", "commits", "retries", "totals", "status"]
    {
        let mut read = 0;
        for (at, _) in page.match_indices(&format!("{section}.")) {
            let rest = &page[at + section.len() + 1..];
            let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let name: String = rest.chars().take_while(|letter| is_name(*letter)).collect();
            let object = if section == "status" { &status } else { &status[section] };
            let is_optional = ["in_progress", "gtid_set"].contains(&name.as_str());
            assert!(is_optional || object.get(&name).is_some(), "{section}.{name}");
            read += 1;
        }
        assert!(read > 0, "the page reads nothing of {section}");
    }
}

#[tokio::test]
async fn unknown_path_is_not_found() {
    assert_eq!(Relay::new().get("/nowhere").await.0, StatusCode::NOT_FOUND);
}

#[test]
fn address_in_use_is_refused_naming_the_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();

    let error = bind(Some(address)).unwrap_err();

    assert!(error.to_string().starts_with(&format!("http.listen = {address}")), "{error}");
    assert!(bind(None).unwrap().is_none());
}

#[tokio::test]
async fn client_gets_what_the_server_serves_until_it_is_stopped() {
    let relay = Relay::new();
    let listener = bind(Some("127.0.0.1:0".parse().unwrap())).unwrap().unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::start(Some(listener), relay.shown.clone());

    let url = base.clone();
    let answer = tokio::task::spawn_blocking(move || client::get(&url, "/api/status")).await;

    let answer = answer.unwrap().unwrap();
    assert_eq!(answer.status, 200);
    let report: StatusReport = serde_json::from_str(&answer.body).unwrap();
    assert!(render(&report).contains("not ready: starting"), "{}", render(&report));
    server.stop().await;
    let stopped = tokio::task::spawn_blocking(move || client::get(&base, "/healthz")).await;
    assert!(matches!(stopped.unwrap(), Err(client::ClientError::Unreachable { .. })));
}

#[test]
fn text_shows_position_lag_and_times() {
    let relay = Relay::new();
    let _committed = relay.publishing();
    relay.metrics.activity.record(5, std::time::Duration::from_millis(4));

    let text = render(&relay.shown.status.report());

    for part in ["bin-log.000042:1234", "ready", "p50 3.8 ms", "mysql://relay@db:3306", "5 in all"]
    {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}
