//! Who else reads this server's binlog under our server id → a check.
//!
//! SERVER: a replica that shows no UUID (an old server, `mysqlbinlog`, most other readers of the binlog)
//! ends the stream of another one with its server id that shows none either. The relay shows one, so its
//! stream stands; theirs may not.

use std::num::NonZeroU32;

use super::{Check, ConnectionError, ServerSettings};
use crate::source::mysql::{Connection, REPLICA_HOST, Refusal, Rows};

const NAME: &str = "mysql.server_id";

pub(super) async fn check(
    connection: &mut Connection,
    server_id: NonZeroU32,
) -> Result<Check, ConnectionError> {
    let settings = ServerSettings::query(connection).await?;
    // SERVER: `SHOW SLAVE HOSTS` until 8.0.21; 8.4 knows only the later name.
    let statement =
        if settings.version() >= (8, 0, 22) { "show replicas" } else { "show slave hosts" };
    let replicas = match connection.query(statement).await {
        Ok(replicas) => replicas,
        // Without the privilege, which has a check of its own.
        Err(ConnectionError::Refused(error)) if error.refusal() == Refusal::Permanent => {
            Rows::default()
        }
        Err(error) => return Err(error),
    };
    Ok(judge(&replicas, &settings, server_id))
}

fn judge(replicas: &Rows, settings: &ServerSettings, server_id: NonZeroU32) -> Check {
    let id = server_id.to_string();
    let check = Check::ok(NAME, id.clone()).requiring("a number that no server or replica has");
    if settings.get("server_id") == Some(&id) {
        return check.warn("it is the source's own server_id: set another mysql.server_id");
    }
    // What else is called so is a relay, perhaps this one.
    let is_foreign = |host: &str| host != REPLICA_HOST;
    let mut others = replicas
        .iter()
        .filter(|row| row.get(0) == Some(&id))
        .map(|row| row.get(1).unwrap_or_default())
        .filter(|host| is_foreign(host));
    match others.next() {
        None => check,
        Some(host) => {
            let host = if host.is_empty() { "without a name" } else { host };
            check.warn(format!(
                "a replica {host} reads this server under the same id (show replicas): set another \
                 mysql.server_id"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::{check::Verdict, source::mysql::Row};

    #[rstest]
    #[case::nobody(&[], "1", Verdict::Ok)]
    #[case::relay(&[("77", "rowpost")], "1", Verdict::Ok)]
    #[case::another_id(&[("78", "db-2")], "1", Verdict::Ok)]
    #[case::foreign(&[("78", "db-2"), ("77", "")], "1", Verdict::Warning)]
    #[case::source(&[], "77", Verdict::Warning)]
    fn server_id_that_somebody_else_has_is_warned_about(
        #[case] replicas: &[(&str, &str)],
        #[case] source: &str,
        #[case] expected: Verdict,
    ) {
        let row = |(id, host): &(&str, &str)| {
            Row::new(vec![Some((*id).to_owned()), Some((*host).to_owned())])
        };
        let rows = Rows::new(&["Server_Id", "Host"], replicas.iter().map(row).collect());
        let settings = [("server_id", source)].into_iter().collect();

        assert_eq!(judge(&rows, &settings, NonZeroU32::new(77).unwrap()).verdict, expected);
    }
}
