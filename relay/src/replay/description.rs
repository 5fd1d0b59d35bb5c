//! What a replay replays: stored with its checkpoint, so that its name is enough to resume it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ReplayError;
use crate::{
    position::Position,
    range::{Range, Selection},
};

const NAME_LENGTH_MAX: usize = 80;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Description {
    pub(super) name: String,
    pub(super) asked: Asked,
    /// What that was when the replay began.
    pub(super) range: Range,
}

/// As the command line said it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) from: String,
    pub(super) until: String,
    #[serde(rename = "where")]
    pub(super) selection: Selection,
    pub(super) topic_prefix: Option<String>,
    pub(super) binlog_dir: Option<PathBuf>,
    pub(super) binlog_series: Option<String>,
    pub(super) trust_present_columns: bool,
}

impl Description {
    /// `name`, or one that follows from everything else: the same replay has the same name.
    pub(super) fn new(name: Option<&str>, asked: Asked, range: Range) -> Result<Self, ReplayError> {
        let name = match name {
            Some(name) => check_name(name)?.to_owned(),
            None => derived_name(&asked, &range),
        };
        Ok(Self { name, asked, range })
    }

    /// Whether everything before `position` is all of it.
    pub(super) fn is_finished_at(&self, position: &Position) -> bool {
        position.in_progress.is_none() && self.range.bounds().are_reached(&position.coordinates)
    }

    pub(super) fn to_note(&self) -> Result<Value, ReplayError> {
        serde_json::to_value(self).map_err(ReplayError::NotEncodable)
    }

    pub(super) fn of_note(name: &str, note: Option<Value>) -> Result<Self, ReplayError> {
        let malformed = |source| ReplayError::Malformed { name: name.to_owned(), source };
        serde_json::from_value(note.unwrap_or_default()).map_err(malformed)
    }
}

/// Part of transactional ids and of a record key.
pub(super) fn check_name(name: &str) -> Result<&str, ReplayError> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=NAME_LENGTH_MAX).contains(&name.len()) && name.chars().all(is_legal) {
        return Ok(name);
    }
    Err(ReplayError::Name { name: name.to_owned() })
}

fn derived_name(asked: &Asked, range: &Range) -> String {
    let Asked { selection, topic_prefix, .. } = asked;
    let all = serde_json::json!([range, selection, topic_prefix]).to_string();
    let start = format!("{}-{}", range.start.file, range.start.position);
    let start: String = start
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .rev()
        .take(NAME_LENGTH_MAX - 9)
        .collect();
    let start: String = start.chars().rev().collect();
    format!("{start}-{:08x}", crc32fast::hash(all.as_bytes()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn description(name: Option<&str>, end: &str) -> Result<Description, ReplayError> {
        let asked = Asked {
            from: "2h ago".to_owned(),
            until: "now".to_owned(),
            selection: Selection::parse(&["type=Placed".to_owned()]).unwrap(),
            topic_prefix: Some("again.".to_owned()),
            binlog_dir: None,
            binlog_series: None,
            trust_present_columns: false,
        };
        let range = Range {
            server_uuid: Uuid::from_u128(7),
            start: "bin-log.000003:4".parse().unwrap(),
            end: end.parse().unwrap(),
            after: None,
            within: Some("3e11fa47-71ca-11e1-9e33-c80aa9429562:1-9".parse().unwrap()),
        };
        Description::new(name, asked, range)
    }

    #[test]
    fn what_is_stored_is_found_again() {
        let description = description(Some("black-friday"), "bin-log.000009:120").unwrap();

        let note = description.to_note().unwrap();

        assert_eq!(Description::of_note("black-friday", Some(note)).unwrap(), description);
    }

    #[test]
    fn note_of_something_else_is_refused_by_name() {
        for note in [None, Some(serde_json::json!({ "name": "x" }))] {
            let error = Description::of_note("black-friday", note).unwrap_err().to_string();
            assert!(error.contains("black-friday"), "{error}");
        }
    }

    #[test]
    fn same_replay_has_the_same_name_and_another_another() {
        let name = |end| description(None, end).unwrap().name;

        assert_eq!(name("bin-log.000009:120"), name("bin-log.000009:120"));
        assert_ne!(name("bin-log.000009:120"), name("bin-log.000009:121"));
        assert!(name("bin-log.000009:120").starts_with("bin-log.000003-4-"));
        assert!(check_name(&name("bin-log.000009:120")).is_ok());
    }

    #[test]
    fn name_that_kafka_would_not_take_is_refused() {
        for name in ["", "black friday", "a/b", &"x".repeat(NAME_LENGTH_MAX + 1)] {
            assert!(description(Some(name), "bin-log.000009:120").is_err(), "{name}");
        }
    }

    #[test]
    fn replay_is_finished_at_its_end_and_not_inside_of_a_transaction() {
        let description = description(None, "bin-log.000009:120").unwrap();
        let at = |coordinates: &str, in_progress: bool| Position {
            coordinates: coordinates.parse().unwrap(),
            in_progress: in_progress
                .then_some(crate::position::InProgress { gtid: None, outbox_rows: 1 }),
            ..description.range.start()
        };

        assert!(description.is_finished_at(&at("bin-log.000009:120", false)));
        assert!(!description.is_finished_at(&at("bin-log.000009:120", true)));
        assert!(!description.is_finished_at(&at("bin-log.000009:119", false)));
    }
}
