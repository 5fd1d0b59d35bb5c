//! The rules that a type cannot hold: bounds, and what must fit together.

use std::{collections::BTreeSet, path::Path, time::Duration};

use bytesize::ByteSize;
use tracing_subscriber::EnvFilter;

use super::{Config, Mysql, OutboxTable, Placement};
use crate::{publish::SettingsError, traces::ENDPOINT_PATH};

/// A key whose value cannot be used. Without a reason, what the key takes says it all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) key: String,
    pub(super) reason: Option<String>,
}

/// Collects violations; each rule is one line.
#[derive(Default)]
struct Rules(Vec<Violation>);

impl Rules {
    fn require(&mut self, key: &str, holds: bool) {
        if !holds {
            self.0.push(Violation { key: key.to_owned(), reason: None });
        }
    }

    fn require_that(&mut self, key: &str, holds: bool, reason: impl Into<String>) {
        if !holds {
            self.0.push(Violation { key: key.to_owned(), reason: Some(reason.into()) });
        }
    }

    fn duration(&mut self, key: &str, value: Duration, min: Duration, max: Duration) {
        self.require(key, (min..=max).contains(&value));
    }

    fn size(&mut self, key: &str, value: ByteSize, min: ByteSize, max: ByteSize) {
        self.require(key, (min..=max).contains(&value));
    }

    fn readable(&mut self, key: &str, path: Option<&Path>) {
        if let Some(path) = path
            && let Err(error) = std::fs::File::open(path)
        {
            self.require_that(key, false, error.to_string());
        }
    }
}

const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// librdkafka's queue holds 50,000 records; a batch must fit with its checkpoint, or sending would
/// wait for a flush that comes only after the last record.
const BATCH_RECORDS_MAX: usize = 45_000;

impl Config {
    /// Everything that is wrong, in the order of the sections; empty for a valid configuration.
    pub(super) fn validate(&self) -> Vec<Violation> {
        let mut rules = Rules::default();
        rules.require("source", is_name(&self.source, 100));
        mysql(&self.mysql, &mut rules);
        kafka(self, &mut rules);
        outbox(&self.outbox, &mut rules);
        publishing(self, &mut rules);
        limits(self, &mut rules);
        let filter = EnvFilter::builder().parse(&self.log.filter);
        if let Err(error) = filter {
            rules.require_that("log.filter", false, error.to_string());
        }
        tracing(self.tracing.otlp_endpoint.as_deref(), &mut rules);
        // The client is asked last, about sections that are right by themselves.
        if rules.0.is_empty() {
            client(self, &mut rules);
        }
        rules.0
    }
}

fn mysql(mysql: &Mysql, rules: &mut Rules) {
    rules.duration("mysql.heartbeat_interval", mysql.heartbeat_interval, TENTH, HOUR);
    rules.duration("mysql.connect_timeout", mysql.connect_timeout, TENTH, 5 * MINUTE);
    rules.readable("mysql.password_file", mysql.password_file.as_deref());
    rules.require_that(
        "mysql.password_file",
        mysql.password_file.is_none() || !mysql.url.has_password(),
        "mysql.url holds a password too; leave one of them out",
    );
    let tls = &mysql.tls;
    rules.readable("mysql.tls.ca", tls.ca.as_deref());
    rules.readable("mysql.tls.certificate", tls.certificate.as_deref());
    rules.readable("mysql.tls.key", tls.key.as_deref());
    let pair = tls.certificate.is_some() == tls.key.is_some();
    let key = if tls.key.is_some() { "mysql.tls.key" } else { "mysql.tls.certificate" };
    rules.require_that(key, pair, "mysql.tls.certificate and mysql.tls.key go together");
}

fn kafka(config: &Config, rules: &mut Rules) {
    let servers = &config.kafka.bootstrap_servers;
    rules.require(
        "kafka.bootstrap_servers",
        servers.split(',').all(|server| is_address(server.trim())),
    );
}

/// Kafka's own rules: properties that would break a promise, and whatever librdkafka refuses.
fn client(config: &Config, rules: &mut Rules) {
    let Err(error) = config.publish_settings() else { return };
    let (key, reason) = match error {
        SettingsError::PropertyRefused { name, reason } => {
            (format!("kafka.properties.{name}"), reason.to_owned())
        }
        SettingsError::PropertyInvalid { name, reason } => {
            (format!("kafka.properties.{name}"), reason)
        }
        SettingsError::OutOfRange { setting, actual, required } => {
            (setting.to_owned(), format!("{actual}, but must be {required}"))
        }
        SettingsError::ClientRefused { reason } => ("kafka.properties".to_owned(), reason),
    };
    rules.require_that(&key, false, reason);
}

fn outbox(tables: &[OutboxTable], rules: &mut Rules) {
    rules.require_that(
        "outbox",
        !tables.is_empty(),
        "without an outbox table there is nothing to publish",
    );
    let mut seen = BTreeSet::new();
    for (index, table) in tables.iter().enumerate() {
        let key = |name: &str| format!("outbox[{index}].{name}");
        let pattern = table.table.to_string();
        rules.require_that(
            &key("table"),
            seen.insert(pattern.to_lowercase()),
            "an earlier [[outbox]] has the same table",
        );
        rules.require(&key("event_id"), !table.event_id.is_empty());
        rules.require(&key("event_id_header"), !table.event_id_header.is_empty());
        rules.require(&key("payload"), !table.payload.is_empty());
        rules.require(&key("timestamp"), table.timestamp.as_deref() != Some(""));
        rules.require(&key("start_order"), table.start_order.as_deref() != Some(""));
        let partitions =
            table.additional.iter().filter(|field| field.placement == Placement::Partition);
        rules.require_that(
            &key("additional"),
            partitions.count() <= 1,
            "only one column can name the partition",
        );
        let mut headers = BTreeSet::from([table.event_id_header.as_str()]);
        for (place, field) in table.additional.iter().enumerate() {
            let field_key = |name: &str| key(&format!("additional[{place}].{name}"));
            rules.require(&field_key("column"), !field.column.is_empty());
            if field.placement == Placement::Header {
                let name = field.alias.as_ref().unwrap_or(&field.column);
                let blamed = if field.alias.is_some() { "alias" } else { "column" };
                rules.require_that(
                    &field_key(blamed),
                    !name.is_empty() && headers.insert(name),
                    format!("`{name}` names no header of its own: set `alias` to one that is free"),
                );
            }
        }
    }
}

fn publishing(config: &Config, rules: &mut Rules) {
    let publish = &config.publish;
    rules
        .require("publish.batch_records_max", publish.batch_records_max.get() <= BATCH_RECORDS_MAX);
    rules.size(
        "publish.batch_bytes_max",
        publish.batch_bytes_max,
        ByteSize::kib(64),
        ByteSize::mib(64),
    );
    rules.duration("publish.commit_spacing", publish.commit_spacing, Duration::ZERO, SECOND);
    rules.duration("publish.transaction_timeout", publish.transaction_timeout, SECOND, 15 * MINUTE);
    rules.duration("publish.delivery_timeout", publish.delivery_timeout, SECOND, HOUR);
    rules.require("publish.slots", publish.slots.get() <= 2);
    let checkpoint = &config.checkpoint;
    let topic = checkpoint.topic.as_deref();
    rules.require("checkpoint.topic", topic.is_none_or(|topic| is_name(topic, 249)));
    rules.duration("checkpoint.interval", checkpoint.interval, TENTH, HOUR);
    let replication = checkpoint.replication_factor;
    rules.require(
        "checkpoint.replication_factor",
        replication == -1 || (1..=i32::from(i16::MAX)).contains(&replication),
    );
}

fn limits(config: &Config, rules: &mut Rules) {
    let limits = &config.limits;
    let in_flight = limits.in_flight_bytes_max;
    rules.require("limits.in_flight_bytes_max", in_flight <= ByteSize::gib(1));
    rules.size(
        "limits.chunk_bytes_max",
        limits.chunk_bytes_max,
        ByteSize::kib(4),
        ByteSize::gib(1),
    );
    // A chunk takes its share of the in-flight memory before it goes on: larger, it would wait for
    // ever.
    rules.require_that(
        "limits.chunk_bytes_max",
        limits.chunk_bytes_max <= in_flight,
        format!("a chunk must fit into limits.in_flight_bytes_max = {in_flight}"),
    );
    rules.duration("limits.shutdown_grace", limits.shutdown_grace, Duration::ZERO, 10 * MINUTE);
    rules.duration("limits.retry_backoff_max", limits.retry_backoff_max, TENTH, 10 * MINUTE);
    let retry_time = limits.retry_time_max;
    rules.require("limits.retry_time_max", retry_time.is_none_or(|time| time >= SECOND));
}

fn tracing(endpoint: Option<&str>, rules: &mut Rules) {
    const KEY: &str = "tracing.otlp_endpoint";
    let Some(endpoint) = endpoint else { return };
    let Ok(url) = url::Url::parse(endpoint) else {
        rules.require(KEY, false);
        return;
    };
    rules.require_that(
        KEY,
        url.scheme() != "https",
        "TLS is not spoken here: name a collector that is near, and let that one go on with TLS",
    );
    rules.require(KEY, url.scheme() != "http" || url.has_host());
    rules.require(KEY, matches!(url.scheme(), "http" | "https"));
    rules.require_that(
        KEY,
        url.username().is_empty() && url.password().is_none(),
        "it is logged, and must hold no account: set OTEL_EXPORTER_OTLP_HEADERS",
    );
    rules.require_that(
        KEY,
        url.query().is_none() && !url.path().trim_end_matches('/').ends_with(ENDPOINT_PATH),
        "it ends before `/v1/traces`, which the relay puts behind it",
    );
}

/// Characters that a Kafka topic may have.
fn is_name(text: &str, length_max: usize) -> bool {
    (1..=length_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        && text != "."
        && text != ".."
}

/// `host:port`, the host possibly an IPv6 address in brackets.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty()
        && (bracketed || !host.contains(':'))
        && !host.contains(char::is_whitespace)
        && port.parse::<u16>().is_ok_and(|port| port != 0)
}
