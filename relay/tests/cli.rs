//! The binary as an operator meets it: exit codes, messages, signals. No servers are needed: that
//! none answer is part of what is tested.

#![expect(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; these helpers stand outside of #[test] functions"
)]

use std::{
    io::Read,
    net::TcpListener,
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rowpost::http::client;
use rustix::process::{Pid, Signal, kill_process};

const DEADLINE: Duration = Duration::from_secs(30);

/// An address that refuses connections: a port that was free a moment ago.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn rowpost(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowpost"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    rowpost(arguments).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A relay whose servers do not answer.
struct Relay {
    child: Child,
    http: String,
}

impl Relay {
    fn start(extra: &[&str]) -> Self {
        let (mysql, kafka, http) = (format!("mysql://u:hunter2@{}", nobody()), nobody(), nobody());
        let arguments = ["run", "--mysql", &mysql, "--kafka", &kafka, "--http", &http];
        let child = rowpost(&arguments).args(extra).stderr(Stdio::piped()).spawn().unwrap();
        let relay = Self { child, http: format!("http://{http}") };
        eventually("the relay answers", || client::get(&relay.http, "/healthz").is_ok());
        relay
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// How it ended, and all it logged.
    fn end(mut self) -> (ExitStatus, String) {
        let mut status = None;
        eventually("the relay ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (status.unwrap(), log)
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within {DEADLINE:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn help_and_version_are_no_failures() {
    for flag in ["--help", "--version"] {
        let output = output(&[flag]);

        assert_eq!(output.status.code(), Some(0), "{flag}");
        assert!(!output.stdout.is_empty());
    }
}

#[test]
fn command_line_that_cannot_be_read_is_a_usage_error() {
    for arguments in [&["run", "--nonsense"][..], &["fly"], &[], &["status", "--format", "xml"]] {
        let output = output(arguments);

        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(stderr(&output).contains("--help"), "{}", stderr(&output));
    }
}

#[test]
fn run_and_check_without_addresses_say_every_way_to_give_them() {
    for command in ["run", "check"] {
        let output = output(&[command]);

        assert_eq!(output.status.code(), Some(64), "{command}");
        for part in ["mysql.url", "--mysql", "ROWPOST_MYSQL__URL", "kafka.bootstrap_servers"] {
            assert!(stderr(&output).contains(part), "{}", stderr(&output));
        }
    }
}

#[test]
fn wrong_value_in_a_file_is_shown_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("rowpost.toml");
    std::fs::write(&file, "\n[publish]\nslots = 9\n").unwrap();
    let arguments = ["run", "--mysql", "mysql://u@h", "--kafka", "k:1", "--config"];

    let output = rowpost(&arguments).arg(&file).output().unwrap();

    assert_eq!(output.status.code(), Some(64));
    let text = stderr(&output);
    for part in ["publish.slots", "rowpost.toml:3", "slots = 9", "must be 1 or 2"] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
}

#[test]
fn config_file_is_found_by_its_variable() {
    let output = rowpost(&["run"]).env("ROWPOST_CONFIG", "/nowhere.toml").output().unwrap();

    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("/nowhere.toml cannot be read"), "{}", stderr(&output));
}

#[test]
fn misspelt_variable_is_refused() {
    let arguments = ["run", "--mysql", "mysql://u@h", "--kafka", "k:1"];

    let output = rowpost(&arguments).env("ROWPOST_PUBLISH__SLOT", "1").output().unwrap();

    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("ROWPOST_PUBLISH__SLOTS"), "{}", stderr(&output));
}

#[test]
fn filter_that_cannot_be_parsed_is_a_configuration_error_and_rust_log_is_nothing() {
    let arguments = ["run", "--mysql", "mysql://u@h", "--kafka", "k:1", "--log-filter", "a=loud"];

    let output = rowpost(&arguments).env("RUST_LOG", "trace").output().unwrap();

    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("log.filter"), "{}", stderr(&output));
}

/// A filter of a single layer lost the lines that followed a library's question whether it may log.
#[test]
fn filter_with_several_parts_loses_no_line() {
    for filter in ["info", "rowpost=debug,info", "info,librdkafka=off"] {
        let relay = Relay::start(&["--log-filter", filter]);
        relay.signal(Signal::TERM);

        let (_, log) = relay.end();

        for part in ["rowpost starts", "stopping", "stopped, everything that was read"] {
            assert!(log.contains(part), "`{part}` is missing with {filter} in\n{log}");
        }
    }
}

#[test]
fn address_in_use_names_the_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();

    let output = output(&["run", "--mysql", "mysql://u@h", "--kafka", "k:1", "--http", &address]);

    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains(&format!("http.listen = {address}")), "{}", stderr(&output));
}

#[test]
fn status_of_a_relay_that_does_not_run_is_unavailable() {
    for extra in [&[][..], &["--ready"]] {
        let output = rowpost(&["status", "--url"])
            .arg(format!("http://{}", nobody()))
            .args(extra)
            .output()
            .unwrap();

        assert_eq!(output.status.code(), Some(69));
        assert!(stderr(&output).contains("does the relay run"), "{}", stderr(&output));
    }
}

#[test]
fn relay_without_its_servers_is_alive_but_not_ready_and_leaves_when_told() {
    for signal in [Signal::TERM, Signal::INT] {
        let relay = Relay::start(&["--log-format", "json"]);

        assert_eq!(client::get(&relay.http, "/readyz").unwrap().status, 503);
        let ready = output(&["status", "--ready", "--url", &relay.http]);
        assert_eq!(ready.status.code(), Some(69));
        assert!(stderr(&ready).contains("not ready: "), "{}", stderr(&ready));
        let status = output(&["status", "--url", &relay.http]);
        assert_eq!(status.status.code(), Some(0));
        assert!(String::from_utf8(status.stdout).unwrap().contains("not ready"));

        relay.signal(signal);

        let (status, log) = relay.end();
        assert_eq!(status.code(), Some(0), "{log}");
        for line in log.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect(line);
        }
        let first = log.lines().next().unwrap();
        for part in ["rowpost starts", "\"version\":", "\"source\":\"mysql\"", "exactly-once"] {
            assert!(first.contains(part), "`{part}` is missing in {first}");
        }
        assert!(!log.contains("hunter2"), "{log}");
    }
}

#[test]
fn check_without_servers_fails_with_a_line_for_each_side() {
    let (mysql, kafka) = (format!("mysql://u:hunter2@{}", nobody()), nobody());

    let output = output(&["check", "--mysql", &mysql, "--kafka", &kafka, "--format", "json"]);

    assert_eq!(output.status.code(), Some(69), "{}", stderr(&output));
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<_> =
        checks.as_array().unwrap().iter().filter(|check| check["verdict"] == "failed").collect();
    assert!(failed.iter().any(|check| check["name"] == "kafka.bootstrap_servers"), "{checks}");
    assert!(failed.len() >= 2, "{checks}");
    assert!(!checks.to_string().contains("hunter2"));
}
