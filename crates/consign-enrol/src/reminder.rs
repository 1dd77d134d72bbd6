//! When people are told of what runs out: long before its end, and not at every look.

use consign_domain::statement::DirectoryHead;
use consign_domain::{DirectoryVersion, End, Timestamp};
use tracing::{error, warn};

/// So many days before the end of what people renew they are told.
const DAYS: [i64; 5] = [1, 7, 14, 30, 60];
/// So many days before a head's end it is no longer a warning but a fault.
const LAST_DAYS: i64 = 3;
/// Seconds after half of a head's life in which the next one comes where all is well: the
/// authority makes it within minutes, and hubs and nodes take it.
const ARRIVAL: u64 = 3_600;

/// Tells something once for each occasion. Whoever looks every minute would tell it every minute.
#[derive(Debug, Default)]
pub struct Reminder(Option<i64>);

impl Reminder {
    /// Whether it is to be told now: there is an occasion, and not the one of the look before.
    pub fn is_due(&mut self, occasion: Option<i64>) -> bool {
        let before = std::mem::replace(&mut self.0, occasion);
        occasion.is_some() && occasion != before
    }
}

/// The occasion to tell of the end of something that people renew: each of 60, 30, 14, 7 and 1
/// days before, and every day once it is over.
pub fn step_to(end: End) -> Option<i64> {
    if end.days_left < 0 {
        return Some(end.days_left);
    }
    DAYS.into_iter().find(|days| end.days_left < *days)
}

/// How far the life of a directory's head is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadAge {
    /// The next one is not due, or may be on its way.
    Young,
    /// Half of its life is over, and there is no other.
    Old,
    /// The same, and it ends within three days.
    Ending,
    /// It decides nothing new any more.
    Expired,
}

impl HeadAge {
    /// Of a head, now.
    pub fn of(head: &DirectoryHead, now: Timestamp) -> Self {
        let half = head.expires.distance(head.time) / 2;
        let due = head.time.plus_seconds(half).plus_seconds(ARRIVAL);
        if now >= head.expires {
            Self::Expired
        } else if now < due {
            Self::Young
        } else if End::new(head.expires, now).days_left < LAST_DAYS {
            Self::Ending
        } else {
            Self::Old
        }
    }

    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Young => "young",
            Self::Old => "old",
            Self::Ending => "ending",
            Self::Expired => "expired",
        }
    }
}

/// Reminds of the end of the directory's head every day, from when half of its life is over: when
/// it ends, everybody stops at one moment.
#[derive(Debug, Default)]
pub struct HeadReminder(Reminder);

/// What is to be told of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadWarning {
    version: DirectoryVersion,
    age: HeadAge,
    end: End,
}

impl HeadReminder {
    /// What is to be told now of the head in force.
    pub fn look(&mut self, head: &DirectoryHead, now: Timestamp) -> Option<HeadWarning> {
        let (age, end) = (HeadAge::of(head, now), End::new(head.expires, now));
        let occasion = (age != HeadAge::Young).then_some(end.days_left);
        self.0.is_due(occasion).then(|| HeadWarning {
            version: head.version(),
            age,
            end,
        })
    }
}

impl HeadWarning {
    /// Tells it, with what to do about it.
    pub fn log(&self, fix: &str) {
        let (version, expires, days_left) = (self.version.value(), self.end.at, self.end.days_left);
        match self.age {
            HeadAge::Young | HeadAge::Old => warn!(
                version, %expires, days_left, fix,
                "half of the directory's life is over, and the authority has published no other"
            ),
            HeadAge::Ending => error!(
                version, %expires, days_left, fix,
                "the directory ends within days, and then nothing new is decided by anybody"
            ),
            HeadAge::Expired => error!(
                version, %expires, fix,
                "the directory has expired: nothing new is decided until there is another"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use consign_domain::statement::Signer;
    use consign_domain::{Digest, KeyId, NetworkId, PartyCode, PartyId};

    use super::*;

    const DAY: u64 = 86_400;

    fn day(days: u64) -> Timestamp {
        Timestamp::from_unix(1_800_000_000 + days * DAY).unwrap()
    }

    /// A head of thirty days from [`day`] 0 on.
    fn head() -> DirectoryHead {
        let signer = Signer {
            id: PartyId::from_bytes([1; 16]).unwrap(),
            code: PartyCode::service("authority").unwrap(),
            key: KeyId::from_bytes([2; 16]),
            directory: DirectoryVersion::new(7).unwrap(),
        };
        let (network, root) = (NetworkId::from_bytes([3; 16]).unwrap(), Digest::of(b""));
        let before = Some(Digest::of(b"before"));
        DirectoryHead::new(network, signer, day(0), day(30), before, root, 1).unwrap()
    }

    #[test]
    fn each_occasion_is_told_once_and_again_after_it_was_over() {
        let mut reminder = Reminder::default();
        let occasions = [None, Some(60), Some(60), Some(30), Some(30), None, Some(30)];
        let told = occasions.map(|occasion| reminder.is_due(occasion));
        assert_eq!(told, [false, true, false, true, false, false, true]);
    }

    #[test]
    fn what_people_renew_is_told_at_each_threshold_and_daily_once_it_is_over() {
        let mut reminder = Reminder::default();
        let mut told = Vec::new();
        // Every six hours, from 100 days before the end until two days after.
        for look in 0..408 {
            let end = End::new(day(100), day(0).plus_seconds(look * DAY / 4));
            if reminder.is_due(step_to(end)) {
                told.push(end.days_left);
            }
        }
        assert_eq!(told, [59, 29, 13, 6, 0, -1, -2]);
    }

    #[test]
    fn the_end_of_a_head_is_told_daily_from_half_of_its_life_on() {
        let (head, mut reminder, mut told) = (head(), HeadReminder::default(), Vec::new());
        for minute in 0..(32 * DAY / 600) {
            let now = day(0).plus_seconds(minute * 600);
            told.extend(reminder.look(&head, now));
        }
        let days: Vec<i64> = told.iter().map(|warning| warning.end.days_left).collect();
        assert_eq!(days, (-2..=14).rev().collect::<Vec<_>>(), "once a day");
        let ages: Vec<HeadAge> = told.iter().map(|warning| warning.age).collect();
        let of = |age| ages.iter().filter(|found| **found == age).count();
        assert_eq!((of(HeadAge::Old), of(HeadAge::Ending)), (12, 3));
        assert_eq!(of(HeadAge::Expired), 2);
        assert_eq!(ages.first(), Some(&HeadAge::Old));
    }

    #[test]
    fn a_head_is_not_missed_while_the_next_may_be_on_its_way() {
        let age = |seconds| HeadAge::of(&head(), day(15).plus_seconds(seconds));
        assert_eq!(age(0), HeadAge::Young);
        assert_eq!(age(ARRIVAL - 1), HeadAge::Young);
        assert_eq!(age(ARRIVAL), HeadAge::Old);
    }

    #[test]
    fn a_younger_head_ends_the_reminders() {
        let (head, mut reminder) = (head(), HeadReminder::default());
        assert!(reminder.look(&head, day(20)).is_some());
        assert!(reminder.look(&head, day(20)).is_none());
        let mut next = head.clone();
        (next.time, next.expires) = (day(20), day(50));
        assert!(reminder.look(&next, day(20)).is_none());
        assert!(reminder.look(&next, day(36)).is_some());
    }
}
