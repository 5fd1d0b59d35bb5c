//! Checkpoint ↔ the bytes of its Kafka record.
//!
//! JSON, so that a person can read it with any consumer. The format's version comes first: a relay
//! refuses what a newer one wrote, because misreading a position loses or repeats rows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CheckpointError, Writer};
use crate::position::Position;

/// The format of a position whose past is out.
const VERSION: u32 = 1;

/// The format of a position in a start from the outbox tables. A relay that does not know of it would go
/// on with the binlog and leave out the rows that are not read yet, so it must not read this one.
const VERSION_OF_TABLE_START: u32 = 2;

/// The format of a position with prepared XA branches. A relay that does not know of them would pass over
/// their `XA COMMIT`, and leave out their rows.
const VERSION_OF_PREPARED: u32 = 3;

/// The newest that this version reads.
const NEWEST: u32 = VERSION_OF_PREPARED;

/// The position after the batch that carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// One more than that of the checkpoint before; the highest is the newest.
    pub sequence: u64,
    pub position: Position,
    /// When it was written, by the relay's clock. For people.
    pub committed_at: Timestamp,
    pub writer: Writer,
    /// Version of the relay that wrote it. For people.
    pub relay_version: String,
    /// What whoever wrote it wants to find again; the daemon writes none.
    pub note: Option<Value>,
}

/// Where a record lies. For messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOrigin {
    pub topic: String,
    pub kafka_offset: i64,
}

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    sequence: u64,
    position: &'a Position,
    #[serde(serialize_with = "as_text")]
    committed_at: Timestamp,
    writer: &'a Writer,
    relay_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a Value>,
}

/// Unknown fields are let pass: a version that adds one without changing the meaning of the others
/// keeps the number.
#[derive(Deserialize)]
struct Read {
    sequence: u64,
    position: Position,
    committed_at: String,
    writer: Writer,
    relay_version: String,
    #[serde(default)]
    note: Option<Value>,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
    #[serde(default)]
    relay_version: String,
}

impl Checkpoint {
    pub fn new(sequence: u64, position: Position, writer: Writer) -> Self {
        let relay_version = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            sequence,
            position,
            committed_at: Timestamp::now(),
            writer,
            relay_version,
            note: None,
        }
    }

    pub fn encode(&self, note: Option<&Value>) -> Result<Vec<u8>, CheckpointError> {
        let written = Written {
            version: match self.position.table_start {
                _ if !self.position.prepared.is_empty() => VERSION_OF_PREPARED,
                None => VERSION,
                Some(_) => VERSION_OF_TABLE_START,
            },
            sequence: self.sequence,
            position: &self.position,
            committed_at: self.committed_at,
            writer: &self.writer,
            relay_version: &self.relay_version,
            note,
        };
        serde_json::to_vec(&written).map_err(CheckpointError::NotEncodable)
    }

    pub fn decode(value: &[u8], origin: &RecordOrigin) -> Result<Self, CheckpointError> {
        let malformed = |source| CheckpointError::Malformed { origin: origin.clone(), source };
        // The version is read alone: of a newer format nothing else can be relied on.
        let Versioned { version, relay_version } =
            serde_json::from_slice(value).map_err(malformed)?;
        if version > NEWEST {
            return Err(CheckpointError::NewerVersion {
                origin: origin.clone(),
                version,
                known: NEWEST,
                relay_version,
            });
        }
        let read: Read = serde_json::from_slice(value).map_err(malformed)?;
        let committed_at = read
            .committed_at
            .parse()
            .map_err(|source| malformed(<serde_json::Error as serde::de::Error>::custom(source)))?;
        Ok(Self {
            sequence: read.sequence,
            position: read.position,
            committed_at,
            writer: read.writer,
            relay_version: read.relay_version,
            note: read.note,
        })
    }
}

fn as_text<S: serde::Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::{
        checkpoint::Role,
        position::{BinlogCoordinates, InProgress, KeyPart, LastRow, PreparedBranch, TableStart},
    };

    fn origin() -> RecordOrigin {
        RecordOrigin { topic: "rowpost.shop.checkpoint".to_owned(), kafka_offset: 4711 }
    }

    fn position(file: u32, at: u64, in_progress: Option<u64>) -> Position {
        Position {
            server_uuid: Uuid::from_u128(7),
            coordinates: BinlogCoordinates {
                file: format!("bin-log.{file:06}").into(),
                position: at,
            },
            file_begun: None,
            gtid_set: None,
            in_progress: in_progress.map(|outbox_rows| InProgress { gtid: None, outbox_rows }),
            table_start: None,
            prepared: Vec::new(),
        }
    }

    #[test]
    fn bytes_stay_as_other_versions_know_them() {
        let checkpoint = Checkpoint {
            sequence: 42,
            position: position(3, 1_234, Some(10)),
            committed_at: "2026-11-22T10:00:00.25Z".parse().unwrap(),
            writer: Writer {
                instance: Uuid::from_u128(9),
                host: "relay-1".to_owned(),
                pid: 17,
                role: Role::Relay,
            },
            relay_version: "0.1.0".to_owned(),
            note: None,
        };

        let written = String::from_utf8(checkpoint.encode(None).unwrap()).unwrap();

        assert_eq!(
            written,
            r#"{"version":1,"sequence":42,"position":{"server_uuid":"00000000-0000-0000-0000-000000000007","coordinates":{"file":"bin-log.000003","position":1234},"gtid_set":null,"in_progress":{"outbox_rows":10}},"committed_at":"2026-11-22T10:00:00.25Z","writer":{"instance":"00000000-0000-0000-0000-000000000009","host":"relay-1","pid":17},"relay_version":"0.1.0"}"#
        );
        assert_eq!(Checkpoint::decode(written.as_bytes(), &origin()).unwrap(), checkpoint);
    }

    #[test]
    fn role_is_written_where_it_is_not_a_relays_and_one_of_a_later_version_is_read() {
        let checkpoint = Checkpoint::new(1, position(1, 4, None), Writer::new(Role::PositionSet));
        let written = String::from_utf8(checkpoint.encode(None).unwrap()).unwrap();

        assert!(written.contains(r#""role":"position-set""#), "{written}");
        assert_eq!(Checkpoint::decode(written.as_bytes(), &origin()).unwrap(), checkpoint);
        let later = written.replace("position-set", "something-else");
        let later = Checkpoint::decode(later.as_bytes(), &origin()).unwrap();
        assert_eq!(later.writer.role, Role::Unknown);
    }

    #[test]
    fn newer_format_is_refused_with_the_version_that_wrote_it() {
        let value = br#"{"version":4,"relay_version":"0.9.0","sequence":{"not":"a number"}}"#;

        let error = Checkpoint::decode(value, &origin()).unwrap_err().to_string();

        for part in ["format 4", "0.9.0", "rowpost.shop.checkpoint", "4711"] {
            assert!(error.contains(part), "`{part}` is missing in: {error}");
        }
    }

    /// A relay that knows format 1 only lets unknown fields pass.
    #[test]
    fn start_from_the_tables_is_of_a_format_that_older_relays_refuse() {
        let mut position = position(3, 1_234, None);
        let key = KeyPart { column: "id".to_owned(), text: b"7".to_vec() };
        let last = LastRow { database: "shop".into(), table: "outbox".into(), key: vec![key] };
        position.table_start = Some(TableStart { last: Some(last), rows: 7, rows_about: 9 });
        let mut checkpoint = Checkpoint::new(1, position, Writer::here());

        let written = String::from_utf8(checkpoint.encode(None).unwrap()).unwrap();
        assert!(written.starts_with(r#"{"version":2,"#), "{written}");
        let started = r#""table_start":{"last":{"database":"shop","table":"outbox","key":[{"column":"id","hex":"37"}]},"rows":7,"rows_about":9}"#;
        assert!(written.contains(started), "{written}");
        assert_eq!(Checkpoint::decode(written.as_bytes(), &origin()).unwrap(), checkpoint);

        checkpoint.position.table_start = None;
        let written = String::from_utf8(checkpoint.encode(None).unwrap()).unwrap();
        assert!(written.starts_with(r#"{"version":1,"#), "the finished start is forgotten");
    }

    #[test]
    fn prepared_branch_is_of_a_format_that_older_relays_refuse() {
        let mut position = position(3, 1_234, None);
        position.prepared = vec![PreparedBranch {
            xid: "X'67',X'',1".to_owned(),
            gtid: None,
            server_uuid: uuid::Uuid::max(),
            begins_at: "bin-log.000002:700".parse().unwrap(),
            prepared_at: jiff::Timestamp::UNIX_EPOCH,
        }];
        let mut checkpoint = Checkpoint::new(1, position, Writer::here());

        let written = String::from_utf8(checkpoint.encode(None).unwrap()).unwrap();
        assert!(written.starts_with(r#"{"version":3,"#), "{written}");
        assert_eq!(Checkpoint::decode(written.as_bytes(), &origin()).unwrap(), checkpoint);

        checkpoint.position.prepared.clear();
        let written = String::from_utf8(checkpoint.encode(None).unwrap()).unwrap();
        assert!(written.starts_with(r#"{"version":1,"#), "the branch that has ended is forgotten");
    }

    #[test]
    fn field_of_a_later_version_is_let_pass() {
        let checkpoint = Checkpoint::new(1, position(1, 4, None), Writer::here());
        let written = String::from_utf8(checkpoint.encode(None).unwrap()).unwrap();

        let extended = written.replacen('{', r#"{"added_later":[1],"#, 1);

        assert_eq!(Checkpoint::decode(extended.as_bytes(), &origin()).unwrap(), checkpoint);
    }

    #[test]
    fn note_is_found_as_it_was_given() {
        let note = serde_json::json!({ "name": "r", "range": [1, 2] });
        let written =
            Checkpoint::new(1, position(1, 4, None), Writer::here()).encode(Some(&note)).unwrap();

        let read = Checkpoint::decode(&written, &origin()).unwrap();

        assert_eq!(read.note, Some(note));
    }

    #[test]
    fn malformed_record_names_topic_and_offset() {
        for value in [&b""[..], b"{}", b"\xff\x00", br#"{"version":1,"sequence":1}"#] {
            let error = Checkpoint::decode(value, &origin()).unwrap_err().to_string();

            assert!(error.contains("rowpost.shop.checkpoint"), "{error}");
            assert!(error.contains("4711"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            sequence: u64,
            file in 1_u32..999_999,
            at: u64,
            in_progress in proptest::option::of(any::<u64>()),
        ) {
            let checkpoint = Checkpoint::new(sequence, position(file, at, in_progress), Writer::here());

            let read = Checkpoint::decode(&checkpoint.encode(None).unwrap(), &origin()).unwrap();

            prop_assert_eq!(read, checkpoint);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Checkpoint::decode(&value, &origin()).is_err());
        }
    }
}
