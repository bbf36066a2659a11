//! Rate limits: token buckets, and a bounded number of them.

use std::collections::HashMap;
use std::hash::Hash;

use crate::time::Timestamp;

/// How fast a bucket fills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many tokens come ...
    pub tokens: u32,
    /// ... in each such period, milliseconds.
    pub period_ms: u32,
    /// And never more than so many are there.
    pub burst: u32,
}

impl Rate {
    /// So many a second.
    pub const fn per_second(tokens: u32, burst: u32) -> Self {
        Self { tokens, period_ms: 1_000, burst }
    }

    /// So many a minute, all of them at once if need be.
    pub const fn per_minute(tokens: u32) -> Self {
        Self { tokens, period_ms: 60_000, burst: tokens }
    }

    /// What a full bucket holds. The unit is a token's share of a millisecond, so that nothing is rounded.
    fn full(self) -> u64 {
        u64::from(self.burst) * self.token()
    }

    fn token(self) -> u64 {
        u64::from(self.period_ms.max(1))
    }

    /// Milliseconds until so much has come, rounded up.
    fn ms_for(self, amount: u64) -> u64 {
        amount.div_ceil(u64::from(self.tokens.max(1)))
    }
}

/// How a bucket stands after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether there was a token for this call.
    pub is_admitted: bool,
    /// What a full bucket holds.
    pub limit: u32,
    /// Whole tokens that are left.
    pub remaining: u32,
    /// Until the bucket is full again, seconds, rounded up.
    pub reset_s: u32,
    /// Until there is a token, seconds, rounded up; at least 1.
    pub retry_after_s: u32,
}

/// One bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    level: u64,
    at: Timestamp,
}

impl Bucket {
    fn full(rate: Rate, now: Timestamp) -> Self {
        Self { level: rate.full(), at: now }
    }

    /// What is in it at `now`. A clock that goes back brings nothing and takes nothing.
    fn refilled(self, rate: Rate, now: Timestamp) -> Self {
        let ms = u64::try_from(now.since(self.at).as_millis()).unwrap_or(u64::MAX);
        let level = self.level.saturating_add(ms.saturating_mul(rate.tokens.into())).min(rate.full());
        Self { level, at: self.at.max(now) }
    }
}

/// Buckets of one rate, each with a name. Never more than a fixed number: a flood of names takes no memory.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    most: usize,
    known: HashMap<K, Bucket>,
}

impl<K: Eq + Hash + Clone + Ord> Buckets<K> {
    /// None yet, and at most so many.
    pub fn new(rate: Rate, most: usize) -> Self {
        Self { rate, most: most.max(1), known: HashMap::new() }
    }

    /// Takes a token from the bucket of this name, if it has one.
    pub fn take(&mut self, name: &K, now: Timestamp) -> Standing {
        if !self.known.contains_key(name) && self.known.len() >= self.most {
            self.make_room(now);
        }
        let rate = self.rate;
        let bucket = self.known.entry(name.clone()).or_insert_with(|| Bucket::full(rate, now));
        *bucket = bucket.refilled(rate, now);
        let is_admitted = bucket.level >= rate.token();
        if is_admitted {
            bucket.level -= rate.token();
        }
        let seconds = |ms: u64| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX);
        Standing {
            is_admitted,
            limit: rate.burst,
            remaining: u32::try_from(bucket.level / rate.token()).unwrap_or(u32::MAX),
            reset_s: seconds(rate.ms_for(rate.full() - bucket.level)),
            retry_after_s: seconds(rate.ms_for(rate.token().saturating_sub(bucket.level))).max(1),
        }
    }

    /// Puts a token back that was taken.
    pub fn give_back(&mut self, name: &K) {
        let rate = self.rate;
        if let Some(bucket) = self.known.get_mut(name) {
            bucket.level = (bucket.level + rate.token()).min(rate.full());
        }
    }

    /// Forgets the full ones, which are as new ones, and, where that is not enough, the fuller half: those that
    /// lose least by it. Half of them go at once, so that a flood pays for this seldom.
    fn make_room(&mut self, now: Timestamp) {
        let rate = self.rate;
        self.known.retain(|_, bucket| bucket.refilled(rate, now).level < rate.full());
        let keep = self.most / 2;
        if self.known.len() <= keep {
            return;
        }
        let level = |bucket: &Bucket| bucket.refilled(rate, now).level;
        let mut ranked: Vec<(u64, K)> =
            self.known.iter().map(|(name, bucket)| (level(bucket), name.clone())).collect();
        ranked.sort_unstable();
        for (_, name) in ranked.drain(keep..) {
            self.known.remove(&name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(1_000_000 + ms)
    }

    #[test]
    fn a_burst_is_served_and_then_the_rate() {
        let mut buckets = Buckets::new(Rate::per_second(10, 20), 8);
        for left in (0..20).rev() {
            let standing = buckets.take(&"a", at(0));
            assert!(standing.is_admitted);
            assert_eq!((standing.limit, standing.remaining), (20, left));
        }
        let refused = buckets.take(&"a", at(0));
        assert!(!refused.is_admitted);
        assert_eq!((refused.remaining, refused.reset_s, refused.retry_after_s), (0, 2, 1));
        assert!(buckets.take(&"b", at(0)).is_admitted, "another's bucket is another's");
        assert!(!buckets.take(&"a", at(99)).is_admitted);
        assert!(buckets.take(&"a", at(100)).is_admitted, "a token comes each tenth of a second");
        let served = (101..=10_100).filter(|ms| buckets.take(&"a", at(*ms)).is_admitted).count();
        assert_eq!(served, 100, "ten seconds are worth a hundred");
    }

    #[test]
    fn a_minutes_rate_says_when_the_next_comes() {
        let mut buckets = Buckets::new(Rate::per_minute(10), 8);
        assert!((0..10).all(|_| buckets.take(&1, at(0)).is_admitted));
        let refused = buckets.take(&1, at(500));
        assert!(!refused.is_admitted);
        assert_eq!((refused.retry_after_s, refused.reset_s), (6, 60));
        assert!(!buckets.take(&1, at(5_999)).is_admitted);
        assert!(buckets.take(&1, at(6_000)).is_admitted, "what was refused took nothing");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_no_more() {
        let mut buckets = Buckets::new(Rate::per_minute(1), 8);
        assert!(buckets.take(&1, at(0)).is_admitted);
        buckets.give_back(&1);
        buckets.give_back(&1);
        assert!(buckets.take(&1, at(0)).is_admitted);
        assert!(!buckets.take(&1, at(0)).is_admitted);
        buckets.give_back(&2);
        assert_eq!(buckets.known.len(), 1, "nobody's");
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing() {
        let mut buckets = Buckets::new(Rate::per_second(1, 1), 8);
        assert!(buckets.take(&1, at(0)).is_admitted);
        assert!(!buckets.take(&1, at(-5_000)).is_admitted);
        assert!(!buckets.take(&1, at(999)).is_admitted, "the time up to the first call is not paid twice");
        assert!(buckets.take(&1, at(1_000)).is_admitted);
    }

    #[test]
    fn a_flood_of_names_takes_no_memory_and_frees_nobody_who_is_limited() {
        let mut buckets = Buckets::new(Rate::per_minute(10), 100);
        for _ in 0..11 {
            buckets.take(&0, at(0));
        }
        for name in 1..10_000 {
            buckets.take(&name, at(0));
            assert!(buckets.known.len() <= 100);
        }
        assert!(!buckets.take(&0, at(0)).is_admitted);
    }

    #[test]
    fn odd_rates_do_no_harm() {
        for rate in [Rate::per_second(0, 0), Rate::per_second(u32::MAX, u32::MAX), Rate::per_minute(1)] {
            let mut buckets = Buckets::new(rate, 0);
            buckets.take(&1, at(0));
            buckets.take(&2, Timestamp::from_ms(i64::MAX));
        }
        assert!(!Buckets::new(Rate::per_second(0, 0), 1).take(&1, at(0)).is_admitted);
    }
}
