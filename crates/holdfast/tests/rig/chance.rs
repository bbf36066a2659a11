//! Chance that can be had again: everything a run does at random follows from one printed seed.

/// `SplitMix64`: small, and good enough to choose moments and victims.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let words = (0..length.div_ceil(8)).flat_map(|_| self.next().to_le_bytes());
        words.take(length).collect()
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// A seed that nobody knows beforehand, or the one that `HOLDFAST_SEED` asks for.
pub fn seed() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};

    let asked = std::env::var("HOLDFAST_SEED").ok();
    asked.map_or_else(
        || RandomState::new().hash_one(std::process::id()),
        |text| text.parse().expect("HOLDFAST_SEED is a number"),
    )
}
