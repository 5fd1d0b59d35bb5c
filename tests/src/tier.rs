//! Leaving tests out on purpose.
//!
//! A test that needs a kind of server begins with `needs!(Tier::…)`: left out on purpose it ends there,
//! and a kind that is missing without being left out fails the test where the server would start.

pub use rowpost_servers::tier::{Tier, WITHOUT_VARIABLE};

/// Ends the test when a tier it needs is left out: `needs!(Tier::Mysql57, Tier::Kill)`.
#[macro_export]
macro_rules! needs {
    ($($tier:expr),+ $(,)?) => {
        for tier in [$($tier),+] {
            let tier: $crate::tier::Tier = tier;
            if tier.is_left_out() {
                eprintln!("left out: needs the tier {tier}");
                return Ok(());
            }
        }
    };
}
