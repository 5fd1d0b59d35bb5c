//! Checkpoint, start policy, and what the server says of itself → where to read from.
//!
//! Pure. Before this: `server`. After this: `same_binlog`, which knows what only a look into it tells.

use super::StartError;
use crate::{
    config::StartPolicy,
    position::{BinlogCoordinates, GtidSet, Position, TableStart},
    source::{
        lost::difference,
        server::{ServerFacts, ServerGtids},
    },
};

/// Whether the position's GTIDs decide what the server sends, or its coordinates.
///
/// By GTIDs only where every transaction has one (`gtid_mode` is `ON`). Otherwise the coordinates decide,
/// and those of the transactions that have one and are published already are passed over here.
pub(in crate::source) fn is_by_gtids(position: &Position, server: &ServerFacts) -> bool {
    position.gtid_set.is_some() && server.gtids.is_some()
}

/// Where to read from: the checkpoint if there is one, else what the policy says.
pub fn resolve(
    checkpoint: Option<Position>,
    policy: &StartPolicy,
    server: &ServerFacts,
) -> Result<Position, StartError> {
    match checkpoint {
        Some(position) => resume(position, server),
        None => first_start(policy, server),
    }
}

pub(super) fn resume(position: Position, server: &ServerFacts) -> Result<Position, StartError> {
    if let Some(gtids) = &server.gtids
        && let Some(unneeded) = position.unneeded(server.server_uuid, &gtids.purged)
    {
        ensure_serves(gtids, &unneeded)?;
        ensure_has_in_progress(gtids, &position)?;
        return Ok(position);
    }
    // Not every transaction has a GTID, or none has: the coordinates count.
    if position.server_uuid != server.server_uuid {
        return Err(StartError::OtherServer {
            expected: position.server_uuid,
            actual: server.server_uuid,
            wanted: position.coordinates,
        });
    }
    ensure_has(server, &position.coordinates)?;
    Ok(position)
}

fn first_start(policy: &StartPolicy, server: &ServerFacts) -> Result<Position, StartError> {
    let (coordinates, gtid_set) = match policy {
        StartPolicy::Earliest => {
            (server.beginning(), server.gtids.as_ref().map(|gtids| gtids.purged.clone()))
        }
        // Of a server without GTIDs the end was settled before.
        StartPolicy::Latest | StartPolicy::Table => {
            (server.end.clone(), server.gtids.as_ref().map(|gtids| gtids.executed.clone()))
        }
        // Which GTIDs lie before the coordinates is not known, so they go on to count.
        StartPolicy::Coordinates(coordinates) => {
            ensure_has(server, coordinates)?;
            (coordinates.clone(), None)
        }
        StartPolicy::GtidSet(published) => {
            let gtids = server.gtids.as_ref().ok_or(StartError::NoGtids)?;
            ensure_serves(gtids, published)?;
            (server.beginning(), Some(published.clone()))
        }
    };
    Ok(Position {
        server_uuid: server.server_uuid,
        coordinates,
        file_begun: None,
        gtid_set,
        in_progress: None,
        table_start: (*policy == StartPolicy::Table).then(TableStart::default),
        prepared: Vec::new(),
    })
}

/// Whether everything after `published` is in the binlog, and all of `published` happened here.
pub(crate) fn ensure_serves(gtids: &ServerGtids, published: &GtidSet) -> Result<(), StartError> {
    let missing = difference(published, &gtids.executed);
    if !missing.is_empty() {
        return Err(StartError::SourceBehind { missing });
    }
    let missing = difference(&gtids.purged, published);
    if !missing.is_empty() {
        return Err(StartError::GtidsPurged { missing });
    }
    Ok(())
}

/// Of a transaction whose first rows are out, the rest must be here. It is not among the published ones.
fn ensure_has_in_progress(gtids: &ServerGtids, position: &Position) -> Result<(), StartError> {
    let in_progress = position.in_progress.as_ref().and_then(|in_progress| in_progress.gtid);
    match in_progress {
        Some(gtid) if !gtids.executed.contains(&gtid) => {
            let mut missing = GtidSet::default();
            missing.insert(&gtid);
            Err(StartError::SourceBehind { missing })
        }
        Some(_) | None => Ok(()),
    }
}

pub(crate) fn ensure_has(
    server: &ServerFacts,
    wanted: &BinlogCoordinates,
) -> Result<(), StartError> {
    let behind =
        || StartError::CoordinatesBehind { wanted: wanted.clone(), end: server.end.clone() };
    if let Some(file) = server.files.iter().find(|file| file.name == wanted.file) {
        // The file in use may have grown since the files were listed.
        let bytes = if file.name == server.end.file { server.end.position } else { file.bytes };
        return if wanted.position <= bytes.max(file.bytes) { Ok(()) } else { Err(behind()) };
    }
    let oldest = server.beginning();
    match wanted.partial_cmp(&oldest) {
        Some(std::cmp::Ordering::Greater) => Err(behind()),
        _ => Err(StartError::FilePurged { wanted: wanted.clone(), oldest: oldest.file }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        position::InProgress,
        source::server::{BinlogFile, ServerSettings},
    };

    const HERE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const ELSEWHERE: &str = "4e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn server(gtids: Option<(&str, &str)>) -> ServerFacts {
        let set = |numbers: &str| match numbers {
            "" => GtidSet::default(),
            numbers => format!("{HERE}:{numbers}").parse().unwrap(),
        };
        let file = |name: &str, bytes| BinlogFile { name: name.into(), bytes };
        ServerFacts {
            server_uuid: HERE.parse().unwrap(),
            settings: ServerSettings::default(),
            gtids: gtids.map(|(purged, executed)| ServerGtids {
                purged: set(purged),
                executed: set(executed),
            }),
            files: vec![file("bin-log.000003", 5000), file("bin-log.000004", 900)],
            end: "bin-log.000004:950".parse().unwrap(),
        }
    }

    fn checkpoint(coordinates: &str, gtids: Option<&str>) -> Position {
        Position {
            server_uuid: HERE.parse().unwrap(),
            coordinates: coordinates.parse().unwrap(),
            file_begun: None,
            gtid_set: gtids.map(|numbers| format!("{HERE}:{numbers}").parse().unwrap()),
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }

    fn resumed(position: Position, server: &ServerFacts) -> Result<Position, StartError> {
        resolve(Some(position), &StartPolicy::Latest, server)
    }

    #[test]
    fn checkpoint_decides_whatever_the_policy_says() {
        let position = checkpoint("bin-log.000003:700", Some("1-7"));

        assert_eq!(resumed(position.clone(), &server(Some(("1-3", "1-9")))), Ok(position));
    }

    #[test]
    fn purged_transactions_are_named_one_by_one() {
        let error =
            resumed(checkpoint("bin-log.000001:4", Some("1-2")), &server(Some(("1-5", "1-9"))))
                .unwrap_err();

        assert_eq!(
            error,
            StartError::GtidsPurged { missing: format!("{HERE}:3-5").parse().unwrap() }
        );
    }

    #[test]
    fn server_without_published_transactions_is_refused() {
        let error =
            resumed(checkpoint("bin-log.000004:4", Some("1-12")), &server(Some(("", "1-9"))))
                .unwrap_err();

        assert_eq!(
            error,
            StartError::SourceBehind { missing: format!("{HERE}:10-12").parse().unwrap() }
        );
    }

    #[test]
    fn gtids_resume_on_another_server_that_has_them_all() {
        let mut position = checkpoint("bin-log.000777:4", Some("1-7"));
        position.server_uuid = ELSEWHERE.parse().unwrap();

        assert!(resumed(position, &server(Some(("", "1-9")))).is_ok());
    }

    #[test]
    fn transaction_in_progress_must_be_there_before_its_rest_is_read_elsewhere() {
        let resumed = |number: &str| {
            let gtid = Some(format!("{HERE}:{number}").parse().unwrap());
            let in_progress = Some(InProgress { gtid, outbox_rows: 40_000 });
            let position = checkpoint("bin-log.000777:4", Some("1-7"));
            let position = Position { in_progress, ..position };
            resumed(position, &server(Some(("1-3", "1-9"))))
        };

        assert!(resumed("8").is_ok());
        let missing = format!("{HERE}:10").parse().unwrap();
        assert_eq!(resumed("10").unwrap_err(), StartError::SourceBehind { missing });
    }

    #[test]
    fn coordinates_resume_only_on_their_own_server() {
        let mut position = checkpoint("bin-log.000003:700", None);
        position.server_uuid = ELSEWHERE.parse().unwrap();

        assert!(matches!(resumed(position, &server(None)), Err(StartError::OtherServer { .. })));
        assert!(resumed(checkpoint("bin-log.000003:700", None), &server(None)).is_ok());
    }

    #[test]
    fn purged_file_is_told_from_a_file_that_is_not_there_yet() {
        let purged = resumed(checkpoint("bin-log.000002:4", None), &server(None)).unwrap_err();
        let reset = resumed(checkpoint("bin-log.000009:4", None), &server(None)).unwrap_err();

        assert!(matches!(purged, StartError::FilePurged { .. }), "{purged}");
        assert!(matches!(reset, StartError::CoordinatesBehind { .. }), "{reset}");
    }

    #[test]
    fn position_behind_the_end_of_its_file_is_refused() {
        assert!(resumed(checkpoint("bin-log.000004:950", None), &server(None)).is_ok());
        assert!(resumed(checkpoint("bin-log.000004:951", None), &server(None)).is_err());
        assert!(resumed(checkpoint("bin-log.000003:5001", None), &server(None)).is_err());
    }

    #[test]
    fn coordinates_count_and_gtids_are_kept_while_the_server_does_not_give_them_to_all() {
        let position = checkpoint("bin-log.000003:700", Some("1-7"));

        let resumed = resumed(position.clone(), &server(None)).unwrap();

        assert_eq!(resumed, position);
        assert!(!is_by_gtids(&resumed, &server(None)));
        assert!(is_by_gtids(&resumed, &server(Some(("1-3", "1-9")))));
    }

    #[test]
    fn earliest_begins_behind_what_is_purged() {
        let start = |gtids| resolve(None, &StartPolicy::Earliest, &server(gtids)).unwrap();

        let by_gtid = start(Some(("1-3", "1-9")));
        assert_eq!(by_gtid.gtid_set, Some(format!("{HERE}:1-3").parse().unwrap()));
        let by_coordinates = start(None);
        assert_eq!(by_coordinates.coordinates.to_string(), "bin-log.000003:4");
        assert_eq!(by_coordinates.gtid_set, None);
    }

    #[test]
    fn latest_begins_at_the_end() {
        let position = resolve(None, &StartPolicy::Latest, &server(Some(("", "1-9")))).unwrap();

        assert_eq!(position.coordinates.to_string(), "bin-log.000004:950");
        assert_eq!(position.gtid_set, Some(format!("{HERE}:1-9").parse().unwrap()));
    }

    #[test]
    fn gtid_set_as_a_start_needs_a_server_with_gtids() {
        let policy = StartPolicy::GtidSet(format!("{HERE}:1-4").parse().unwrap());

        assert_eq!(resolve(None, &policy, &server(None)), Err(StartError::NoGtids));
        assert!(resolve(None, &policy, &server(Some(("1-3", "1-9")))).is_ok());
    }

    #[test]
    fn coordinates_as_a_start_must_exist() {
        let policy = |text: &str| StartPolicy::Coordinates(text.parse().unwrap());

        assert!(resolve(None, &policy("bin-log.000003:4"), &server(None)).is_ok());
        assert!(resolve(None, &policy("bin-log.000001:4"), &server(None)).is_err());
    }
}
