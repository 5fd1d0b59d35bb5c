//! Prepared XA branches, and whether the server is about to lose the oldest of them.
//!
//! Pure. Before this: `pipeline`, which looks at the server now and then.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::position::{BinlogCoordinates, PreparedBranch};

/// How the rows of a prepared branch may be lost before it is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threat {
    /// Its file is the oldest one of the server: the next to be purged.
    OldestFile,
    /// It is older than half of what the server keeps.
    Expiring,
    /// Its file is not there any more.
    Purged,
}

/// Branches are committed within milliseconds, mostly. One that is prepared for as long may stay so.
const AGE_OF_INTEREST: Duration = Duration::from_secs(60);

/// What threatens the branch on a server that has these files, the oldest first, and keeps them for so long
/// by itself.
pub fn threat(
    branch: &PreparedBranch,
    now: Timestamp,
    files: &[Arc<str>],
    expire_seconds: Option<u64>,
) -> Option<Threat> {
    let age = age(branch, now);
    let file = &branch.begins_at.file;
    if !files.contains(file) {
        return Some(Threat::Purged);
    }
    if expire_seconds.is_some_and(|seconds| age.as_secs() > seconds / 2) {
        return Some(Threat::Expiring);
    }
    let is_oldest = files.len() > 1 && files.first() == Some(file);
    (is_oldest && age >= AGE_OF_INTEREST).then_some(Threat::OldestFile)
}

fn age(branch: &PreparedBranch, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(branch.prepared_at)).unwrap_or_default()
}

/// The one that was prepared first.
pub fn oldest(prepared: &[PreparedBranch]) -> Option<&PreparedBranch> {
    prepared.iter().min_by_key(|branch| branch.prepared_at)
}

/// As it is shown.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Branches {
    /// XA branches with outbox rows that are prepared and neither committed nor rolled back.
    pub prepared: usize,
    pub oldest: Option<Oldest>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Oldest {
    pub xid: String,
    pub begins_at: BinlogCoordinates,
    pub prepared_at: Timestamp,
    pub age_seconds: u64,
    /// `None`: nothing, as far as was looked.
    pub threat: Option<Threat>,
}

impl Branches {
    /// `threat` is that of the oldest one.
    pub(super) fn of(
        prepared: &[PreparedBranch],
        now: Timestamp,
        threat: Option<&(PreparedBranch, Threat)>,
    ) -> Self {
        let oldest = oldest(prepared).map(|branch| Oldest {
            xid: branch.xid.clone(),
            begins_at: branch.begins_at.clone(),
            prepared_at: branch.prepared_at,
            age_seconds: age(branch, now).as_secs(),
            threat: threat.filter(|(of, _)| of == branch).map(|(_, threat)| *threat),
        });
        Self { prepared: prepared.len(), oldest }
    }
}

impl fmt::Display for Branches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} prepared", self.prepared)?;
        let Some(Oldest { xid, begins_at, age_seconds, threat, .. }) = &self.oldest else {
            return Ok(());
        };
        write!(f, ", the oldest {xid} for {age_seconds} s, at {begins_at}")?;
        match threat {
            Some(threat) => write!(f, ": {threat}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Threat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldestFile => "its file is the oldest of the server, the next to be purged",
            Self::Expiring => "older than half of the time for which the server keeps its files",
            Self::Purged => "ITS FILE IS PURGED, its rows cannot be published if it is committed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(file: &str, prepared_at: i64) -> PreparedBranch {
        PreparedBranch {
            xid: "X'67',X'',1".to_owned(),
            gtid: None,
            server_uuid: uuid::Uuid::max(),
            begins_at: format!("{file}:700").parse().unwrap(),
            prepared_at: Timestamp::from_second(prepared_at).unwrap(),
        }
    }

    fn of(file: &str, age: i64, expire_seconds: Option<u64>) -> Option<Threat> {
        let files = ["b.000003", "b.000004"].map(Arc::from);
        let now = Timestamp::from_second(1_000_000).unwrap();
        threat(&branch(file, 1_000_000 - age), now, &files, expire_seconds)
    }

    #[test]
    fn what_threatens_a_branch_is_said_before_it_is_lost() {
        assert_eq!(of("b.000004", 5_000, Some(10_000)), None);
        assert_eq!(of("b.000004", 5_001, Some(10_000)), Some(Threat::Expiring));
        assert_eq!(of("b.000004", 500_000, None), None);
        assert_eq!(of("b.000003", 60, None), Some(Threat::OldestFile));
        assert_eq!(of("b.000002", 0, None), Some(Threat::Purged));
        // As good as every branch is for a moment.
        assert_eq!(of("b.000003", 59, Some(10_000)), None);
    }

    #[test]
    fn only_file_of_a_server_is_not_purged() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(threat(&branch("b.000003", 0), now, &["b.000003".into()], None), None);
    }

    #[test]
    fn oldest_is_shown_with_its_own_threat() {
        let prepared = [branch("b.000004", 900), branch("b.000003", 800)];
        let now = Timestamp::from_second(1_000).unwrap();
        let threat = (prepared[1].clone(), Threat::OldestFile);

        let text = Branches::of(&prepared, now, Some(&threat)).to_string();
        assert_eq!(
            text,
            "2 prepared, the oldest X'67',X'',1 for 200 s, at b.000003:700: its file is the oldest of the \
             server, the next to be purged"
        );
        let gone = Branches::of(&prepared[..1], now, Some(&threat));
        assert_eq!(gone.oldest.unwrap().threat, None);
    }
}
