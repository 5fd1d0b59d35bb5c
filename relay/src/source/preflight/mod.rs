//! Is this server, with this account, fit to be read? Each requirement by name, with the repair.
//!
//! `rowpost check` prints the list; the relay runs the same list at its start and halts on what
//! failed, in the same words.
//!
//! Before this: `server`. After this: an operator, or `reader`.

mod advice;
mod hosts;
mod outbox_tables;
mod privileges;
mod replicas;
mod server_settings;
mod table_start;

pub use self::advice::Advice;
pub(super) use self::table_start::checks as table_start_checks;

use super::{
    mysql::{ConnectOptions, Connection, ConnectionError},
    server::{ServerError, ServerFacts, ServerSettings},
};
use crate::{
    check::{Check, Verdict},
    config::{Config, OutboxTable},
    error::Chain,
};

/// The server is not fit; at least one check has failed.
#[derive(Debug, thiserror::Error)]
#[error("the source is not fit to be read: {}", list(.0))]
pub struct Unfit(pub Vec<Check>);

fn list(checks: &[Check]) -> String {
    let line = |Check { name, actual, required, repair, .. }: &Check| {
        let repair = repair.as_deref().map(|repair| format!(": {repair}")).unwrap_or_default();
        format!("{name} is {actual}, required is {required}{repair}")
    };
    checks.iter().map(line).collect::<Vec<_>>().join("; ")
}

/// All checks of the source, of each of its hosts.
pub async fn preflight(config: &Config) -> Vec<Check> {
    let hosts = config.mysql.url.hosts();
    if hosts.len() == 1 {
        return of_host(config, false).await;
    }
    let mut checks = Vec::new();
    for host in hosts {
        checks.push((host.to_string(), of_host(&config.on(host), true).await));
    }
    hosts::together(checks)
}

/// On a connection of its own.
async fn of_host(config: &Config, is_one_of_several: bool) -> Vec<Check> {
    let checks = async {
        let mut connection = Connection::open(&ConnectOptions::new(&config.mysql)).await?;
        let mut checks = run(&mut connection, &config.outbox).await?;
        checks.push(replicas::check(&mut connection, config.server_id()).await?);
        if table_start::is_configured(config) {
            checks.extend(table_start_checks(&mut connection, config).await?);
        }
        if is_one_of_several {
            checks.extend(hosts::of_server(&ServerSettings::query(&mut connection).await?));
        }
        connection.close().await;
        Ok::<_, ConnectionError>(checks)
    };
    checks.await.unwrap_or_else(|error: ConnectionError| {
        vec![Check::failed("mysql.url", Chain(&error).to_string()).requiring("a connection")]
    })
}

/// An error only if the server cannot be asked at all.
pub(super) async fn run(
    connection: &mut Connection,
    outbox: &[OutboxTable],
) -> Result<Vec<Check>, ConnectionError> {
    let settings = ServerSettings::query(connection).await?;
    let mut checks = vec![connection_check(connection)];
    checks.extend(server_settings::checks(&settings));
    let privileges = privileges::query(connection, &settings).await?;
    checks.extend(privileges::checks(&privileges, &settings));
    let tables = outbox_tables::query(connection, outbox, &settings).await?;
    checks.extend(outbox_tables::checks(&tables, outbox, &settings));
    checks.push(binlog_check(ServerFacts::query(connection).await));
    Ok(checks)
}

/// The failed ones as an error.
pub(super) fn ensure_fit(checks: Vec<Check>) -> Result<(), Unfit> {
    let failed: Vec<_> =
        checks.into_iter().filter(|check| check.verdict == Verdict::Failed).collect();
    if failed.is_empty() { Ok(()) } else { Err(Unfit(failed)) }
}

fn connection_check(connection: &Connection) -> Check {
    let encryption = connection
        .tls()
        .map_or("no TLS".to_owned(), |tls| format!("{} {}", tls.protocol, tls.cipher_suite));
    let actual = format!("{}, {encryption}", connection.authentication());
    let check =
        Check::ok("connection", actual).requiring("TLS wherever the network is not trusted");
    match connection.tls() {
        Some(_) => check,
        None => check.warn("set mysql.tls.required, and mysql.tls.ca for a private authority"),
    }
}

/// Can the files and their end be listed?
fn binlog_check(facts: Result<ServerFacts, ServerError>) -> Check {
    const REQUIRED: &str = "a readable list of files";
    match facts {
        Ok(facts) => {
            let bytes: u64 = facts.files.iter().map(|file| file.bytes).sum();
            let files = facts.files.len();
            let actual = format!(
                "{files} files, {}, from {} to {}",
                bytesize::ByteSize(bytes),
                facts.beginning(),
                facts.end
            );
            Check::ok("binlog", actual).requiring(REQUIRED)
        }
        Err(error) => Check::ok("binlog", Chain(&error).to_string())
            .requiring(REQUIRED)
            .fail("grant replication client, and see that log_bin is on"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_checks_are_the_error_and_warnings_are_not() {
        let check = |name| Check::ok(name, "x").requiring("y");
        let checks =
            vec![check("a"), check("b").warn("mend b"), check("c").fail("mend c"), check("d")];

        let Unfit(failed) = ensure_fit(checks.clone()).unwrap_err();

        assert_eq!(failed, [check("c").fail("mend c")]);
        assert_eq!(
            Unfit(failed).to_string(),
            "the source is not fit to be read: c is x, required is y: mend c"
        );
        assert!(ensure_fit(checks.into_iter().filter(|check| check.name != "c").collect()).is_ok());
    }
}
