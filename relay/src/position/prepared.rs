//! XA branches that are prepared and neither committed nor rolled back.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{BinlogCoordinates, Gtid};

/// A branch with outbox rows whose end lies behind the position. Only where it lies is kept: its rows are
/// read there once it is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreparedBranch {
    /// As the server writes it: `X'67',X'62',1`.
    pub xid: String,
    /// Of its `XA PREPARE`. As long as the branch is prepared it is not among the GTIDs that are out, so
    /// that another server, where it lies elsewhere, sends it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gtid: Option<Gtid>,
    /// Whose files `begins_at` names.
    pub server_uuid: Uuid,
    /// Where its transaction begins in the binlog.
    pub begins_at: BinlogCoordinates,
    /// When it was, as the server that it was prepared on says.
    pub prepared_at: Timestamp,
}

impl fmt::Display for PreparedBranch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { xid, begins_at, prepared_at, .. } = self;
        write!(f, "{xid}, at {begins_at} since {prepared_at:.0}")
    }
}
