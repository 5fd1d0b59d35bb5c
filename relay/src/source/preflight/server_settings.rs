//! Server variables → checks.

use super::{Check, ServerSettings};
use crate::source::server::Expiry;

type CheckSetting = fn(&ServerSettings) -> Option<Check>;

/// In the order in which a person would set them. `None`: says nothing on this version.
const CHECKS: [CheckSetting; 10] = [
    version,
    log_bin,
    binlog_format,
    binlog_row_image,
    binlog_row_metadata,
    gtid_mode,
    server_id,
    binlog_expiry,
    binlog_checksum,
    binlog_row_value_options,
];

pub(super) fn checks(settings: &ServerSettings) -> impl Iterator<Item = Check> {
    CHECKS.iter().filter_map(move |check| check(settings))
}

fn actual(settings: &ServerSettings, name: &str) -> String {
    settings.get(name).unwrap_or("not there").to_owned()
}

fn version(settings: &ServerSettings) -> Option<Check> {
    let check = Check::ok("version", actual(settings, "version")).requiring("MySQL 5.7 or later");
    let is_mariadb = actual(settings, "version").to_lowercase().contains("mariadb");
    Some(match settings.version() {
        _ if is_mariadb => check.fail("MariaDB's binlog differs and is not supported"),
        version if version < (5, 7, 0) => check.fail("use a later server"),
        _ => check,
    })
}

fn log_bin(settings: &ServerSettings) -> Option<Check> {
    let check = Check::ok("log_bin", actual(settings, "log_bin")).requiring("ON");
    Some(match settings.is_on("log_bin") {
        true => check,
        false => check.fail("start the server with --log-bin; the binlog is all that is read"),
    })
}

fn binlog_format(settings: &ServerSettings) -> Option<Check> {
    let check = Check::ok("binlog_format", actual(settings, "binlog_format")).requiring("ROW");
    // SERVER: the variable is deprecated from 8.0.34 on; a server that lacks it writes rows only.
    let is_row =
        settings.get("binlog_format").is_none_or(|format| format.eq_ignore_ascii_case("ROW"));
    Some(match is_row {
        true => check,
        false => check.fail(
            "set global binlog_format = 'ROW'; statements carry no rows. Sessions that are open keep \
             their format until they reconnect",
        ),
    })
}

fn binlog_row_image(settings: &ServerSettings) -> Option<Check> {
    let check = Check::ok("binlog_row_image", actual(settings, "binlog_row_image"))
        .requiring("FULL, or NOBLOB");
    let image = settings.get("binlog_row_image")?.to_uppercase();
    // SERVER: an insert has all columns with FULL and NOBLOB; with MINIMAL it lacks those that the
    // statement left to their defaults.
    Some(match image.as_str() {
        "FULL" | "NOBLOB" => check,
        _ => check.fail(
            "set global binlog_row_image = 'FULL'; columns that an insert leaves to their default \
             are not in the binlog otherwise",
        ),
    })
}

fn binlog_row_metadata(settings: &ServerSettings) -> Option<Check> {
    let check =
        Check::ok("binlog_row_metadata", actual(settings, "binlog_row_metadata")).requiring("FULL");
    Some(match settings.get("binlog_row_metadata") {
        Some(metadata) if metadata.eq_ignore_ascii_case("FULL") => check,
        Some(_) => check.warn(
            "set global binlog_row_metadata = 'FULL'; until then column names are read from \
             information_schema, and rows written before an alter table may get today's names",
        ),
        None => check.warn(
            "MySQL 8.0 has it; here column names are read from information_schema, and rows written \
             before an alter table may get today's names",
        ),
    })
}

fn gtid_mode(settings: &ServerSettings) -> Option<Check> {
    let check = Check::ok("gtid_mode", actual(settings, "gtid_mode")).requiring("ON");
    Some(match settings.gtid_mode_is_on() {
        true => check,
        false => check.warn(
            "without GTIDs the position is file and offset, valid on this server only: no fail-over \
             to a replica. Set enforce_gtid_consistency and gtid_mode to ON",
        ),
    })
}

fn server_id(settings: &ServerSettings) -> Option<Check> {
    let check = Check::ok("server_id", actual(settings, "server_id")).requiring("not 0");
    Some(match settings.get("server_id") {
        Some("0") => check.fail(
            "set global server_id to a number of its own; with 0 the server \
             refuses every replica",
        ),
        _ => check,
    })
}

/// How long may the relay be away?
fn binlog_expiry(settings: &ServerSettings) -> Option<Check> {
    const DAY_SECONDS: u64 = 86_400;
    const REQUIRED: &str = "longer than the relay may ever be stopped; at least a day";
    let Expiry { setting: name, is_switched_off, seconds } = settings.binlog_expiry();
    Some(match seconds {
        _ if is_switched_off => Check::ok(name, "no automatic purge").requiring(REQUIRED),
        None => Check::ok(name, "never").requiring(REQUIRED),
        Some(seconds) if seconds < DAY_SECONDS => Check::ok(name, format!("{seconds} s"))
            .requiring(REQUIRED)
            .warn("raise it: what is purged before it was read cannot be published"),
        Some(seconds) => {
            Check::ok(name, format!("{} days", seconds / DAY_SECONDS)).requiring(REQUIRED)
        }
    })
}

fn binlog_checksum(settings: &ServerSettings) -> Option<Check> {
    let check =
        Check::ok("binlog_checksum", actual(settings, "binlog_checksum")).requiring("CRC32");
    Some(match settings.get("binlog_checksum") {
        Some(checksum) if checksum.eq_ignore_ascii_case("CRC32") => check,
        _ => check.warn("set global binlog_checksum = 'CRC32'; damage goes unnoticed otherwise"),
    })
}

fn binlog_row_value_options(settings: &ServerSettings) -> Option<Check> {
    let options = settings.get("binlog_row_value_options")?;
    let actual = if options.is_empty() { "none" } else { options };
    // It changes updates only, and an outbox row is never updated.
    Some(Check::ok("binlog_row_value_options", actual).requiring("any"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::check::Verdict;

    const GOOD: &[(&str, &str)] = &[
        ("version", "9.7.4"),
        ("log_bin", "ON"),
        ("binlog_format", "ROW"),
        ("binlog_row_image", "FULL"),
        ("binlog_row_metadata", "FULL"),
        ("gtid_mode", "ON"),
        ("server_id", "1234"),
        ("binlog_expire_logs_seconds", "2592000"),
        ("binlog_checksum", "CRC32"),
        ("binlog_row_value_options", ""),
    ];

    fn status(name: &str, changed: &[(&str, &str)]) -> Verdict {
        let settings = GOOD.iter().chain(changed).copied().collect();
        checks(&settings).find(|check| check.name == name).expect("the check is there").verdict
    }

    #[test]
    fn good_server_has_nothing_to_repair() {
        for check in checks(&GOOD.iter().copied().collect()) {
            assert_eq!(
                (check.verdict, check.repair.as_deref()),
                (Verdict::Ok, None),
                "{}",
                check.name
            );
        }
    }

    #[rstest]
    #[case("log_bin", "OFF", Verdict::Failed)]
    #[case("binlog_format", "STATEMENT", Verdict::Failed)]
    #[case("binlog_format", "MIXED", Verdict::Failed)]
    #[case("binlog_row_image", "MINIMAL", Verdict::Failed)]
    #[case("binlog_row_image", "NOBLOB", Verdict::Ok)]
    #[case("binlog_row_metadata", "MINIMAL", Verdict::Warning)]
    #[case("gtid_mode", "OFF", Verdict::Warning)]
    #[case("gtid_mode", "ON_PERMISSIVE", Verdict::Warning)]
    #[case("server_id", "0", Verdict::Failed)]
    #[case("version", "5.6.51", Verdict::Failed)]
    #[case("version", "10.11.6-MariaDB-log", Verdict::Failed)]
    #[case("version", "5.7.22-log", Verdict::Ok)]
    #[case("binlog_checksum", "NONE", Verdict::Warning)]
    #[case("binlog_expire_logs_seconds", "3600", Verdict::Warning)]
    fn setting_is_judged(#[case] name: &str, #[case] value: &str, #[case] expected: Verdict) {
        assert_eq!(status(name, &[(name, value)]), expected);
    }

    #[test]
    fn server_without_row_metadata_is_warned_about() {
        let settings: ServerSettings =
            GOOD.iter().copied().filter(|(name, _)| *name != "binlog_row_metadata").collect();

        let check = binlog_row_metadata(&settings).unwrap();

        assert_eq!((check.verdict, check.actual.as_str()), (Verdict::Warning, "not there"));
    }

    #[test]
    fn days_count_where_the_server_knows_no_seconds() {
        let settings = [("expire_logs_days", "7")].into_iter().collect();

        let check = binlog_expiry(&settings).unwrap();

        assert_eq!((check.name.as_str(), check.actual.as_str()), ("expire_logs_days", "7 days"));
    }
}
