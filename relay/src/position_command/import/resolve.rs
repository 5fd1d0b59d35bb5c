//! Where another product stands → the same place on the server, as a position.
//!
//! By GTIDs where the product and the server both have them; coordinates then only tell whether this is the
//! binlog that the product read, so that what it counted in there can be counted again. Otherwise by
//! coordinates.

use std::sync::Arc;

use super::{
    cut::{self, Cut, Doubt},
    error::ImportError,
    foreign::{Foreign, Inside},
};
use crate::{
    config::{Config, OutboxTable},
    position::{BinlogCoordinates, Gtid, GtidSet, InProgress, Position},
    position_command::{PositionError, set, target::known},
    source::{
        SourceError,
        mysql::{ConnectOptions, Connection, DumpStart},
        probe::{FirstTransaction, Probe},
        server::{ServerFacts, ServerGtids},
        start,
        survey::Survey,
        within::{UpTo, Within},
    },
};

/// A position, and what may come once more from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) position: Position,
    pub(super) doubt: Option<Doubt>,
}

/// Finds positions on one server.
pub(super) struct Resolver {
    connection: Connection,
    probe: Probe,
    server: ServerFacts,
    outbox: Arc<[OutboxTable]>,
}

/// The transaction in which the product stands, on this server.
struct Inner {
    survey: Survey,
    within: Within,
}

impl Resolver {
    pub(super) async fn open(config: &Config) -> Result<Self, PositionError> {
        let options = ConnectOptions::new(&config.mysql);
        let mut connection = Connection::open(&options).await.map_err(SourceError::from)?;
        let server = ServerFacts::query(&mut connection).await?;
        let outbox = Arc::from(config.outbox.clone());
        Ok(Self { connection, probe: Probe::of(config), server, outbox })
    }

    pub(super) async fn close(self) -> ServerFacts {
        self.connection.close().await;
        self.server
    }

    /// The position, which the server can serve as a relay's start would find.
    pub(super) async fn resolve(&mut self, foreign: &Foreign) -> Result<Resolved, PositionError> {
        let resolved = match (&foreign.gtids, &self.server.gtids) {
            (Some(set), Some(gtids)) => self.by_gtids(foreign, set.clone(), gtids).await?,
            (_, _) => self.by_coordinates(foreign).await?,
        };
        let Self { connection, probe, server, .. } = self;
        match start::ensure_resumes(connection, probe, &resolved.position, server).await {
            Ok(()) => Ok(resolved),
            Err(SourceError::Start(error)) => Err(PositionError::NotServed(error)),
            Err(error) => Err(error.into()),
        }
    }

    async fn by_gtids(
        &self,
        foreign: &Foreign,
        mut set: GtidSet,
        gtids: &ServerGtids,
    ) -> Result<Resolved, PositionError> {
        let inner = match &foreign.coordinates {
            Some(place)
                if foreign.inside != Inside::Unsaid
                    && start::ensure_has(&self.server, place).is_ok() =>
            {
                self.inner(foreign.inside, place).await?
            }
            Some(_) | None => None,
        };
        if let Some(Inner { within: Within { gtid: Some(gtid), is_there: true, .. }, .. }) = &inner
            && is_first_ever(&set, gtid)
        {
            set = GtidSet::default();
        }
        start::ensure_serves(gtids, &set).map_err(PositionError::NotServed)?;
        let from = DumpStart::After(set.clone());
        let first = self.probe.first_transaction(&from, &self.server.end).await?;
        let Some(first) = first else {
            return match foreign.inside {
                Inside::Unsaid => self.at_end(set).await,
                // Between two transactions, Maxwell says so too.
                Inside::BeforeIt if inner.is_none() => self.at_end(set).await,
                Inside::Events { .. } | Inside::Rows { .. } | Inside::BeforeIt | Inside::UpToIt => {
                    Err(ImportError::TransactionMissing { place: foreign.place.clone() }.into())
                }
            };
        };
        if foreign.inside == Inside::Unsaid {
            return Ok(self.plain(first.begins_at, first.file_begun, Some(set)));
        }
        match inner {
            Some(inner) if inner.survey.before.coordinates == first.begins_at => {
                Ok(self.cut(foreign.inside, inner, Some(set)))
            }
            Some(_) | None => self.elsewhere(foreign, first, set).await,
        }
    }

    /// The first transaction that is missing is another one than where the coordinates lie, or they lie
    /// nowhere here.
    async fn elsewhere(
        &self,
        foreign: &Foreign,
        first: FirstTransaction,
        set: GtidSet,
    ) -> Result<Resolved, PositionError> {
        let FirstTransaction { begins_at, file_begun, .. } = first;
        let within = self.within(&begins_at, UpTo::End(begins_at.position)).await?;
        // Maxwell says that it is inside even where it only passed over what is none of its tables.
        let mut resolved = self.plain(begins_at.clone(), file_begun, Some(set));
        if within.rows > 0 && foreign.inside != Inside::Unsaid {
            let why = cut::OTHER_LAYOUT;
            resolved.doubt = Some(Doubt { rows: within.rows, gtid: within.gtid, begins_at, why });
        }
        Ok(resolved)
    }

    async fn by_coordinates(&self, foreign: &Foreign) -> Result<Resolved, PositionError> {
        let Some(place) = &foreign.coordinates else {
            return Err(ImportError::NoCoordinates { place: foreign.place.clone() }.into());
        };
        start::ensure_has(&self.server, place).map_err(PositionError::NotServed)?;
        let survey = self.probe.survey(place, set::reading()).await?;
        if survey.before.coordinates == *place {
            let gtids = known(survey.before.gtids, &self.server);
            return Ok(self.plain(place.clone(), survey.file_begun, gtids));
        }
        let inner = self.look_within(foreign.inside, place, survey).await?;
        if !inner.within.is_there {
            let (place, wanted) = (foreign.place.clone(), place.clone());
            return Err(ImportError::NotThere { place, wanted }.into());
        }
        let gtids = known(inner.survey.before.gtids.clone(), &self.server);
        Ok(self.cut(foreign.inside, inner, gtids))
    }

    /// The transaction around the place; `None` if that is between two.
    async fn inner(
        &self,
        inside: Inside,
        place: &BinlogCoordinates,
    ) -> Result<Option<Inner>, PositionError> {
        let survey = self.probe.survey(place, set::reading()).await?;
        if survey.before.coordinates == *place {
            return Ok(None);
        }
        let inner = self.look_within(inside, place, survey).await?;
        Ok(inner.within.is_there.then_some(inner))
    }

    async fn look_within(
        &self,
        inside: Inside,
        place: &BinlogCoordinates,
        survey: Survey,
    ) -> Result<Inner, PositionError> {
        let up_to = cut::up_to(inside, place.position);
        let within = self.within(&survey.before.coordinates, up_to).await?;
        Ok(Inner { survey, within })
    }

    async fn within(
        &self,
        begin: &BinlogCoordinates,
        up_to: UpTo,
    ) -> Result<Within, PositionError> {
        let names = self.server.settings.name_case();
        Ok(self.probe.within(begin, up_to, (&self.outbox, names)).await?)
    }

    /// `gtids` are those before the transaction.
    fn cut(&self, inside: Inside, inner: Inner, gtids: Option<GtidSet>) -> Resolved {
        let Inner { survey: Survey { before, behind, file_begun }, within } = inner;
        let gtid = within.gtid;
        let (cut, repeated) = cut::decide(inside, &within);
        let begins_at = before.coordinates;
        let doubt = repeated.map(|(rows, why)| {
            let begins_at = begins_at.clone();
            Doubt { rows, gtid, begins_at, why }
        });
        let mut resolved = match (cut, behind) {
            (Cut::End, Some(behind)) => {
                let mut gtids = gtids;
                if let (Some(gtids), Some(gtid)) = (&mut gtids, &gtid) {
                    gtids.insert(gtid);
                }
                self.plain(behind.coordinates, file_begun, gtids)
            }
            (Cut::End, None) => {
                in_progress(self.plain(begins_at, file_begun, gtids), gtid, within.rows)
            }
            (Cut::Behind(rows), _) => {
                in_progress(self.plain(begins_at, file_begun, gtids), gtid, rows)
            }
            (Cut::Begin, _) => self.plain(begins_at, file_begun, gtids),
        };
        resolved.doubt = doubt;
        resolved
    }

    async fn at_end(&self, set: GtidSet) -> Result<Resolved, PositionError> {
        let end = self.server.end.clone();
        let file_begun = self.probe.file_begun(&end.file).await?;
        Ok(self.plain(end, file_begun, Some(set)))
    }

    fn plain(
        &self,
        coordinates: BinlogCoordinates,
        file_begun: Option<u32>,
        gtid_set: Option<GtidSet>,
    ) -> Resolved {
        let position = Position {
            server_uuid: self.server.server_uuid,
            coordinates,
            file_begun,
            gtid_set,
            in_progress: None,
            table_start: None,
            // They have published a branch's rows at its `XA PREPARE`: its commit has none left.
            prepared: Vec::new(),
        };
        Resolved { position, doubt: None }
    }
}

fn in_progress(mut resolved: Resolved, gtid: Option<Gtid>, outbox_rows: u64) -> Resolved {
    resolved.position.in_progress = Some(InProgress { gtid, outbox_rows });
    resolved
}

/// A connector that has seen no GTID before names the transaction that it is in as one that is out: it has
/// no other set to name.
fn is_first_ever(set: &GtidSet, gtid: &Gtid) -> bool {
    set.count() == 1 && set.contains(gtid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_set_of_that_one_transaction_is_a_first_ever() {
        let uuid = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
        let gtid = format!("{uuid}:7").parse().unwrap();
        let is_first =
            |numbers: &str| is_first_ever(&format!("{uuid}:{numbers}").parse().unwrap(), &gtid);

        assert!(is_first("7"));
        assert!(!is_first("6") && !is_first("6-7") && !is_first("7:9"));
        assert!(!is_first_ever(&GtidSet::default(), &gtid));
    }
}
