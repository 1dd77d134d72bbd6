//! Waiting longer after each failure, and never in step with others.

use std::time::Duration;

use consign_runtime::entropy;

/// The first wait, at most.
const FIRST: Duration = Duration::from_millis(200);
/// No wait is longer.
const LONGEST: Duration = Duration::from_secs(30);

/// How often something failed in a row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Notes a failure and says how long to wait: up to 0.2 s, then doubling up to 30 s, of
    /// which the upper half is left to chance, so that nodes do not come back together.
    pub(crate) fn next(&mut self) -> Duration {
        // Without randomness the wait is the longest of its step, which is safe.
        let chance = entropy::bytes::<4>().map_or(u32::MAX, u32::from_be_bytes);
        self.next_with(chance)
    }

    /// [`next`](Self::next), and never before `least` has passed: what the hub asks for is
    /// waited out whole, and up to a quarter more, so that those it turned away together
    /// do not come back together.
    pub(crate) fn next_after(&mut self, least: Duration) -> Duration {
        let chance = entropy::bytes::<4>().map_or(u32::MAX, u32::from_be_bytes);
        let own = self.next_with(chance);
        own.max(least + share(least / 4, chance))
    }

    /// Notes a success.
    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }

    fn next_with(&mut self, chance: u32) -> Duration {
        let most = FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        let half = most / 2;
        half + share(half, chance)
    }
}

/// A part of a time that is left to chance.
fn share(time: Duration, chance: u32) -> Duration {
    time.mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_a_fifth_of_a_second_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let longest: Vec<_> = (0..10)
            .map(|_| backoff.next_with(u32::MAX).as_millis())
            .collect();
        assert_eq!(
            longest,
            [
                200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000
            ]
        );
        backoff.failures = u32::MAX;
        assert_eq!(backoff.next_with(0), LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.next_with(0), FIRST / 2);
    }

    #[test]
    fn what_the_hub_asks_for_is_waited_out() {
        for _ in 0..100 {
            let wait = Backoff::default().next_after(Duration::from_secs(12));
            assert!((12_000..=15_000).contains(&wait.as_millis()), "{wait:?}");
        }
        let mut often = Backoff { failures: 20 };
        assert!(often.next_after(Duration::from_millis(30)) >= LONGEST / 2);
    }

    #[test]
    fn chance_moves_the_upper_half() {
        for _ in 0..100 {
            let wait = Backoff { failures: 3 }.next();
            assert!((800..=1600).contains(&wait.as_millis()), "{wait:?}");
        }
    }
}
