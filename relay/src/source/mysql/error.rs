//! What goes wrong between us and the server, and whether trying again can help.

use std::{fmt, io, path::PathBuf, time::Duration};

use super::tls;

/// An ERR packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    pub code: u16,
    pub message: String,
}

#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    #[error("{setting} = {} cannot be read", path.display())]
    File {
        setting: &'static str,
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{setting} = {} has no {wanted} in PEM form", path.display())]
    Pem { setting: &'static str, path: PathBuf, wanted: &'static str },
    #[error("cannot connect to {address}")]
    Unreachable {
        address: String,
        #[source]
        error: io::Error,
    },
    #[error("{address} did not answer within {after:?}")]
    TimedOut { address: String, after: Duration },
    #[error("connection to the source was lost")]
    Lost {
        #[source]
        error: io::Error,
    },
    #[error("the source sent neither event nor heartbeat for {after:?}")]
    Silent { after: Duration },
    #[error("the source ended the binlog stream")]
    Ended,
    #[error("the source offers no TLS, and mysql.tls asks for it")]
    TlsNotOffered,
    #[error("TLS to the source failed{}", tls::repair(error))]
    Tls {
        #[source]
        error: io::Error,
    },
    #[error(
        "the account is set up for authentication by `{plugin}`, which is not supported; create it \
         with caching_sha2_password, sha256_password or mysql_native_password"
    )]
    AuthenticationPlugin { plugin: String },
    #[error("the server's public key cannot be used for the password; mysql.tls avoids the need")]
    PublicKey,
    #[error("the server speaks the protocol differently: {what}")]
    Protocol { what: &'static str },
    #[error("the source refused: {0}")]
    Refused(ServerError),
}

/// What a server's refusal means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The server is stopping, overloaded, or someone ended our session.
    Temporary,
    /// Another replica uses our server id, and the server ended our stream in its favour.
    DuplicateServerId,
    /// The server cannot read its own binlog.
    Unreadable,
    /// What we need is no longer in the server's binlog.
    Purged,
    /// What comes next has a GTID or none, and does not go with gtid_mode or with how we asked.
    GtidMode,
    /// The server has less than we have seen: its binlog was reset, truncated or restored.
    Behind,
    /// Anything that a person has to repair.
    Permanent,
}

impl ServerError {
    /// One place for the server's codes and texts; what is not listed is [`Refusal::Permanent`].
    pub fn refusal(&self) -> Refusal {
        const MASTER_FATAL_ERROR_READING_BINLOG: u16 = 1236;
        match self.code {
            MASTER_FATAL_ERROR_READING_BINLOG => self.binlog_refusal(),
            // Too many connections (1040, 1203, 1226), shutdown (1053, 1077, 1079), out of resources
            // (1041, 1135), aborted or killed (1152, 1159, 1160, 1161, 1184, 1317, 3169), lock and
            // execution time-outs (1205, 3024), host blocked after errors (1129), not writable while
            // a fail-over goes on (1290, 1836).
            1040 | 1041 | 1053 | 1077 | 1079 | 1129 | 1135 | 1152 | 1159 | 1160 | 1161 | 1184
            | 1203 | 1205 | 1226 | 1290 | 1317 | 1836 | 3024 | 3032 | 3169 | 4031 => {
                Refusal::Temporary
            }
            _ => Refusal::Permanent,
        }
    }

    /// SERVER: one code for everything; only the English text tells (rpl_binlog_sender.cc,
    /// errmsg-utf8.txt; the words master/slave up to 8.0.25, source/replica later).
    fn binlog_refusal(&self) -> Refusal {
        const TEXTS: [(&str, Refusal); 14] = [
            ("Cannot replicate anonymous transaction", Refusal::GtidMode),
            ("Cannot replicate GTID-transaction", Refusal::GtidMode),
            ("with the same server_uuid/server_id", Refusal::DuplicateServerId),
            ("purged required binary logs", Refusal::Purged),
            ("has purged binary logs containing GTIDs", Refusal::Purged),
            ("Could not find first log file name", Refusal::Purged),
            ("has more GTIDs than", Refusal::Behind),
            ("position > file size", Refusal::Behind),
            ("from impossible position", Refusal::Behind),
            ("bogus data in log event", Refusal::Unreadable),
            ("truncated in the middle of event", Refusal::Unreadable),
            ("did not pass crc check", Refusal::Unreadable),
            ("error reading log event", Refusal::Unreadable),
            ("could not find next log", Refusal::Unreadable),
        ];
        TEXTS
            .iter()
            .find(|(text, _)| self.message.contains(text))
            .map_or(Refusal::Permanent, |(_, refusal)| *refusal)
    }

    /// What an operator can do about it, where the server's own text does not say.
    pub fn repair(&self) -> Option<&'static str> {
        match self.code {
            1045 | 1698 => Some(
                "check user and password in mysql.url and mysql.password_file, and whether the \
                 account requires TLS or a client certificate (mysql.tls)",
            ),
            1227 => Some("grant replication slave, replication client on *.* to the account"),
            3159 => Some("the server takes encrypted connections only: set mysql.tls.required"),
            1130 => Some("create the account for the host that the relay connects from"),
            1236 if self.refusal() == Refusal::DuplicateServerId => {
                Some("give the relay a mysql.server_id that nothing else in the topology uses")
            }
            1236 if self.refusal() == Refusal::GtidMode => Some(
                "gtid_mode was switched since that transaction was written: set it to ON_PERMISSIVE or \
                 OFF_PERMISSIVE on the source until the relay is past it",
            ),
            1236 if self.message.contains("max_allowed_packet") => {
                Some("raise max_allowed_packet on the source, then start the relay again")
            }
            _ => None,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (error {})", self.message, self.code)?;
        match self.repair() {
            Some(repair) => write!(f, "; {repair}"),
            None => Ok(()),
        }
    }
}

impl ConnectionError {
    /// Whether the same attempt may succeed later.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Silent { .. }
            | Self::Ended => true,
            Self::Refused(error) => match error.refusal() {
                Refusal::Temporary
                | Refusal::DuplicateServerId
                | Refusal::Unreadable
                // Asked anew, it is asked as the mode is now.
                | Refusal::GtidMode => true,
                Refusal::Purged | Refusal::Behind | Refusal::Permanent => false,
            },
            // A proxy in front of a server that is just starting answers with anything.
            Self::Protocol { .. } => true,
            Self::File { .. }
            | Self::Pem { .. }
            | Self::TlsNotOffered
            | Self::Tls { .. }
            | Self::AuthenticationPlugin { .. }
            | Self::PublicKey => false,
        }
    }

    /// Whether the fault lies outside server and relay, so that it may go on for as long as it takes.
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::TimedOut { .. }
            | Self::Lost { .. }
            | Self::Silent { .. }
            | Self::Ended => true,
            Self::Refused(error) => error.refusal() == Refusal::Temporary,
            Self::Protocol { .. }
            | Self::File { .. }
            | Self::Pem { .. }
            | Self::TlsNotOffered
            | Self::Tls { .. }
            | Self::AuthenticationPlugin { .. }
            | Self::PublicKey => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::v5_7(
        "A slave with the same server_uuid/server_id as this slave has connected to the master; the \
         first event 'bin-log.000001' at 4, the last event read from …",
        Refusal::DuplicateServerId
    )]
    #[case::v9(
        "A replica with the same server_uuid/server_id as this replica has connected to the source",
        Refusal::DuplicateServerId
    )]
    #[case::v5_7(
        "The slave is connecting using CHANGE MASTER TO MASTER_AUTO_POSITION = 1, but the master has \
         purged binary logs containing GTIDs that the slave requires.",
        Refusal::Purged
    )]
    #[case::v9(
        "Cannot replicate because the source purged required binary logs. Replicate the missing \
         transactions from elsewhere",
        Refusal::Purged
    )]
    #[case("Could not find first log file name in binary log index file", Refusal::Purged)]
    #[case(
        "Replica has more GTIDs than the source has, using the source's SERVER_UUID.",
        Refusal::Behind
    )]
    #[case(
        "Client requested source to start replication from position > file size",
        Refusal::Behind
    )]
    #[case(
        "Cannot replicate anonymous transaction when AUTO_POSITION = 1, at file bin-log.000004, position \
         236.; the first event '' at 4",
        Refusal::GtidMode
    )]
    #[case(
        "Cannot replicate GTID-transaction when @@GLOBAL.GTID_MODE = OFF, at file bin-log.000004",
        Refusal::GtidMode
    )]
    #[case("log event entry exceeded max_allowed_packet; Increase …", Refusal::Permanent)]
    #[case("binlog truncated in the middle of event; consider …", Refusal::Unreadable)]
    #[case("a text of a later server", Refusal::Permanent)]
    fn refusals_of_the_dump_are_told_apart_by_their_texts(
        #[case] message: &str,
        #[case] expected: Refusal,
    ) {
        let error = ServerError { code: 1236, message: message.to_owned() };

        assert_eq!(error.refusal(), expected);
    }

    #[test]
    fn killed_session_is_temporary_and_denied_access_is_not() {
        let killed = ServerError { code: 1317, message: "Query execution was interrupted".into() };
        let denied = ServerError { code: 1045, message: "Access denied for user 'r'".into() };

        assert_eq!(killed.refusal(), Refusal::Temporary);
        assert_eq!(denied.refusal(), Refusal::Permanent);
        assert_eq!(
            denied.to_string(),
            "Access denied for user 'r' (error 1045); check user and password in mysql.url and \
             mysql.password_file, and whether the account requires TLS or a client certificate \
             (mysql.tls)"
        );
    }
}
