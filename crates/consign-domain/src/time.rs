//! Points in time (UTC, whole seconds) and calendar dates, as arguments only:
//! nothing in this crate reads a clock.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::text::serde_as_text;

/// Why a text is not a time or a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeError {
    /// Not of the form `2026-11-23T02:30:00Z`.
    #[error("not a UTC time of the form 2026-11-23T02:30:00Z")]
    NotATimestamp,
    /// Not of the form `2026-11-23`, or no such day.
    #[error("not a date of the form 2026-11-23")]
    NotADate,
    /// Outside the years 1970 to 9999.
    #[error("outside the years 1970 to 9999")]
    OutOfRange,
}

/// Seconds of 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;
const DAY: u64 = 86_400;

/// A point in time: whole seconds since 1970-01-01T00:00:00Z, up to the year 9999.
///
/// As text always `2026-11-23T02:30:00Z` (RFC 3339, UTC, no fraction).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`TimeError::OutOfRange`] after the year 9999.
    pub const fn from_unix(seconds: u64) -> Result<Self, TimeError> {
        if seconds > LAST_SECOND {
            Err(TimeError::OutOfRange)
        } else {
            Ok(Self(seconds))
        }
    }

    /// From seconds since the Unix epoch, the year 9999 taken for anything later.
    pub const fn from_unix_saturating(seconds: u64) -> Self {
        if seconds > LAST_SECOND {
            Self(LAST_SECOND)
        } else {
            Self(seconds)
        }
    }

    /// Seconds since the Unix epoch.
    pub const fn as_unix(self) -> u64 {
        self.0
    }

    /// This time and so many seconds more, at most the end of the year 9999.
    #[must_use]
    pub const fn plus_seconds(self, seconds: u64) -> Self {
        Self::from_unix_saturating(self.0.saturating_add(seconds))
    }

    /// This time and so many seconds less, at least the epoch.
    #[must_use]
    pub const fn minus_seconds(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// How many seconds lie between the two, whichever is first.
    pub const fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// The calendar date in Vietnam (UTC+7, no summer time).
    pub fn date_in_vietnam(self) -> Date {
        Date::from_days((self.0 + 7 * 3600) / DAY)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = Date::from_days(self.0 / DAY);
        let second = self.0 % DAY;
        write!(
            f,
            "{date}T{:02}:{:02}:{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let body = text.strip_suffix('Z').ok_or(TimeError::NotATimestamp)?;
        let (date, clock) = body.split_once('T').ok_or(TimeError::NotATimestamp)?;
        let date: Date = date.parse().map_err(|_| TimeError::NotATimestamp)?;
        let mut parts = clock.split(':');
        let mut next = |limit: u64| {
            parts
                .next()
                .and_then(|part| number(part, 2))
                .filter(|value| *value < limit)
        };
        let (Some(hour), Some(minute), Some(second)) = (next(24), next(60), next(60)) else {
            return Err(TimeError::NotATimestamp);
        };
        if parts.next().is_some() {
            return Err(TimeError::NotATimestamp);
        }
        Ok(Self(date.days() * DAY + hour * 3600 + minute * 60 + second))
    }
}

/// A moment at which something ends, and how far away it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct End {
    /// The moment.
    pub at: Timestamp,
    /// Whole days until then; negative after it.
    pub days_left: i64,
}

impl End {
    /// A moment as seen from now.
    pub fn new(at: Timestamp, now: Timestamp) -> Self {
        let days = i64::try_from(at.distance(now) / DAY).unwrap_or(i64::MAX);
        let days_left = if at >= now { days } else { -days - 1 };
        Self { at, days_left }
    }
}

/// A day of the calendar, without a zone; years 1970 to 9999.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

impl Date {
    /// From year, month (1–12) and day (1–31).
    ///
    /// # Errors
    /// [`TimeError::NotADate`] if there is no such day, [`TimeError::OutOfRange`] before 1970.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, TimeError> {
        if !(1970..=9999).contains(&year) {
            return Err(TimeError::OutOfRange);
        }
        let date = Self { year, month, day };
        let exists = (1..=12).contains(&month) && day >= 1 && Self::from_days(date.days()) == date;
        if exists {
            Ok(date)
        } else {
            Err(TimeError::NotADate)
        }
    }

    /// The year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, 1 to 31.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Days since 1970-01-01 (Howard Hinnant's `days_from_civil`).
    fn days(self) -> u64 {
        let (month, day) = (u64::from(self.month), u64::from(self.day));
        let year = u64::from(self.year) - u64::from(month <= 2);
        let (era, year_of_era) = (year / 400, year % 400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
            - 719_468
    }

    /// The inverse of [`Date::days`] (Howard Hinnant's `civil_from_days`).
    #[expect(clippy::cast_possible_truncation, reason = "bounded by the calendar")]
    const fn from_days(days: u64) -> Self {
        let days = days + 719_468;
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * day_of_year + 2) / 153;
        let month = if shifted < 10 {
            shifted + 3
        } else {
            shifted - 9
        };
        let year = era * 400 + year_of_era + (month <= 2) as u64;
        let day = day_of_year - (153 * shifted + 2) / 5 + 1;
        Self {
            year: year as u16,
            month: month as u8,
            day: day as u8,
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Date({self})")
    }
}

impl FromStr for Date {
    type Err = TimeError;

    fn from_str(text: &str) -> Result<Self, TimeError> {
        let mut parts = text.split('-');
        let mut next = |digits| parts.next().and_then(|part| number(part, digits));
        let (Some(year), Some(month), Some(day)) = (next(4), next(2), next(2)) else {
            return Err(TimeError::NotADate);
        };
        if parts.next().is_some() {
            return Err(TimeError::NotADate);
        }
        let small = |value| u8::try_from(value).map_err(|_| TimeError::NotADate);
        let year = u16::try_from(year).map_err(|_| TimeError::NotADate)?;
        Self::new(year, small(month)?, small(day)?)
    }
}

/// Exactly so many decimal digits.
fn number(text: &str, digits: usize) -> Option<u64> {
    let decimal = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    if decimal { text.parse().ok() } else { None }
}

serde_as_text!(Timestamp);
serde_as_text!(Date);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_400_999, "2026-11-23T02:29:59Z"),
            (LAST_SECOND, "9999-12-31T23:59:59Z"),
        ] {
            let time = Timestamp::from_unix(seconds).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn one_spelling_only() {
        for text in [
            "2026-11-23T02:30:00+00:00",
            "2026-11-23T02:30:00.0Z",
            "2026-11-23 02:30:00Z",
            "2026-11-23T2:30:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23T02:30:60Z",
            "2026-02-30T00:00:00Z",
            "2026-11-23T02:30:00z",
        ] {
            assert_eq!(
                text.parse::<Timestamp>(),
                Err(TimeError::NotATimestamp),
                "{text}"
            );
        }
    }

    #[test]
    fn every_day_round_trips() {
        for days in 0..120_000 {
            let date = Date::from_days(days);
            assert_eq!(date.days(), days);
            assert_eq!(date.to_string().parse(), Ok(date));
        }
    }

    #[test]
    fn an_end_is_so_many_whole_days_away() {
        let now: Timestamp = "2026-11-23T02:30:00Z".parse().unwrap();
        let left = |at| End::new(at, now).days_left;
        assert_eq!(left(now.plus_seconds(2 * DAY)), 2);
        assert_eq!(left(now.plus_seconds(2 * DAY - 1)), 1);
        assert_eq!(left(now), 0);
        assert_eq!(left(now.minus_seconds(1)), -1, "it is over");
        assert_eq!(left(now.minus_seconds(DAY)), -2);
    }

    #[test]
    fn vietnam_is_seven_hours_ahead() {
        let evening: Timestamp = "2026-11-23T17:00:00Z".parse().unwrap();
        assert_eq!(evening.date_in_vietnam().to_string(), "2026-11-24");
    }
}
