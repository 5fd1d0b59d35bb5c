//! The server variables that matter to a reader of the binlog.

use std::collections::BTreeMap;

use crate::{
    config::NameCase,
    source::mysql::{Connection, ConnectionError},
};

/// Global variables by name, in lower case; those that the server's version lacks are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerSettings(BTreeMap<String, String>);

/// How long the binlog is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// The variable that decides.
    pub setting: &'static str,
    /// Whatever that variable says, nothing is purged by itself.
    pub is_switched_off: bool,
    /// `None`: for ever.
    pub seconds: Option<u64>,
}

/// What is asked for; one query, so that the answers belong together.
const NAMES: &[&str] = &[
    "binlog_checksum",
    "binlog_expire_logs_auto_purge",
    "binlog_expire_logs_seconds",
    "binlog_format",
    "binlog_row_image",
    "binlog_row_metadata",
    "binlog_row_value_options",
    "binlog_transaction_compression",
    "enforce_gtid_consistency",
    "expire_logs_days",
    "gtid_mode",
    "log_bin",
    "log_replica_updates",
    "log_slave_updates",
    "lower_case_table_names",
    "max_allowed_packet",
    "read_only",
    "replica_parallel_workers",
    "replica_preserve_commit_order",
    "server_id",
    "server_uuid",
    "slave_parallel_workers",
    "slave_preserve_commit_order",
    "version",
];

impl ServerSettings {
    pub(in crate::source) async fn query(
        connection: &mut Connection,
    ) -> Result<Self, ConnectionError> {
        let names = NAMES.join("', '");
        let statement = format!("show global variables where variable_name in ('{names}')");
        let rows = connection.query(&statement).await?;
        Ok(rows
            .iter()
            .filter_map(|row| Some((row.get(0)?, row.get(1).unwrap_or_default())))
            .collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("ON") || value == "1")
    }

    pub fn gtid_mode_is_on(&self) -> bool {
        self.is_on("gtid_mode")
    }

    /// After how long the server purges a file by itself.
    pub fn binlog_expiry(&self) -> Expiry {
        const DAY_SECONDS: u64 = 86_400;
        let number = |name| self.get(name).and_then(|value| value.parse::<u64>().ok());
        let (setting, seconds) = match number("binlog_expire_logs_seconds") {
            Some(seconds) if seconds > 0 => ("binlog_expire_logs_seconds", seconds),
            _ => (
                "expire_logs_days",
                number("expire_logs_days").unwrap_or(0).saturating_mul(DAY_SECONDS),
            ),
        };
        const AUTO_PURGE: &str = "binlog_expire_logs_auto_purge";
        let purges = self.get(AUTO_PURGE).is_none_or(|_| self.is_on(AUTO_PURGE));
        Expiry {
            setting,
            is_switched_off: !purges,
            seconds: Some(seconds).filter(|_| purges && seconds > 0),
        }
    }

    pub fn name_case(&self) -> NameCase {
        match self.get("lower_case_table_names") {
            None | Some("0") => NameCase::Sensitive,
            Some(_) => NameCase::Folded,
        }
    }

    pub fn version(&self) -> (u32, u32, u32) {
        version(self.get("version").unwrap_or_default())
    }
}

/// Major, minor, patch; zeros where the text has no number.
pub(super) fn version(text: &str) -> (u32, u32, u32) {
    let mut numbers = text
        .split(|character: char| !character.is_ascii_digit())
        .map(|number| number.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    (next(), next(), next())
}

impl<'a> FromIterator<(&'a str, &'a str)> for ServerSettings {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(settings: I) -> Self {
        let settings = settings.into_iter();
        Self(settings.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("9.7.4", (9, 7, 4))]
    #[case("5.7.22-log", (5, 7, 22))]
    #[case("8.0.36-28.1", (8, 0, 36))]
    #[case("", (0, 0, 0))]
    fn version_is_its_first_three_numbers(#[case] text: &str, #[case] version: (u32, u32, u32)) {
        assert_eq!(super::version(text), version);
    }

    #[rstest]
    #[case("0", NameCase::Sensitive)]
    #[case("1", NameCase::Folded)]
    #[case("2", NameCase::Folded)]
    fn names_are_compared_as_the_server_says(#[case] value: &str, #[case] names: NameCase) {
        let settings = ServerSettings::from_iter([("lower_case_table_names", value)]);

        assert_eq!(settings.name_case(), names);
    }

    #[test]
    fn gtid_mode_counts_only_when_it_is_fully_on() {
        for (mode, is_on) in [("ON", true), ("OFF", false), ("ON_PERMISSIVE", false)] {
            let settings = ServerSettings::from_iter([("gtid_mode", mode)]);

            assert_eq!(settings.gtid_mode_is_on(), is_on, "{mode}");
        }
    }
}
