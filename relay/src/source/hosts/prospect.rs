//! What a server says of its own replication → whether what it lacks may still come to it.

use crate::source::{
    SourceError,
    mysql::{ConnectOptions, Connection, ConnectionError, Refusal, Rows},
    server::ServerSettings,
};

/// Of a server that lacks published transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prospect {
    /// It receives or applies what another server wrote.
    Replicates,
    /// Nothing comes to it, and nobody writes to it: not the leader, but a replica that stands still.
    StandsStill,
    /// Nothing comes to it, and it takes writes of its own: it has diverged, or it was made the leader
    /// without them.
    GoesItsOwnWay,
}

/// Asks on a connection of its own. `None` where it cannot be asked.
pub(super) async fn ask(options: &ConnectOptions) -> Option<Prospect> {
    let asking = async {
        let mut connection = Connection::open(options).await?;
        let settings = ServerSettings::query(&mut connection).await?;
        // SERVER: `SHOW SLAVE STATUS` until 8.0.21; 8.4 knows only the later word.
        let statement = if settings.version() >= (8, 0, 22) {
            "show replica status"
        } else {
            "show slave status"
        };
        let channels = match connection.query(statement).await {
            // Without the privilege, which has a check of its own.
            Err(ConnectionError::Refused(error)) if error.refusal() == Refusal::Permanent => {
                Rows::default()
            }
            channels => channels?,
        };
        connection.close().await;
        Ok::<_, SourceError>(judge(&channels, settings.is_on("read_only")))
    };
    Box::pin(asking).await.ok()
}

fn judge(channels: &Rows, is_read_only: bool) -> Prospect {
    // The words of 5.7 and those of today. A receiver that waits for its leader is `Connecting`.
    const THREADS: [&str; 4] =
        ["Replica_IO_Running", "Replica_SQL_Running", "Slave_IO_Running", "Slave_SQL_Running"];
    let runs = |thread: &&str| channels.values(thread).any(|state| state != "No");
    if THREADS.iter().any(runs) {
        Prospect::Replicates
    } else if is_read_only {
        Prospect::StandsStill
    } else {
        Prospect::GoesItsOwnWay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::mysql::Row;

    fn channels(columns: [&str; 2], states: &[(&str, &str)]) -> Rows {
        let row = |(receiver, applier): &(&str, &str)| {
            Row::new(vec![Some((*receiver).to_owned()), Some((*applier).to_owned())])
        };
        Rows::new(&columns, states.iter().map(row).collect())
    }

    const TODAY: [&str; 2] = ["Replica_IO_Running", "Replica_SQL_Running"];
    const MYSQL_57: [&str; 2] = ["Slave_IO_Running", "Slave_SQL_Running"];

    #[test]
    fn replica_of_a_leader_that_died_may_still_apply_what_it_received() {
        for columns in [TODAY, MYSQL_57] {
            for states in [("Connecting", "Yes"), ("No", "Yes"), ("Connecting", "No")] {
                assert_eq!(judge(&channels(columns, &[states]), false), Prospect::Replicates);
            }
            let several = channels(columns, &[("No", "No"), ("Yes", "Yes")]);
            assert_eq!(judge(&several, false), Prospect::Replicates);
        }
    }

    #[test]
    fn server_that_replicates_from_nobody_is_told_by_who_may_write_to_it() {
        for channels in [Rows::default(), channels(TODAY, &[("No", "No")])] {
            assert_eq!(judge(&channels, true), Prospect::StandsStill);
            assert_eq!(judge(&channels, false), Prospect::GoesItsOwnWay);
        }
    }
}
