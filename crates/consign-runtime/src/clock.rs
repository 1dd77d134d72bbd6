//! Time as an argument: the one clock of the program.
//!
//! Everything that decides by time takes `now` as a number or carries a [`Clock`]; only this
//! module reads the system's. Tests hold a clock still, move it, or shift it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;

/// A cheap handle on a source of time; clones share it.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Source>);

#[derive(Debug)]
enum Source {
    System,
    Fixed(AtomicU64),
    Shifted(AtomicI64),
}

impl Clock {
    /// The system's time.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Source::System))
    }

    /// Stands still at `seconds` since the Unix epoch until [`set`](Self::set) or
    /// [`advance`](Self::advance) moves it.
    #[must_use]
    pub fn fixed(seconds: u64) -> Self {
        Self(Arc::new(Source::Fixed(AtomicU64::new(
            seconds.saturating_mul(1000),
        ))))
    }

    /// The system's time moved by `offset_seconds`, which [`advance`](Self::advance) changes.
    #[must_use]
    pub fn shifted(offset_seconds: i64) -> Self {
        Self(Arc::new(Source::Shifted(AtomicI64::new(offset_seconds))))
    }

    /// Seconds since the Unix epoch, UTC.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now_millis() / 1000
    }

    /// Milliseconds since the Unix epoch, UTC.
    #[must_use]
    pub fn now_millis(&self) -> u64 {
        match &*self.0 {
            Source::System => system_millis(),
            Source::Fixed(millis) => millis.load(Ordering::SeqCst),
            Source::Shifted(offset) => {
                let millis = offset.load(Ordering::SeqCst).saturating_mul(1000);
                system_millis().saturating_add_signed(millis)
            }
        }
    }

    /// A point in monotonic time, for deadlines and durations. Never moved by tests.
    #[must_use]
    pub fn monotonic(&self) -> Instant {
        Instant::now()
    }

    /// Sets a fixed clock to `seconds`. The other clocks are not set: returns `false`.
    pub fn set(&self, seconds: u64) -> bool {
        match &*self.0 {
            Source::Fixed(millis) => {
                millis.store(seconds.saturating_mul(1000), Ordering::SeqCst);
                true
            }
            Source::System | Source::Shifted(_) => false,
        }
    }

    /// Moves a fixed or shifted clock by `seconds`. The system's does not move: returns `false`.
    pub fn advance(&self, seconds: i64) -> bool {
        match &*self.0 {
            Source::Fixed(millis) => {
                let step = seconds.saturating_mul(1000);
                millis.store(
                    millis.load(Ordering::SeqCst).saturating_add_signed(step),
                    Ordering::SeqCst,
                );
                true
            }
            Source::Shifted(offset) => {
                offset.fetch_add(seconds, Ordering::SeqCst);
                true
            }
            Source::System => false,
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

/// `seconds` since the Unix epoch as RFC 3339 text in UTC, such as `2026-11-23T02:40:18Z`.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    // Days to a date of the proleptic Gregorian calendar, counted from 0000-03-01 so that the
    // leap day is the last of its year.
    let (days, time) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// TLS judges certificates by the same clock as everything else.
impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.now())))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the system's time"
)]
fn system_millis() -> u64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Clock, rfc3339};

    #[test]
    fn times_are_written_as_people_and_machines_read_them() {
        // Against `date -u -d @SECONDS +%FT%TZ`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_868_799, "2000-02-29T23:59:59Z"),
            (1_795_401_618, "2026-11-23T02:40:18Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
        assert!(rfc3339(u64::MAX).ends_with('Z'));
    }

    #[test]
    fn a_fixed_clock_moves_only_when_told_and_for_every_clone() {
        let clock = Clock::fixed(1_000);
        let other = clock.clone();
        assert_eq!((clock.now(), clock.now_millis()), (1_000, 1_000_000));
        assert!(other.advance(-400));
        assert_eq!(clock.now(), 600);
        assert!(other.set(7));
        assert_eq!(clock.now(), 7);
        assert!(clock.advance(i64::MIN));
        assert_eq!(clock.now(), 0, "time does not go below the epoch");
    }

    #[test]
    fn a_shifted_clock_runs_beside_the_system_clock() {
        let clock = Clock::shifted(-3_600);
        let system = Clock::system();
        let apart = system.now().abs_diff(clock.now());
        assert!((3_599..=3_601).contains(&apart), "{apart}");
        assert!(clock.advance(3_600));
        assert!(system.now().abs_diff(clock.now()) <= 1);
        assert!(!system.advance(1));
        assert!(!system.set(1));
        assert!(system.now() > 1_700_000_000);
    }
}
