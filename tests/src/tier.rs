//! Which kinds of servers a run was asked to leave out.
//!
//! A test that needs such a kind begins with `needs!(Tier::…)`: left out on purpose it ends there, and
//! a kind that is missing without being left out fails the test where the server would start.

use std::env;

/// Comma-separated tiers; `cargo xtask test --without TIER` sets it.
pub const WITHOUT_VARIABLE: &str = "ROWPOST_TEST_WITHOUT";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    Mysql57,
    Mysql80,
    Mysql9,
    Kafka,
    /// Killing and restarting servers; not possible on servers given by address.
    Kill,
    Docker,
}

impl Tier {
    pub const ALL: [Self; 6] =
        [Self::Mysql57, Self::Mysql80, Self::Mysql9, Self::Kafka, Self::Kill, Self::Docker];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mysql57 => "mysql-5.7",
            Self::Mysql80 => "mysql-8.0",
            Self::Mysql9 => "mysql-9",
            Self::Kafka => "kafka",
            Self::Kill => "kill",
            Self::Docker => "docker",
        }
    }

    pub fn is_left_out(self) -> bool {
        env::var(WITHOUT_VARIABLE).is_ok_and(|without| is_named(self, &without))
    }
}

fn is_named(tier: Tier, without: &str) -> bool {
    without.split(',').any(|name| name.trim() == tier.name())
}

/// Ends the test when a tier it needs is left out: `needs!(Tier::Mysql57, Tier::Kill)`.
#[macro_export]
macro_rules! needs {
    ($($tier:expr),+ $(,)?) => {
        for tier in [$($tier),+] {
            let tier: $crate::tier::Tier = tier;
            if tier.is_left_out() {
                eprintln!("left out: needs the tier {}", tier.name());
                return Ok(());
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tier_is_left_out_only_by_its_whole_name() {
        assert!(is_named(Tier::Mysql57, "docker, mysql-5.7"));
        assert!(!is_named(Tier::Mysql57, "mysql"));
        assert!(!is_named(Tier::Docker, ""));
    }
}
