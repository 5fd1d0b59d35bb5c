//! Can a start from the outbox tables be made?

use super::{
    Check,
    privileges::{self, Privileges},
};
use crate::{
    config::{Config, OnPositionLost, StartPolicy},
    source::{
        mysql::{Connection, ConnectionError},
        server::ServerSettings,
        table_start,
    },
};

/// Whether a relay of this configuration may ever make one.
pub(super) fn is_configured(config: &Config) -> bool {
    config.mysql.start == StartPolicy::Table
        || config.mysql.on_position_lost == OnPositionLost::Table
}

pub(in crate::source) async fn checks(
    connection: &mut Connection,
    config: &Config,
) -> Result<Vec<Check>, ConnectionError> {
    let settings = ServerSettings::query(connection).await?;
    let names = settings.name_case();
    let mut checks = vec![lock(&privileges::query(connection, &settings).await?, &settings)];
    for table in table_start::describe(connection, &config.outbox, names).await? {
        let check = Check::ok(
            format!("start from {}.{}", table.database, table.table),
            "rows are read in their order",
        );
        let check = check.requiring("SELECT, and an index that gives the order");
        checks.push(match table.first_page(&config.outbox, names) {
            Err(error) => {
                Check { actual: "no usable order".to_owned(), ..check }.fail(error.to_string())
            }
            // SERVER: looks at the privileges, and at no row.
            Ok(statement) => match connection.query(&format!("explain {statement}")).await {
                Ok(_) => check,
                Err(ConnectionError::Refused(error)) => {
                    Check { actual: error.to_string(), ..check }
                        .fail("grant select on the outbox tables to the relay's account")
                }
                Err(error) => return Err(error),
            },
        });
    }
    Ok(checks)
}

fn lock(privileges: &Privileges, settings: &ServerSettings) -> Check {
    let actual = if privileges.locks_somewhere { "granted" } else { "not granted" };
    let check = Check::ok("privilege LOCK TABLES", actual);
    if settings.gtid_mode_is_on() {
        return check.requiring("nothing: GTIDs say what is in the tables");
    }
    let check = check.requiring("granted on the outbox tables' databases");
    match privileges.locks_somewhere {
        true => check,
        false => check.fail(
            "grant lock tables on the outbox tables' databases to the relay's account: without GTIDs \
             they are locked for reading for the moment in which a start from them is begun",
        ),
    }
}
