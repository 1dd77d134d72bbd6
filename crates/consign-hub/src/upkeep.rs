//! What a hub does by the clock: settle what has lapsed, let go of what is old.
//!
//! A clock that jumps while the hub runs must not make anything final: as long as the wall
//! clock has not run as the monotonic one did, nothing lapses, nothing is let go and no
//! time is stamped ([`crate::stamping`]). An
//! operator who has set the clock right starts the hub again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use consign_runtime::clock::Clock;
use tracing::{error, info, warn};

use crate::relay::Relay;

/// How often lapsed envelopes are looked for.
const LAPSES: Duration = Duration::from_secs(15);
/// How long after a start nothing lapses.
const GRACE: Duration = Duration::from_secs(300);
/// How often segments are looked at; each of them is weighed much less often.
const TIDIES: Duration = Duration::from_secs(300);
/// Seconds that the clocks may differ: slewing corrects less than that in a day.
const DRIFT: u64 = 300;

/// The wall clock, held against the monotonic one since the start.
#[derive(Debug)]
pub(crate) struct Steadiness {
    began: (u64, Instant),
    held: bool,
}

impl Steadiness {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            began: (clock.now(), clock.monotonic()),
            held: false,
        }
    }

    /// Whether the clock has run evenly since the start; says so when that changes.
    pub(crate) fn holds(&mut self, clock: &Clock) -> bool {
        let (wall, steady) = self.began;
        let elapsed = clock.monotonic().saturating_duration_since(steady);
        let expected = wall.saturating_add(elapsed.as_secs());
        let drift = clock.now().abs_diff(expected);
        let even = drift <= DRIFT;
        if even == self.held {
            self.held = !even;
            if even {
                info!("the clock is where it should be again");
            } else {
                error!(
                    drift_seconds = drift,
                    "the machine's clock was moved: nothing lapses, nothing is let go and no time is \
                     stamped until it is right again; if it is right now, start the hub again"
                );
            }
        }
        even
    }
}

impl Relay {
    /// Settles what has lapsed until the hub stops.
    pub(crate) async fn watch_lapses(self: Arc<Self>) {
        let mut clock = Steadiness::new(&self.clock);
        // Nodes may have receipts that waited for the hub to come back: they come first.
        let first = tokio::time::Instant::now() + GRACE;
        let mut pulse = tokio::time::interval_at(first, LAPSES);
        loop {
            tokio::select! {
                _ = pulse.tick() => {}
                () = self.shutdown().wait() => return,
            }
            while clock.holds(&self.clock) && !self.shutdown().is_triggered() {
                match self.admission.lapse().await {
                    Ok(0) => break,
                    Ok(count) => info!(count, "deliveries have lapsed"),
                    Err(refused) => {
                        // It is tried again at the next pulse.
                        warn!(code = %refused.code(), %refused, "what has lapsed stays open");
                        break;
                    }
                }
            }
        }
    }

    /// Lets go of what is old until the hub stops.
    pub(crate) async fn watch_age(self: Arc<Self>) {
        let mut clock = Steadiness::new(&self.clock);
        // A start has other things to do than to weigh everything.
        let first = tokio::time::Instant::now() + TIDIES;
        let mut pulse = tokio::time::interval_at(first, TIDIES);
        loop {
            tokio::select! {
                _ = pulse.tick() => {}
                () = self.shutdown().wait() => return,
            }
            if !clock.holds(&self.clock) {
                continue;
            }
            let relay = Arc::clone(&self);
            let tidying = move || relay.admission.tidy(&relay.retention);
            match tokio::task::spawn_blocking(tidying).await {
                Ok(Ok(tidied)) if tidied.segments > 0 || tidied.index => info!(
                    segments = tidied.segments,
                    carried = tidied.carried,
                    files = tidied.files,
                    bytes = tidied.bytes,
                    "what is final and old was let go"
                ),
                Ok(Ok(_)) => {}
                Ok(Err(fault)) => warn!(%fault, "what is old stays"),
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_moved_is_noticed_until_it_is_right() {
        for step in [86_400, -86_400, 600] {
            let clock = Clock::shifted(0);
            let mut steady = Steadiness::new(&clock);
            assert!(steady.holds(&clock));
            assert!(clock.advance(step));
            assert!(!steady.holds(&clock), "{step}");
            assert!(clock.advance(-step));
            assert!(steady.holds(&clock), "{step}");
        }
        let clock = Clock::shifted(0);
        let mut steady = Steadiness::new(&clock);
        assert!(clock.advance(60));
        assert!(steady.holds(&clock), "a clock may be corrected a little");
    }
}
