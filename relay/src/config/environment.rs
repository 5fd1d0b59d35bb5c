//! `ROWPOST_…` environment variables → tree.
//!
//! `ROWPOST_<SECTION>__<KEY>` sets `section.key`; with `_FILE` behind it the value is read from the
//! file it names (not where the key itself ends so). `ROWPOST_KAFKA__PROPERTIES__<NAME>` sets a
//! librdkafka property: lower case, `_` read as `.` because a shell exports no name with dots.
//! `ROWPOST_OUTBOX` is a comma-separated list of `database.table`. An empty variable counts as not
//! set. A name that fits no key is refused: a misspelt one would be silence.

use std::{collections::BTreeMap, ffi::OsString};

use super::{
    error::{Problem, nearest},
    keys::{self, KEYS},
    outbox::tables,
    tree::{Node, Origin, split_key},
};

const PREFIX: &str = "ROWPOST_";

/// Names that other parts read: the config file's path, and the project's compose file and tests.
const RESERVED: [&str; 4] =
    ["ROWPOST_CONFIG", "ROWPOST_BIN", "ROWPOST_SEED", "ROWPOST_BUILD_TARGET"];
const RESERVED_PREFIXES: [&str; 2] = ["ROWPOST_TEST_", "ROWPOST_STACK_"];

/// Reads all variables, or says everything that is wrong with them.
pub(super) fn read(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Node, Vec<Problem>> {
    let mut root = Node::table();
    let mut problems = Vec::new();
    let mut set_by: BTreeMap<String, String> = BTreeMap::new();
    // In the order of their names, so that the same environment gives the same messages.
    let sorted: BTreeMap<OsString, OsString> = variables.into_iter().collect();
    for (variable, value) in sorted {
        let Some(variable) = variable.to_str().filter(|name| is_ours(name)) else { continue };
        if value.is_empty() {
            continue;
        }
        let Some(value) = value.to_str() else {
            problems.push(Problem::other(format!("{variable} is not UTF-8"), None));
            continue;
        };
        match read_one(variable, value) {
            Ok((key, node)) => {
                if let Some(other) = set_by.insert(key.clone(), variable.to_owned()) {
                    let message = format!("{other} and {variable} both set {key}");
                    problems.push(Problem::other(message, Some("unset one of them".to_owned())));
                }
                root.insert(&split_key(&key), node);
            }
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(root) } else { Err(problems) }
}

fn read_one(variable: &str, value: &str) -> Result<(String, Node), Problem> {
    let Some(name) = Name::parse(variable) else {
        let known: Vec<String> = KEYS.iter().filter_map(keys::Key::variable).collect();
        let near = nearest(variable, known.iter().map(String::as_str));
        let help = near.map(|near| format!("did you mean {near}?"));
        return Err(Problem::other(
            format!("the environment variable {variable} names no configuration key"),
            help.or_else(|| Some("rowpost.example.toml lists every key".to_owned())),
        ));
    };
    let origin = Origin::Environment { variable: variable.to_owned() };
    let value = if name.is_file { read_file(variable, value)? } else { value.to_owned() };
    let node = match name.key.as_str() {
        "outbox" => tables(value.split(',').map(str::trim), &origin),
        _ => Node::untyped(value, origin),
    };
    Ok((name.key, node))
}

/// What a variable's name says.
struct Name {
    key: String,
    /// The value is the path of a file that holds the value.
    is_file: bool,
}

impl Name {
    fn parse(variable: &str) -> Option<Self> {
        let name = variable.strip_prefix(PREFIX)?.to_ascii_lowercase();
        if let Some(property) = name.strip_prefix("kafka__properties__") {
            return Self::property(property);
        }
        let key = name.replace("__", ".");
        let is_key = |key: &str| KEYS.iter().any(|known| known.name == key);
        if is_key(&key) && key != "kafka.properties" {
            return Some(Self { key, is_file: false });
        }
        let key = key.strip_suffix("_file")?;
        // Reading a whole list or section from a file is what the config file is for.
        (is_key(key) && key != "kafka.properties" && key != "outbox")
            .then(|| Self { key: key.to_owned(), is_file: true })
    }

    fn property(name: &str) -> Option<Self> {
        let name = name.replace('_', ".");
        if name.is_empty() {
            return None;
        }
        let (name, is_file) = match name.strip_suffix(".file") {
            Some(stem) => (stem, true),
            None => (name.as_str(), false),
        };
        Some(Self { key: format!("kafka.properties.{name}"), is_file })
    }
}

fn is_ours(name: &str) -> bool {
    name.starts_with(PREFIX)
        && !RESERVED.contains(&name)
        && !RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !is_service_link(name)
}

/// Kubernetes describes each Service to the pods beside it. One named `rowpost…` gives
/// `ROWPOST_SERVICE_HOST`, `ROWPOST_PORT_9187_TCP_ADDR` and the like, which nobody wrote.
fn is_service_link(name: &str) -> bool {
    !name.contains("__")
        && (name.contains("_SERVICE_HOST")
            || name.contains("_SERVICE_PORT")
            || name.ends_with("_PORT")
            || name.contains("_TCP")
            || name.contains("_UDP"))
}

/// A file's text without the line end that editors and `echo` put behind it. The message leaves
/// the path out: who writes the secret itself where its path belongs should not find it in a log.
fn read_file(named_by: &str, path: &str) -> Result<String, Problem> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(error) => Err(Problem::other(
            format!("the file that {named_by} names cannot be read: {error}"),
            None,
        )),
    }
}
