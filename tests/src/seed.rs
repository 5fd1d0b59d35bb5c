//! Random choices that can be repeated.

use std::{env, time::SystemTime};

/// Takes back what a failed run printed.
pub const SEED_VARIABLE: &str = "ROWPOST_SEED";

/// SplitMix64: small, fast, and the same on every machine and toolchain for ever.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// From `ROWPOST_SEED`, else from the clock. Prints the seed: a failed test shows it.
    pub fn from_environment() -> Self {
        let seed = env::var(SEED_VARIABLE).ok().map(|text| {
            text.parse().unwrap_or_else(|_| panic!("{SEED_VARIABLE}={text} is not a number"))
        });
        let seed = seed.unwrap_or_else(|| {
            let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            since_epoch.map_or(1, |time| u64::from(time.subsec_nanos()) ^ time.as_secs())
        });
        eprintln!("{SEED_VARIABLE}={seed}");
        Self::new(seed)
    }

    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A generator of its own for another task: what one draws does not change the other.
    pub fn fork(&mut self) -> Self {
        Self::new(self.draw())
    }

    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 up to and without `bound`, which is not 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        let product = (self.draw() >> 32) * u64::from(bound);
        u32::try_from(product >> 32).expect("less than the bound, which fits")
    }

    /// True with this probability, 0 to 1.
    pub fn chance(&mut self, probability: f64) -> bool {
        f64::from(self.below(1 << 30)) < probability * f64::from(1 << 30)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_numbers() {
        let draw = |mut random: Random| [(); 4].map(|()| random.draw());

        assert_eq!(draw(Random::new(7)), draw(Random::new(7)));
        assert_ne!(draw(Random::new(7)), draw(Random::new(8)));
        // The reference implementation's first number for seed 0.
        assert_eq!(Random::new(0).draw(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_all_of_it() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..1_000 {
            seen[random.below(5) as usize] = true;
        }

        assert_eq!(seen, [true; 5]);
        assert!(!random.chance(0.0) && random.chance(1.0));
    }
}
