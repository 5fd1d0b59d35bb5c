//! relay/README.md is complete: every key, every metric, every exit code.

use prometheus_client::{encoding::text::encode, registry::Registry};
use rowpost::{
    config::keys::KEYS,
    exit_code::ExitCode,
    metrics::{Metrics, StageLabel, TopicLabel},
};

const README: &str = include_str!("../README.md");

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
    for code in [
        ExitCode::Done,
        ExitCode::Usage,
        ExitCode::Data,
        ExitCode::Unavailable,
        ExitCode::Internal,
        ExitCode::TryAgain,
    ] {
        let number = i32::from(code);

        assert!(row(&format!("{number} |")).is_some(), "{number}");
    }
}
