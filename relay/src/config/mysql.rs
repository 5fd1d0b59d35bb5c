//! How to reach the source, and where to start on it.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use serde::Deserialize;

use super::MysqlUrl;

/// The `[mysql]` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mysql {
    /// `mysql://user:password@host:3306`. The password may also come from `password_file`. Several hosts,
    /// separated by commas, are servers of one replication topology, in the order in which they are
    /// tried: where one is lost, the next that has everything is read.
    pub url: MysqlUrl,
    /// A file whose content is the password; read at each connect, so that a rotated password is
    /// taken up without a restart.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The id this relay shows the source as a replica. Must differ from every server and replica of
    /// the topology; the default is derived from `source` and lies in the upper half of the range.
    #[serde(default)]
    pub server_id: Option<NonZeroU32>,
    #[serde(default)]
    pub tls: Tls,
    /// Where to begin when there is no checkpoint yet.
    #[serde(default)]
    pub start: StartPolicy,
    /// What to do where the source does not have the checkpoint's position any more.
    #[serde(default)]
    pub on_position_lost: OnPositionLost,
    /// How often an idle source says that it is alive. A connection silent for three of these is
    /// taken for dead, so it bounds how long a half-open TCP connection goes unnoticed.
    #[serde(with = "humantime_serde", default = "default_heartbeat_interval")]
    pub heartbeat_interval: Duration,
    #[serde(with = "humantime_serde", default = "default_connect_timeout")]
    pub connect_timeout: Duration,
}

/// TLS to the source. With no `ca` and `required` the server's certificate is checked against the
/// system's roots.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    #[serde(default)]
    pub required: bool,
    /// PEM file of the authority that signed the server's certificate.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// PEM files of the client certificate and its key.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Accept a certificate whose name is not the host's (the chain is still verified).
    #[serde(default)]
    pub skip_hostname_verification: bool,
}

/// Where a first start begins. A later start always resumes from its checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum StartPolicy {
    /// The oldest transaction the server still has: nothing is lost.
    #[default]
    Earliest,
    /// The end of the binlog at the moment of the start.
    Latest,
    /// `file:position`.
    Coordinates(crate::position::BinlogCoordinates),
    /// Everything that is not in this GTID set.
    GtidSet(crate::position::GtidSet),
    /// The rows that are in the outbox tables, then what is committed from there on.
    Table,
}

/// What follows when the position is lost: purged, or the binlog was reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnPositionLost {
    /// A person decides.
    #[default]
    Halt,
    /// The oldest that there is, wherever that repeats nothing; halt where it could.
    Earliest,
    /// A start from the outbox tables, in the same cases: what is in them is published, also what was
    /// before; what was deleted from them is not.
    Table,
}

fn default_heartbeat_interval() -> Duration {
    Duration::from_secs(1)
}

fn default_connect_timeout() -> Duration {
    Duration::from_secs(10)
}

impl<'de> Deserialize<'de> for StartPolicy {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl std::str::FromStr for StartPolicy {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // The name of a binlog file always holds a dot and a GTID set never does, so that a slip in
        // either is answered by the parser that it was meant for.
        match text.trim() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "table" => Ok(Self::Table),
            text if text.contains('.') => {
                text.parse().map(Self::Coordinates).map_err(|error| error.to_string())
            }
            // The empty GTID set is everything: too much to begin with by leaving a value out.
            text if text.contains(':') => {
                text.parse().map(Self::GtidSet).map_err(|error| error.to_string())
            }
            _ => Err(format!(
                "start must be `earliest`, `latest`, `table`, `file:position` or a GTID set, not \
                 `{text}`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::StartPolicy;

    #[rstest]
    #[case("earliest", StartPolicy::Earliest)]
    #[case(" latest\n", StartPolicy::Latest)]
    #[case("table", StartPolicy::Table)]
    #[case(
        "bin-log.000042:4",
        StartPolicy::Coordinates("bin-log.000042:4".parse().unwrap())
    )]
    #[case(
        "3e11fa47-71ca-11e1-9e33-c80aa9429562:1-39:tag:1",
        StartPolicy::GtidSet("3E11FA47-71CA-11E1-9E33-C80AA9429562:1-39:TAG:1".parse().unwrap())
    )]
    fn every_form_of_a_start_is_understood(#[case] text: &str, #[case] start: StartPolicy) {
        assert_eq!(text.parse(), Ok(start));
    }

    #[rstest]
    #[case::nothing("", "start must be `earliest`")]
    #[case::other_word("newest", "not `newest`")]
    #[case::coordinates("bin-log.000042:x", "not a number of bytes")]
    #[case::gtid_set("3e11fa47-71ca-11e1-9e33-c80aa9429562:5-1", "ends before it begins")]
    #[case::uuid("3e11fa47-71ca-11e1-9e33-c80aa942956:5", "expected a UUID")]
    fn a_slip_is_answered_by_the_form_it_was_meant_for(#[case] text: &str, #[case] reason: &str) {
        let error = text.parse::<StartPolicy>().unwrap_err();

        assert!(error.contains(reason), "{error}");
    }
}
