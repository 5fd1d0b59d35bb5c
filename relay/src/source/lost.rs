//! A position that the server does not have → what became of it, and where reading may go on.
//!
//! Promises: [`from_earliest`] gives a position only where nothing that lies behind it can have been
//! published: what is missing stays missing, but nothing comes twice.
//!
//! Pure. Before this: `start`, which has refused the position. After this: the operator, or
//! `mysql.on_position_lost`.

use super::{server::ServerFacts, start::StartError};
use crate::position::{BinlogCoordinates, GtidSet, Position};

/// The same refusal, in the words for a binlog that was begun anew, where that is certain.
/// `oldest_begun` is when the oldest file was begun.
pub(super) fn diagnose(
    error: StartError,
    position: &Position,
    server: &ServerFacts,
    oldest_begun: Option<u32>,
) -> StartError {
    match error {
        StartError::SourceBehind { .. }
        | StartError::CoordinatesBehind { .. }
        | StartError::FileReplaced { .. }
            if was_begun_anew(position, server, oldest_begun) =>
        {
            StartError::BegunAnew {
                wanted: position.coordinates.clone(),
                oldest: server.beginning().file,
            }
        }
        StartError::SourceBehind { .. }
        | StartError::StaysBehind { .. }
        | StartError::CoordinatesBehind { .. }
        | StartError::FileReplaced { .. }
        | StartError::BegunAnew { .. }
        | StartError::GtidsPurged { .. }
        | StartError::FilePurged { .. }
        | StartError::TimePurged { .. }
        | StartError::OtherServer { .. }
        | StartError::Anonymous { .. }
        | StartError::NotTheFirst
        | StartError::NoGtids => error,
    }
}

/// Whether all the files of this server were begun after the one that the position is in, though that
/// one was not purged: they would be the ones that followed it.
fn was_begun_anew(position: &Position, server: &ServerFacts, oldest_begun: Option<u32>) -> bool {
    let (Some(was), Some(oldest)) = (position.file_begun, oldest_begun) else { return false };
    let is_purged = position.coordinates.file != server.beginning().file
        && position.coordinates < server.beginning();
    position.server_uuid == server.server_uuid && oldest > was && !is_purged
}

/// The oldest place that the server has, where `error` leaves no doubt that what is published lies
/// before it; else nothing.
pub(super) fn from_earliest(
    error: &StartError,
    position: &Position,
    server: &ServerFacts,
) -> Option<Position> {
    let gtid_set = match error {
        // What is published stays published, and what is purged is passed over.
        StartError::GtidsPurged { missing } => {
            let mut set = position.gtid_set.clone().unwrap_or_default();
            set.union(missing);
            Some(set)
        }
        StartError::FilePurged { .. } => position.gtid_set.clone(),
        // Its GTIDs may be given once more, to other transactions.
        StartError::BegunAnew { .. } => server.gtids.as_ref().map(|gtids| gtids.purged.clone()),
        StartError::SourceBehind { .. }
        | StartError::StaysBehind { .. }
        | StartError::CoordinatesBehind { .. }
        | StartError::FileReplaced { .. }
        | StartError::TimePurged { .. }
        | StartError::OtherServer { .. }
        | StartError::Anonymous { .. }
        | StartError::NotTheFirst
        | StartError::NoGtids => return None,
    };
    let in_progress = position.in_progress.clone().filter(|in_progress| {
        let purged = gtid_set.as_ref();
        matches!(error, StartError::GtidsPurged { .. })
            && in_progress.gtid.is_some_and(|gtid| !purged.is_some_and(|set| set.contains(&gtid)))
    });
    Some(Position {
        server_uuid: server.server_uuid,
        coordinates: server.beginning(),
        file_begun: None,
        gtid_set,
        in_progress,
        // What is not read of the tables yet is still there, and what is behind the position comes from
        // the binlog, as much of it as there is.
        table_start: position.table_start.clone(),
        prepared: position.prepared.clone(),
    })
}

/// What lies between a place in a purged file and the oldest file: `N files` where their numbers say.
pub(super) fn purged_files(wanted: &BinlogCoordinates, oldest: &str) -> String {
    let number =
        |file: &str| file.rsplit_once('.').and_then(|(_, number)| number.parse::<u64>().ok());
    match (number(&wanted.file), number(oldest)) {
        (Some(from), Some(to)) if to > from => {
            let and_more = match to - from {
                1 => String::new(),
                files => format!(" and {} files behind it", files - 1),
            };
            format!("{} from byte {} on{and_more}", wanted.file, wanted.position)
        }
        _ => format!("{} from byte {} on", wanted.file, wanted.position),
    }
}

/// What is in `of` and not in `without`.
pub(super) fn difference(of: &GtidSet, without: &GtidSet) -> GtidSet {
    let mut rest = of.clone();
    rest.subtract(without);
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::server::{BinlogFile, ServerGtids, ServerSettings};

    const HERE: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    fn set(numbers: &str) -> GtidSet {
        if numbers.is_empty() {
            return GtidSet::default();
        }
        format!("{HERE}:{numbers}").parse().unwrap()
    }

    fn server(oldest: &str, purged: &str) -> ServerFacts {
        ServerFacts {
            server_uuid: HERE.parse().unwrap(),
            settings: ServerSettings::default(),
            gtids: Some(ServerGtids { purged: set(purged), executed: set("1-9") }),
            files: vec![BinlogFile { name: oldest.into(), bytes: 500 }],
            end: format!("{oldest}:500").parse().unwrap(),
        }
    }

    fn position(coordinates: &str, begun: Option<u32>) -> Position {
        Position {
            server_uuid: HERE.parse().unwrap(),
            coordinates: coordinates.parse().unwrap(),
            file_begun: begun,
            gtid_set: Some(set("1-20")),
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        }
    }

    fn behind() -> StartError {
        StartError::SourceBehind { missing: set("10-20") }
    }

    fn is_begun_anew(position: &Position, server: &ServerFacts, oldest: Option<u32>) -> bool {
        matches!(diagnose(behind(), position, server, oldest), StartError::BegunAnew { .. })
    }

    #[test]
    fn binlog_whose_files_are_all_younger_was_begun_anew() {
        let server = server("bin-log.000001", "");

        assert!(is_begun_anew(&position("bin-log.000001:700", Some(100)), &server, Some(101)));
        assert!(is_begun_anew(&position("bin-log.000007:700", Some(100)), &server, Some(101)));
    }

    #[test]
    fn binlog_that_may_be_a_restored_one_was_not_begun_anew() {
        let here = server("bin-log.000001", "");

        // The oldest file is from before: its transactions are published.
        assert!(!is_begun_anew(&position("bin-log.000007:700", Some(100)), &here, Some(100)));
        assert!(!is_begun_anew(&position("bin-log.000007:700", None), &here, Some(101)));
        assert!(!is_begun_anew(&position("bin-log.000007:700", Some(100)), &here, None));
        // The position's file was purged, and those behind it are younger by nature.
        let purged = server("bin-log.000009", "1-5");
        assert!(!is_begun_anew(&position("bin-log.000007:700", Some(100)), &purged, Some(101)));
        let mut elsewhere = position("bin-log.000007:700", Some(100));
        elsewhere.server_uuid = uuid::Uuid::max();
        assert!(!is_begun_anew(&elsewhere, &here, Some(101)));
    }

    #[test]
    fn earliest_after_a_purge_keeps_what_is_published_published() {
        let mut position = position("bin-log.000001:700", None);
        position.gtid_set = Some(set("1-2:6"));
        let error = StartError::GtidsPurged { missing: set("3-5") };

        let start = from_earliest(&error, &position, &server("bin-log.000004", "1-5")).unwrap();

        assert_eq!(start.gtid_set, Some(set("1-6")));
        assert_eq!(start.coordinates.to_string(), "bin-log.000004:4");
    }

    #[test]
    fn earliest_after_a_reset_forgets_gtids_that_are_given_once_more() {
        let position = position("bin-log.000007:700", Some(100));
        let server = server("bin-log.000001", "");
        let error = diagnose(behind(), &position, &server, Some(101));

        let start = from_earliest(&error, &position, &server).unwrap();

        assert_eq!(start.gtid_set, Some(GtidSet::default()));
    }

    #[test]
    fn earliest_never_where_something_could_come_twice() {
        let position = position("bin-log.000007:700", Some(100));
        let server = server("bin-log.000001", "");
        let end = server.end.clone();

        for error in [
            behind(),
            StartError::StaysBehind { missing: set("10-20") },
            StartError::CoordinatesBehind { wanted: end.clone(), end: end.clone() },
            StartError::FileReplaced { wanted: end.clone() },
            StartError::Anonymous { at: end.clone() },
            StartError::OtherServer {
                expected: server.server_uuid,
                actual: server.server_uuid,
                wanted: end,
            },
        ] {
            assert_eq!(from_earliest(&error, &position, &server), None, "{error}");
        }
    }

    #[test]
    fn transaction_in_progress_stays_so_unless_it_is_purged() {
        let in_progress = |number: &str| {
            let gtid = Some(format!("{HERE}:{number}").parse().unwrap());
            let in_progress = Some(crate::position::InProgress { gtid, outbox_rows: 3 });
            let mut position = position("bin-log.000001:700", None);
            position.gtid_set = Some(set("1-2"));
            let error = StartError::GtidsPurged { missing: set("3-5") };
            let position = Position { in_progress, ..position };
            let start = from_earliest(&error, &position, &server("bin-log.000004", "1-5"));
            start.unwrap().in_progress.is_some()
        };

        assert!(in_progress("6"));
        assert!(!in_progress("4"));
    }

    #[test]
    fn start_from_the_tables_that_is_not_finished_goes_on() {
        let table_start = Some(crate::position::TableStart::default());
        let position = Position { table_start, ..position("bin-log.000001:700", None) };
        let wanted = position.coordinates.clone();
        let error = StartError::FilePurged { wanted, oldest: "bin-log.000004".into() };

        let start = from_earliest(&error, &position, &server("bin-log.000004", "1-5")).unwrap();

        assert_eq!(start.table_start, position.table_start);
    }

    #[test]
    fn purged_files_are_counted_by_their_numbers() {
        let purged = |oldest| purged_files(&"bin-log.000003:700".parse().unwrap(), oldest);

        assert_eq!(purged("bin-log.000004"), "bin-log.000003 from byte 700 on");
        assert_eq!(
            purged("bin-log.000007"),
            "bin-log.000003 from byte 700 on and 3 files behind it"
        );
    }
}
