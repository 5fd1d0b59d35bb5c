//! Several hosts → the checks of each under its name, and what they need of each other.
//!
//! A host that cannot be read does not stop the relay while another one can: it warns.

use super::{Check, ServerSettings};
use crate::check::Verdict;

const SERVER_UUID: &str = "server_uuid";

/// What counts only where another server may be read instead.
pub(super) fn of_server(settings: &ServerSettings) -> Vec<Check> {
    [Some(server_uuid(settings)), log_replica_updates(settings), commit_order(settings)]
        .into_iter()
        .flatten()
        .collect()
}

fn server_uuid(settings: &ServerSettings) -> Check {
    Check::ok(SERVER_UUID, settings.get("server_uuid").unwrap_or("not there"))
        .requiring("one that no other host has")
}

/// The newer name's value, or the older one's.
fn either<'s>(
    settings: &'s ServerSettings,
    names: [&'static str; 2],
) -> Option<(&'static str, &'s str)> {
    names.into_iter().find_map(|name| Some((name, settings.get(name)?)))
}

fn log_replica_updates(settings: &ServerSettings) -> Option<Check> {
    let (name, value) = either(settings, ["log_replica_updates", "log_slave_updates"])?;
    let check = Check::ok(name, value).requiring("ON");
    Some(match settings.is_on(name) {
        true => check,
        false => check.warn(
            "start the server with it: what it replicates is not in its binlog otherwise, so the relay \
             cannot go on with it",
        ),
    })
}

/// SERVER: applied by several workers that do not keep it, transactions stand in the replica's binlog in
/// another order than in its leader's. They change different rows, but may be of one key.
fn commit_order(settings: &ServerSettings) -> Option<Check> {
    let (_, workers) = either(settings, ["replica_parallel_workers", "slave_parallel_workers"])?;
    let (name, value) =
        either(settings, ["replica_preserve_commit_order", "slave_preserve_commit_order"])?;
    let check = Check::ok(name, value).requiring("ON, where replica_parallel_workers is above 1");
    let is_one_worker = matches!(workers, "0" | "1");
    Some(match is_one_worker || settings.is_on(name) {
        true => check,
        false => check.warn(
            "set it to ON: the records of one key come in another order from this host than from its \
             leader",
        ),
    })
}

/// The checks of all hosts, one after the other.
pub(super) fn together(hosts: Vec<(String, Vec<Check>)>) -> Vec<Check> {
    let is_fit = |checks: &[Check]| checks.iter().all(|check| check.verdict != Verdict::Failed);
    let is_one_fit = hosts.iter().any(|(_, checks)| is_fit(checks));
    let mut seen: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for (host, checks) in hosts {
        for mut check in checks {
            if is_one_fit && check.verdict == Verdict::Failed {
                check.verdict = Verdict::Warning;
            }
            if check.name == SERVER_UUID {
                if seen.contains(&check.actual) {
                    check =
                        check.warn("it is the server of an earlier host: leave one of them out");
                } else {
                    seen.push(check.actual.clone());
                }
            }
            check.name = format!("{host} {}", check.name);
            all.push(check);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn verdict(name: &str, settings: &[(&str, &str)]) -> Verdict {
        let checks = of_server(&settings.iter().copied().collect());
        checks.iter().find(|check| check.name == name).expect("the check is there").verdict
    }

    #[rstest]
    #[case::today("log_replica_updates", &[("log_replica_updates", "OFF")], Verdict::Warning)]
    #[case::mysql_57("log_slave_updates", &[("log_slave_updates", "ON")], Verdict::Ok)]
    #[case::order(
        "replica_preserve_commit_order",
        &[("replica_preserve_commit_order", "OFF"), ("replica_parallel_workers", "4")],
        Verdict::Warning
    )]
    #[case::order_of_one_worker(
        "slave_preserve_commit_order",
        &[("slave_preserve_commit_order", "OFF"), ("slave_parallel_workers", "0")],
        Verdict::Ok
    )]
    fn replica_is_judged_by_its_own_names(
        #[case] name: &str,
        #[case] settings: &[(&str, &str)],
        #[case] expected: Verdict,
    ) {
        assert_eq!(verdict(name, settings), expected);
    }

    #[test]
    fn unfit_host_fails_the_check_only_if_no_other_is_fit() {
        let host = |name: &str, check: Check| (name.to_owned(), vec![check]);
        let unfit = |name| host(name, Check::failed("binlog_format", "STATEMENT"));
        let fit = host("b:3306", Check::ok("binlog_format", "ROW"));

        let one = together(vec![unfit("a:3306"), fit]);
        let none = together(vec![unfit("a:3306"), unfit("b:3306")]);

        assert_eq!(crate::check::worst(&one), Verdict::Warning);
        assert_eq!(one[0].name, "a:3306 binlog_format");
        assert_eq!(crate::check::worst(&none), Verdict::Failed);
    }

    #[test]
    fn server_that_is_listed_under_two_names_is_warned_about() {
        let host = |name: &str, uuid| (name.to_owned(), vec![Check::ok(SERVER_UUID, uuid)]);

        let checks = together(vec![host("a:3306", "1"), host("b:3306", "2"), host("c:3306", "1")]);

        let verdicts: Vec<_> = checks.iter().map(|check| check.verdict).collect();
        assert_eq!(verdicts, [Verdict::Ok, Verdict::Ok, Verdict::Warning]);
    }
}
