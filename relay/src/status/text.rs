//! The status as text, for a terminal.

use std::fmt::Display;

use super::report::StatusReport;

/// One line for each fact, values aligned.
pub fn render(report: &StatusReport) -> String {
    lines(report).into_iter().map(|(name, value)| format!("{name:<18}{value}\n")).collect()
}

fn lines(report: &StatusReport) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("rowpost", format!("{}, source {}, {}", report.version, report.name, report.delivery)),
        ("state", state(report)),
        ("source", source(report)),
        ("kafka", report.kafka.bootstrap_servers.clone()),
        ("read", or_dash(report.source.read_position.as_ref())),
    ];
    match &report.committed {
        Some(committed) => {
            lines.push(("committed", committed.position.coordinates.to_string()));
            if let Some(set) = &committed.position.gtid_set {
                lines.push(("gtid set", set.to_string()));
            }
            if let Some(table_start) = &committed.position.table_start {
                lines.push(("from the tables", table_start.to_string()));
            }
            if let Some(in_progress) = &committed.position.in_progress {
                let rows = in_progress.outbox_rows;
                lines.push(("in progress", format!("{rows} rows of the next transaction are out")));
            }
        }
        None => lines.push(("committed", "-".to_owned())),
    }
    if report.xa_branches.prepared > 0 {
        lines.push(("xa branches", report.xa_branches.to_string()));
    }
    let Lag { milliseconds, bytes } = Lag::of(report);
    lines.extend([
        ("lag", format!("{milliseconds}, {bytes}")),
        (
            "records",
            format!(
                "{:.0}/s now, {:.1}/s over the last minute, {} in all",
                report.rates.records_1s, report.rates.records_60s, report.totals.records_committed
            ),
        ),
        (
            "commits",
            format!(
                "p50 {}, p99 {}, last {}; {} in all",
                milliseconds_or_dash(report.commits.p50_ms),
                milliseconds_or_dash(report.commits.p99_ms),
                milliseconds_or_dash(report.commits.last_ms),
                report.totals.commits
            ),
        ),
        (
            "retries",
            format!("source {}, publish {}", report.retries.source, report.retries.publish),
        ),
    ]);
    if let Some(error) = &report.last_error {
        lines.push(("last error", format!("{:.0} {}: {}", error.at, error.stage, error.message)));
    }
    lines
}

struct Lag {
    milliseconds: String,
    bytes: String,
}

impl Lag {
    fn of(report: &StatusReport) -> Self {
        Self {
            milliseconds: format!("{:.0} ms", report.lag.milliseconds),
            bytes: match report.lag.bytes {
                Some(bytes) => format!("{bytes} bytes of binlog"),
                None => "bytes unknown".to_owned(),
            },
        }
    }
}

fn state(report: &StatusReport) -> String {
    let reason = report.not_ready.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let ready = if report.ready { "ready" } else { "not ready" };
    format!("{} since {:.0}, {ready}{reason}", report.state, report.state_since)
}

fn source(report: &StatusReport) -> String {
    let source = &report.source;
    // Where there are several, the one that is read.
    let host = source.host.as_ref().filter(|_| source.address.contains(','));
    let host = host.map(|host| format!(", host {host}")).unwrap_or_default();
    match (&source.version, &source.server_uuid) {
        (Some(version), Some(uuid)) => {
            format!("{}{host}, MySQL {version}, {uuid}", source.address)
        }
        (_, _) => format!("{}{host}, never connected", source.address),
    }
}

fn or_dash(value: Option<&impl Display>) -> String {
    value.map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn milliseconds_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |milliseconds| format!("{milliseconds:.1} ms"))
}
