//! What a person names → a position that the server can serve.
//!
//! Before this: the command line. After this: `plan`.

use super::PositionError;
use crate::{
    config::StartPolicy,
    position::{BinlogCoordinates, GtidSet, Position},
    source::{
        mysql::DumpStart,
        probe::Probe,
        server::ServerFacts,
        start::{self, StartError},
        survey::{Boundary, Survey},
    },
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// As `mysql.start` takes it.
    At(StartPolicy),
    /// Behind the transaction that holds the place, or ends at it.
    Past(BinlogCoordinates),
}

impl Target {
    pub(super) fn parse(text: &str) -> Result<Self, PositionError> {
        if text.parse() == Ok(StartPolicy::Table) {
            return Err(no_place());
        }
        let failed = |reason: String| PositionError::NotAPosition { text: text.to_owned(), reason };
        match text.trim().strip_prefix("past:") {
            Some(place) => {
                place.parse().map(Self::Past).map_err(|error| failed(format!("{error}")))
            }
            None => text.parse().map(Self::At).map_err(failed),
        }
    }

    /// Looks at the server. `progress` is told the file position that was read up to.
    pub(super) async fn resolve(
        &self,
        probe: &Probe,
        server: &ServerFacts,
        checkpoint: Option<&Position>,
        progress: impl FnMut(u64),
    ) -> Result<Position, PositionError> {
        let (coordinates, file_begun, gtid_set) = match self {
            Self::At(StartPolicy::Earliest) => {
                let beginning = server.beginning();
                let file_begun = probe.file_begun(&beginning.file).await?;
                (beginning, file_begun, server.gtids.as_ref().map(|gtids| gtids.purged.clone()))
            }
            Self::At(StartPolicy::Latest) => {
                let file_begun = probe.file_begun(&server.end.file).await?;
                let executed = server.gtids.as_ref().map(|gtids| gtids.executed.clone());
                (server.end.clone(), file_begun, executed)
            }
            Self::At(StartPolicy::GtidSet(set)) => by_gtids(probe, server, set).await?,
            Self::At(StartPolicy::Table) => return Err(no_place()),
            Self::At(StartPolicy::Coordinates(wanted)) => {
                start::ensure_has(server, wanted).map_err(PositionError::NotServed)?;
                let survey = probe.survey(wanted, progress).await?;
                let Survey { before, behind, file_begun } = survey;
                if before.coordinates != *wanted {
                    return Err(PositionError::NotABoundary {
                        wanted: wanted.clone(),
                        before: before.coordinates,
                        behind: behind.map(|behind| behind.coordinates),
                    });
                }
                (before.coordinates, file_begun, known(before.gtids, server))
            }
            Self::Past(wanted) => {
                start::ensure_has(server, wanted).map_err(PositionError::NotServed)?;
                let Survey { before, behind, file_begun } = probe.survey(wanted, progress).await?;
                let Boundary { coordinates, mut gtids } =
                    behind.ok_or(PositionError::NothingThere {
                        wanted: wanted.clone(),
                        end: before.coordinates,
                    })?;
                // Nothing that is published comes once more.
                if let Some(published) = checkpoint.and_then(|position| position.gtid_set.as_ref())
                {
                    gtids.union(published);
                }
                (coordinates, file_begun, known(gtids, server))
            }
        };
        let server_uuid = server.server_uuid;
        Ok(Position {
            server_uuid,
            coordinates,
            file_begun,
            gtid_set,
            in_progress: None,
            table_start: None,
            prepared: Vec::new(),
        })
    }
}

/// A start from the tables repeats what is in them, so a command that moves a position does not make one.
fn no_place() -> PositionError {
    PositionError::NotAPosition {
        text: "table".to_owned(),
        reason: "the outbox tables are no place in the binlog; a first start reads them with \
                 `mysql.start = \"table\"`, and one whose position is lost with \
                 `mysql.on_position_lost = \"table\"`"
            .to_owned(),
    }
}

/// A server that never gave a GTID has no set of them.
pub(super) fn known(gtids: GtidSet, server: &ServerFacts) -> Option<GtidSet> {
    (server.gtids.is_some() || !gtids.is_empty()).then_some(gtids)
}

/// The server's own answer is where the first transaction begins that is not in the set.
async fn by_gtids(
    probe: &Probe,
    server: &ServerFacts,
    set: &GtidSet,
) -> Result<(BinlogCoordinates, Option<u32>, Option<GtidSet>), PositionError> {
    let Some(gtids) = &server.gtids else {
        return Err(PositionError::NotServed(StartError::NoGtids));
    };
    start::ensure_serves(gtids, set).map_err(PositionError::NotServed)?;
    let first = probe.first_transaction(&DumpStart::After(set.clone()), &server.end).await?;
    Ok(match first {
        Some(first) => (first.begins_at, first.file_begun, Some(set.clone())),
        None => {
            let file_begun = probe.file_begun(&server.end.file).await?;
            (server.end.clone(), file_begun, Some(set.clone()))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_to_pass_and_every_form_of_a_start_are_understood() {
        let coordinates: BinlogCoordinates = "bin-log.000003:700".parse().unwrap();

        assert_eq!(
            Target::parse("past:bin-log.000003:700").unwrap(),
            Target::Past(coordinates.clone())
        );
        assert_eq!(
            Target::parse("bin-log.000003:700").unwrap(),
            Target::At(StartPolicy::Coordinates(coordinates))
        );
        assert_eq!(Target::parse("latest").unwrap(), Target::At(StartPolicy::Latest));
        for wrong in ["past:latest", "past:", "newest", "table"] {
            let error = Target::parse(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong), "{error}");
        }
    }
}
