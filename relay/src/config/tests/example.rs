//! rowpost.example.toml is the documented truth: every key, and each with its default.

use std::collections::BTreeSet;

use super::load_file;
use crate::config::{Config, Flag, keys::KEYS};

const EXAMPLE: &str = include_str!("../../../../rowpost.example.toml");

/// The example with the keys that have no default switched on.
fn uncommented() -> String {
    let is_key = |line: &str| {
        line.strip_prefix("# ").and_then(|line| line.split_once(" = ")).is_some_and(|(name, _)| {
            name.chars().all(|letter| letter.is_ascii_lowercase() || "_.".contains(letter))
        })
    };
    EXAMPLE
        .lines()
        .filter(|line| *line != "additional = []")
        .map(|line| if is_key(line) { &line[2..] } else { line })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn example_equals_the_defaults() {
    let flags = [
        Flag { flag: "--mysql", values: vec!["mysql://rowpost@127.0.0.1:3306".into()] },
        Flag { flag: "--kafka", values: vec!["127.0.0.1:9092".into()] },
    ];

    let defaults = Config::load(None, [], &flags).unwrap();

    assert_eq!(load_file(EXAMPLE).unwrap(), defaults);
}

#[test]
fn example_names_every_key() {
    let document = toml::de::DeTable::parse(Box::leak(uncommented().into_boxed_str())).unwrap();
    let mut named = BTreeSet::new();
    collect("", &toml::de::DeValue::Table(document.into_inner()), &mut named);

    let missing: Vec<_> =
        KEYS.iter().map(|key| key.name).filter(|name| !named.contains(*name)).collect();

    assert_eq!(missing, Vec::<&str>::new());
}

/// Names of all tables and values, with `[]` behind a list.
fn collect(name: &str, value: &toml::de::DeValue<'_>, names: &mut BTreeSet<String>) {
    names.insert(name.to_owned());
    if let Some(table) = value.as_table() {
        for (inner, value) in table {
            let inner = if name.is_empty() {
                inner.get_ref().to_string()
            } else {
                format!("{name}.{}", inner.get_ref())
            };
            collect(&inner, value.get_ref(), names);
        }
    }
    if let Some(items) = value.as_array() {
        for item in items {
            collect(&format!("{name}[]"), item.get_ref(), names);
        }
    }
}

/// The table of keys is written by hand; serde's own list of fields is the other side.
#[test]
fn table_of_keys_is_what_the_sections_know() {
    for section in [
        "",
        "mysql",
        "mysql.tls",
        "kafka",
        "publish",
        "checkpoint",
        "limits",
        "http",
        "log",
        "tracing",
    ] {
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let known = known_fields(&format!("{header}no_such_key = 1"));
        let listed: BTreeSet<String> = KEYS
            .iter()
            .filter_map(|key| match section {
                "" => Some(key.name),
                section => key.name.strip_prefix(section)?.strip_prefix('.'),
            })
            .filter_map(|name| name.split(['.', '[']).next().map(str::to_owned))
            .collect();
        assert_eq!(listed, known, "[{section}]");
    }
    let known = known_fields("[[outbox]]\nno_such_key = 1");
    let listed: BTreeSet<String> = KEYS
        .iter()
        .filter_map(|key| key.name.strip_prefix("outbox[]."))
        .filter_map(|name| name.split(['.', '[']).next().map(str::to_owned))
        .collect();
    assert_eq!(listed, known, "[[outbox]]");
}

/// Field names that serde lists when it refuses the key of `text`.
fn known_fields(text: &str) -> BTreeSet<String> {
    let flags = [("--mysql", "mysql://u@h"), ("--kafka", "k:1")];
    let line = super::load(text, &[], &flags).unwrap_err().lines().remove(0);
    let (_, known) = line
        .to_lowercase()
        .split_once("known here: ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    known.split(", ").map(str::to_owned).collect()
}
