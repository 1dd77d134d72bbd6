//! Tokens that come back at a steady rate, up to a bound.
//!
//! What costs more than the bucket holds is let through when it is full, and the debt is
//! paid before the next. Whoever is refused is told when its tokens are there, behind all
//! those refused before it, so that a flood that waits as told comes back spread out.

use std::time::{Duration, Instant};

use super::patience::LONGEST;

/// How a bucket fills.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// Tokens that come back in a second.
    pub(crate) per_second: f64,
    /// Most tokens held.
    pub(crate) burst: f64,
}

/// What is lost to rounding keeps nobody waiting.
const EPSILON: f64 = 1e-6;

/// See the module.
#[derive(Debug)]
pub(crate) struct Bucket {
    level: f64,
    /// Tokens that those who were refused were told to come back for.
    promised: f64,
    at: Instant,
}

impl Bucket {
    pub(crate) const fn full(rate: Rate, now: Instant) -> Self {
        Self {
            level: rate.burst,
            promised: 0.0,
            at: now,
        }
    }

    /// Lets time pass.
    pub(crate) fn fill(&mut self, rate: Rate, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        let gained = passed.as_secs_f64() * rate.per_second;
        self.level = (self.level + gained).min(rate.burst);
        self.promised = (self.promised - gained).max(0.0);
        self.at = self.at.max(now);
    }

    /// Whether `cost` may be taken and leave `reserve` behind; if not, how long to wait.
    pub(crate) fn ask(&mut self, cost: f64, reserve: f64, rate: Rate) -> Result<(), Duration> {
        let wanted = cost.min(rate.burst - reserve);
        if self.level - reserve + EPSILON >= wanted {
            return Ok(());
        }
        let missing = wanted + reserve - self.level + self.promised;
        let longest = LONGEST.as_secs_f64();
        self.promised = (self.promised + wanted).min(longest * rate.per_second);
        let wait = (missing / rate.per_second).clamp(0.001, longest);
        Err(Duration::try_from_secs_f64(wait).unwrap_or(LONGEST))
    }

    pub(crate) fn take(&mut self, cost: f64) {
        self.level -= cost;
    }

    /// What was taken was not used.
    pub(crate) fn give_back(&mut self, cost: f64, rate: Rate) {
        self.level = (self.level + cost).min(rate.burst);
    }

    pub(crate) fn is_full(&self, rate: Rate) -> bool {
        self.level >= rate.burst
    }
}

#[cfg(test)]
mod tests {
    use consign_runtime::clock::Clock;

    use super::*;

    const RATE: Rate = Rate {
        per_second: 10.0,
        burst: 100.0,
    };

    struct Tried {
        bucket: Bucket,
        now: Instant,
    }

    impl Tried {
        fn new() -> Self {
            let now = Clock::system().monotonic();
            Self {
                bucket: Bucket::full(RATE, now),
                now,
            }
        }

        fn after(&mut self, milliseconds: u64) -> &mut Self {
            self.now += Duration::from_millis(milliseconds);
            self.bucket.fill(RATE, self.now);
            self
        }

        fn take(&mut self, cost: f64, reserve: f64) -> Result<(), u128> {
            let asked = self.bucket.ask(cost, reserve, RATE);
            if asked.is_ok() {
                self.bucket.take(cost);
            }
            asked.map_err(|wait| wait.as_millis())
        }
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut tried = Tried::new();
        for _ in 0..100 {
            assert_eq!(tried.take(1.0, 0.0), Ok(()));
        }
        assert_eq!(tried.take(1.0, 0.0), Err(100));
        assert_eq!(tried.after(100).take(1.0, 0.0), Ok(()));
        assert!(tried.after(50).take(1.0, 0.0).is_err());
        assert!(!tried.bucket.is_full(RATE));
        assert!(tried.after(60_000).bucket.is_full(RATE));
    }

    #[test]
    fn those_refused_come_back_one_after_another() {
        let mut tried = Tried::new();
        assert_eq!(tried.take(100.0, 0.0), Ok(()));
        for place in 1..=20 {
            assert_eq!(tried.take(1.0, 0.0), Err(place * 100));
        }
        // They wait as they were told, and each finds its token.
        for _ in 0..20 {
            assert_eq!(tried.after(100).take(1.0, 0.0), Ok(()));
        }
        assert_eq!(tried.take(1.0, 0.0), Err(100), "promises are kept and gone");
        for _ in 0..1_000_000 {
            assert!(tried.take(1.0, 0.0).unwrap_err() <= LONGEST.as_millis());
        }
    }

    #[test]
    fn what_is_larger_than_the_bucket_goes_into_debt() {
        let mut tried = Tried::new();
        assert_eq!(tried.take(250.0, 0.0), Ok(()));
        assert_eq!(tried.take(1.0, 0.0), Err(15_100));
        assert_eq!(tried.after(15_100).take(1.0, 0.0), Ok(()));
        assert_eq!(tried.after(5_000).take(1_000.0, 0.0), Err(5_000));
        tried.bucket.give_back(1_000.0, RATE);
        assert!(tried.bucket.is_full(RATE), "and never over its bound");
    }

    #[test]
    fn a_part_is_kept_for_those_who_may_use_it() {
        let mut tried = Tried::new();
        assert_eq!(tried.take(90.0, 10.0), Ok(()));
        assert!(tried.take(1.0, 10.0).is_err());
        assert_eq!(tried.take(1.0, 0.0), Ok(()));
    }
}
