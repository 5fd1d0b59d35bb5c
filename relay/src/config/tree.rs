//! What file, environment and flags say, before it is typed: a tree whose every value knows where it
//! came from.

use std::{collections::BTreeMap, fmt, ops::Range};

/// One value and its origin.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) origin: Origin,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    /// From environment or flag, where everything is text: read as whatever the key wants.
    Untyped(String),
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Line of the config file, and the bytes of the value in it.
    File { path: String, line: usize, span: Range<usize> },
    /// An environment variable.
    Environment { variable: String },
    /// A flag on the command line, dashes included.
    Flag { flag: &'static str },
    /// Nobody said it; the default stands.
    Default,
}

impl Node {
    pub(super) fn table() -> Self {
        Self { value: Value::Table(BTreeMap::new()), origin: Origin::Default }
    }

    pub(super) fn untyped(text: impl Into<String>, origin: Origin) -> Self {
        Self { value: Value::Untyped(text.into()), origin }
    }

    /// Puts `node` at the path, over what was there.
    ///
    /// `path` is split by the caller: a Kafka property's name holds dots of its own.
    pub(super) fn insert(&mut self, path: &[&str], node: Node) {
        let Some((name, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if !matches!(self.value, Value::Table(_)) {
            *self = Self::table();
        }
        if let Value::Table(entries) = &mut self.value {
            entries.entry((*name).to_owned()).or_insert_with(Self::table).insert(rest, node);
        }
    }

    /// Lays `over` over this: tables are merged key by key, anything else is replaced.
    pub(super) fn overlay(&mut self, over: Node) {
        match (&mut self.value, over) {
            (Value::Table(below), Node { value: Value::Table(above), .. }) => {
                for (name, node) in above {
                    match below.get_mut(&name) {
                        Some(known) => known.overlay(node),
                        None => {
                            below.insert(name, node);
                        }
                    }
                }
            }
            (_, over) => *self = over,
        }
    }

    /// `[kafka.properties] sasl.password = …` is a table in a table to TOML, but one name to
    /// librdkafka: joins nested names with dots.
    pub(super) fn flatten_kafka_properties(&mut self) {
        let Value::Table(root) = &mut self.value else { return };
        let Some(Node { value: Value::Table(kafka), .. }) = root.get_mut("kafka") else { return };
        let Some(Node { value: Value::Table(properties), .. }) = kafka.get_mut("properties") else {
            return;
        };
        let mut flat = BTreeMap::new();
        for (name, node) in std::mem::take(properties) {
            node.flatten_into(name, &mut flat);
        }
        *properties = flat;
    }

    fn flatten_into(self, name: String, flat: &mut BTreeMap<String, Node>) {
        match self.value {
            Value::Table(entries) => {
                for (inner, node) in entries {
                    node.flatten_into(format!("{name}.{inner}"), flat);
                }
            }
            value @ (Value::Boolean(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Untyped(_)
            | Value::Array(_)) => {
                flat.insert(name, Node { value, origin: self.origin });
            }
        }
    }

    /// What stands at the dotted key. A Kafka property counts as one name, dots included.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        let mut node = self;
        for name in split_key(key) {
            node = match &node.value {
                Value::Table(entries) => entries.get(name)?,
                Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
                Value::Boolean(_)
                | Value::Integer(_)
                | Value::Float(_)
                | Value::Text(_)
                | Value::Untyped(_) => return None,
            };
        }
        Some(node)
    }
}

/// `kafka.properties.sasl.password` → `kafka`, `properties`, `sasl.password`; `outbox[0].key` →
/// `outbox`, `0`, `key`.
pub(super) fn split_key(key: &str) -> Vec<&str> {
    match key.strip_prefix("kafka.properties.") {
        Some(property) => vec!["kafka", "properties", property],
        None => key.split(['.', '[']).map(|name| name.trim_end_matches(']')).collect(),
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
            Self::Text(text) | Self::Untyped(text) => f.write_str(text),
            Self::Array(items) => write!(f, "a list of {}", items.len()),
            Self::Table(_) => f.write_str("a table"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, .. } => write!(f, "{path}:{line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
            Self::Default => f.write_str("the default"),
        }
    }
}
