//! Prepared XA branches: shown, and warned of before the server loses them.

use jiff::Timestamp;
use tracing::{error, warn};

use crate::{
    metrics::Metrics,
    position::PreparedBranch,
    source::KeptFiles,
    status::{Status, Threat, oldest, threat},
};

/// Shows what is prepared. `kept` is what the server has, if it was looked; `said` is what was warned of.
pub(super) fn show(
    status: &Status,
    metrics: &Metrics,
    said: &mut Option<(PreparedBranch, Threat)>,
    kept: Option<&KeptFiles>,
) {
    let Some(committed) = status.committed() else { return };
    let prepared = &committed.position.prepared;
    let oldest = oldest(prepared);
    metrics.branches_prepared.set(i64::try_from(prepared.len()).unwrap_or(i64::MAX));
    let since = oldest.map_or(0.0, |branch| branch.prepared_at.as_duration().as_secs_f64());
    metrics.oldest_branch_timestamp.set(since);
    // On another server its place is not known before it was sent.
    let kept =
        kept.filter(|kept| oldest.is_some_and(|of| Some(of.server_uuid) == kept.server_uuid));
    let (Some(branch), Some(kept)) = (oldest, kept) else {
        if oldest.is_none() {
            *said = None;
            status.threatened(None);
        }
        return;
    };
    let found = threat(branch, Timestamp::now(), &kept.files, kept.expire_seconds)
        .map(|threat| (branch.clone(), threat));
    if let Some((_, threat)) = found.as_ref().filter(|found| said.as_ref() != Some(*found)) {
        warn_of(branch, *threat);
    }
    said.clone_from(&found);
    status.threatened(found);
}

fn warn_of(branch: &PreparedBranch, threat: Threat) {
    let PreparedBranch { xid, begins_at, prepared_at, .. } = branch;
    match threat {
        Threat::OldestFile | Threat::Expiring => warn!(
            xid,
            %begins_at,
            %prepared_at,
            reason = %threat,
            "an XA branch with outbox rows is still prepared: commit it or roll it back (XA RECOVER lists \
             it) before the server purges the file that its rows are in"
        ),
        Threat::Purged => error!(
            xid,
            %begins_at,
            %prepared_at,
            "the server has purged the file that the outbox rows of a prepared XA branch are in: roll it \
             back; the relay halts if it is committed"
        ),
    }
}
