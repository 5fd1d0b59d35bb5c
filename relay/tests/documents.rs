//! relay/README.md is complete: every key, every metric, every exit code. docs/runbook.md has a heading
//! for whatever ends the relay or keeps it from being ready.

use prometheus_client::{encoding::text::encode, registry::Registry};
use rowpost::{
    config::keys::KEYS,
    exit_code::ExitCode,
    metrics::{Metrics, StageLabel, TopicLabel},
    status::State,
};

const README: &str = include_str!("../README.md");
const RUNBOOK: &str = include_str!("../../docs/runbook.md");

const EXIT_CODES: [ExitCode; 6] = [
    ExitCode::Done,
    ExitCode::Usage,
    ExitCode::Data,
    ExitCode::Unavailable,
    ExitCode::Internal,
    ExitCode::TryAgain,
];

/// The table row that begins with `cell`.
fn row(cell: &str) -> Option<&'static str> {
    README.lines().find(|line| line.starts_with(&format!("| {cell}")))
}

#[test]
fn every_key_has_a_row_with_what_it_takes_and_its_flag() {
    for key in KEYS {
        let row = row(&format!("`{}` |", key.name)).unwrap_or_else(|| panic!("{}", key.name));

        assert!(row.contains(key.takes), "{row}");
        assert_eq!(key.flag.is_some_and(|flag| row.contains(flag)), key.flag.is_some(), "{row}");
    }
}

#[test]
fn every_metric_has_a_row_and_every_row_is_a_metric() {
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    // A family without a member shows no name.
    drop(metrics.retries.get_or_create(&StageLabel { stage: "source" }));
    let topic = TopicLabel { topic: "t".to_owned() };
    drop(metrics.records_published.get_or_create(&topic));
    drop(metrics.records_acknowledged.get_or_create(&topic));
    metrics.reads_from("db:3306");
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();

    let mut names: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
            Some(if kind == "counter" { format!("{name}_total") } else { name.to_owned() })
        })
        .collect();
    let mut documented: Vec<String> = README
        .lines()
        .filter_map(|line| line.strip_prefix("| `rowpost_"))
        .filter_map(|line| line.split(['`', '{']).next())
        .map(|name| format!("rowpost_{name}"))
        .collect();
    names.sort();
    documented.sort();
    assert_eq!(documented, names);
}

#[test]
fn every_exit_code_has_a_row() {
    for code in EXIT_CODES {
        let number = i32::from(code);

        assert!(row(&format!("{number} |")).is_some(), "{number}");
    }
}

/// What stands below a heading of the runbook.
fn section(heading: &str) -> Option<&'static str> {
    let (_, rest) = RUNBOOK.split_once(&format!("\n## {heading}\n"))?;
    rest.split("\n## ").next()
}

#[test]
fn runbook_says_for_every_exit_code_what_it_means_and_what_to_do() {
    for code in EXIT_CODES {
        let heading = format!("Exit code {}", i32::from(code));

        let section = section(&heading).unwrap_or_else(|| panic!("no heading `{heading}`"));

        for part in ["**Means:**", "**Do"] {
            assert!(section.contains(part), "`{heading}` lacks {part}");
        }
    }
}

/// How `/readyz` begins to say why.
fn reasons(state: State) -> Vec<String> {
    match state {
        State::Starting | State::Fencing | State::Connecting | State::Draining | State::Stopped => {
            vec![state.to_string()]
        }
        State::Publishing => vec![
            "the source is not connected".to_owned(),
            "the committed position is not known".to_owned(),
        ],
        State::Retrying => vec!["retrying after a failure".to_owned()],
    }
}

#[test]
fn runbook_has_a_heading_for_every_reason_not_to_be_ready() {
    let states = [
        State::Starting,
        State::Fencing,
        State::Connecting,
        State::Publishing,
        State::Retrying,
        State::Draining,
        State::Stopped,
    ];
    for reason in states.into_iter().flat_map(reasons) {
        let section = section(&format!("Not ready: {reason}"));

        assert!(section.is_some_and(|text| text.contains("**Means:**")), "{reason}");
    }
}
