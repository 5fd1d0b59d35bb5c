//! Kinds of servers that tests need, and whether they can be had here.

use std::{fmt, str::FromStr};

use anyhow::Result;
use rowpost_servers::{cache::Cache, kafka, mysql};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    Mysql57,
    Mysql80,
    Mysql9,
    Kafka,
    /// Docker, and what docker-compose.yml brings up.
    Compose,
}

impl Tier {
    /// Those that are fetched before the tests run.
    pub(super) const SERVERS: [Self; 4] = [Self::Kafka, Self::Mysql9, Self::Mysql57, Self::Mysql80];
    const ALL: [Self; 5] = [Self::Mysql57, Self::Mysql80, Self::Mysql9, Self::Kafka, Self::Compose];

    fn name(self) -> &'static str {
        match self {
            Self::Mysql57 => "mysql-5.7",
            Self::Mysql80 => "mysql-8.0",
            Self::Mysql9 => "mysql-9",
            Self::Kafka => "kafka",
            Self::Compose => "compose",
        }
    }

    /// Fetches the servers, so that no test waits for a download.
    pub(super) fn prepare(self) -> Result<()> {
        // Servers given by address need no fetching.
        let given = |variable| std::env::var_os(variable).is_some();
        let cache = Cache::open()?;
        match self {
            Self::Kafka if given("ROWPOST_TEST_KAFKA") => Ok(()),
            Self::Kafka => kafka::prepare(&cache),
            Self::Mysql57 | Self::Mysql80 | Self::Mysql9 if given("ROWPOST_TEST_MYSQL_URL") => {
                Ok(())
            }
            Self::Mysql57 => mysql::prepare(&cache, mysql::Version::V57),
            Self::Mysql80 => mysql::prepare(&cache, mysql::Version::V80),
            Self::Mysql9 => mysql::prepare(&cache, mysql::Version::V9),
            Self::Compose => Ok(()),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tier {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|tier| tier.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("there is no tier `{text}`; tiers are {names}")
        })
    }
}
