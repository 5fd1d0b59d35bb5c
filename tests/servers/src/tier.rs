//! Kinds of servers that tests need: fetched before a run, or left out of it on purpose.

use std::{env, fmt, str::FromStr};

use anyhow::Result;

use crate::{cache::Cache, dynamodb, kafka, mysql};

/// Comma-separated tiers that a run leaves out; `cargo xtask test --without TIER` sets it.
pub const WITHOUT_VARIABLE: &str = "ROWPOST_TEST_WITHOUT";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Mysql57,
    Mysql80,
    Mysql9,
    Kafka,
    /// DynamoDB Local, for the shop's view of its orders.
    Dynamodb,
    /// Killing and restarting servers: not possible on those given by address.
    Kill,
    /// Docker, and what docker-compose.yml brings up.
    Compose,
}

impl Tier {
    pub const ALL: [Self; 7] = [
        Self::Mysql57,
        Self::Mysql80,
        Self::Mysql9,
        Self::Kafka,
        Self::Dynamodb,
        Self::Kill,
        Self::Compose,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mysql57 => "mysql-5.7",
            Self::Mysql80 => "mysql-8.0",
            Self::Mysql9 => "mysql-9",
            Self::Kafka => "kafka",
            Self::Dynamodb => "dynamodb",
            Self::Kill => "kill",
            Self::Compose => "compose",
        }
    }

    /// Names a server of this tier that is there already; none is started then.
    pub fn address_variable(self) -> Option<&'static str> {
        match self {
            Self::Mysql57 => Some("ROWPOST_TEST_MYSQL_5_7_URL"),
            Self::Mysql80 => Some("ROWPOST_TEST_MYSQL_8_0_URL"),
            Self::Mysql9 => Some("ROWPOST_TEST_MYSQL_URL"),
            Self::Kafka => Some("ROWPOST_TEST_KAFKA"),
            Self::Dynamodb => Some("ROWPOST_TEST_DYNAMODB"),
            Self::Kill | Self::Compose => None,
        }
    }

    /// Fetches the tier's server if it is to be started here, so that no test waits for a download.
    pub fn prepare(self) -> Result<()> {
        let is_given = self.address_variable().is_some_and(|name| env::var_os(name).is_some());
        if is_given {
            return Ok(());
        }
        let cache = Cache::open()?;
        match self {
            Self::Mysql57 => mysql::prepare(&cache, mysql::Version::V57),
            Self::Mysql80 => mysql::prepare(&cache, mysql::Version::V80),
            Self::Mysql9 => mysql::prepare(&cache, mysql::Version::V9),
            Self::Kafka => kafka::prepare(&cache),
            Self::Dynamodb => dynamodb::prepare(&cache),
            Self::Kill | Self::Compose => Ok(()),
        }
    }

    pub fn is_left_out(self) -> bool {
        env::var(WITHOUT_VARIABLE).is_ok_and(|without| is_named(self, &without))
    }
}

fn is_named(tier: Tier, without: &str) -> bool {
    without.split(',').any(|name| name.trim() == tier.name())
}

impl fmt::Display for Tier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tier_is_left_out_only_by_its_whole_name() {
        assert!(is_named(Tier::Mysql57, "compose, mysql-5.7"));
        assert!(!is_named(Tier::Mysql57, "mysql"));
        assert!(!is_named(Tier::Compose, ""));
    }

    #[test]
    fn every_tier_is_found_by_its_name_and_a_wrong_name_shows_them_all() {
        for tier in Tier::ALL {
            assert_eq!(tier.name().parse(), Ok(tier));
        }
        let error = "mysql".parse::<Tier>().unwrap_err();
        assert!(Tier::ALL.iter().all(|tier| error.contains(tier.name())), "{error}");
    }
}
