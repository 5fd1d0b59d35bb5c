//! Which binlog a server writes → its arguments.

use serde::{Deserialize, Serialize};

use super::Version;

/// The two set-ups that the relay must run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flags {
    /// GTIDs and, where the server knows it, column names in the binlog.
    Gtid,
    /// The reference compose file's flags and no others: no GTIDs, a new file every 4 KiB.
    Reference,
    /// Those of our docker-compose.yml: the reference's, with GTIDs and column names besides.
    Compose,
}

const REFERENCE: [&str; 6] = [
    "--server-id=1234",
    "--max-binlog-size=4096",
    "--binlog-format=ROW",
    "--log-bin=bin-log",
    "--sync-binlog=1",
    "--binlog-rows-query-log-events=ON",
];

const GTID: [&str; 8] = [
    "--server-id=1234",
    "--binlog-format=ROW",
    "--log-bin=bin-log",
    "--binlog-rows-query-log-events=ON",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    // A commit reaches the operating system, so `kill -9` of the server cannot take it back; only
    // the flush to the disk is left out.
    "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=2",
];

impl Flags {
    pub fn arguments(self, version: Version) -> Vec<&'static str> {
        let mut arguments = match self {
            Self::Reference => REFERENCE.to_vec(),
            Self::Gtid => GTID.to_vec(),
            Self::Compose => {
                [&REFERENCE[..], &["--gtid-mode=ON", "--enforce-gtid-consistency=ON"]].concat()
            }
        };
        match (self, version) {
            (Self::Gtid | Self::Compose, Version::V80 | Version::V9) => {
                arguments.push("--binlog-row-metadata=FULL");
            }
            (Self::Gtid | Self::Compose, Version::V57) | (Self::Reference, _) => {}
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_flags_are_those_of_the_reference_compose_file_on_every_version() {
        let expected = "--server-id=1234 --max-binlog-size=4096 --binlog-format=ROW \
             --log-bin=bin-log --sync-binlog=1 --binlog-rows-query-log-events=ON";
        for version in Version::ALL {
            assert_eq!(Flags::Reference.arguments(version).join(" "), expected);
        }
    }

    #[test]
    fn compose_flags_are_those_of_docker_compose_yml() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docker-compose.yml");
        let text = std::fs::read_to_string(file).unwrap();
        let (_, service) = text.split_once("\n  mysql:\n").unwrap();
        let (_, command) = service.split_once("    command:\n").unwrap();
        let command = command.lines().take_while(|line| line.starts_with("      "));
        let arguments: Vec<&str> =
            command.filter_map(|line| line.trim_start().strip_prefix("- ")).collect();

        assert_eq!(Flags::Compose.arguments(Version::V9), arguments);
    }

    #[test]
    fn row_metadata_is_asked_only_of_servers_that_know_it() {
        let asks = |version| Flags::Gtid.arguments(version).contains(&"--binlog-row-metadata=FULL");

        assert_eq!([false, true, true], Version::ALL.map(asks));
    }
}
