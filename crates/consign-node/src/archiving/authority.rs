//! What is known of the authority that stamps archives.

use consign_domain::Timestamp;

const DAY: u64 = 86_400;
/// How long no document is written after one that then got no time-stamp: doubled each time.
const VAIN_SECONDS: u64 = 60;
const LONGEST_VAIN_SECONDS: u64 = 4 * 3_600;

/// What is known of the authority. A document is written only for one that was heard within a
/// day and has not failed since; else a small time-stamp is asked for first.
#[derive(Debug, Default)]
pub(super) struct Authority {
    /// When its certificate ends, and when it was heard.
    heard: Option<(Timestamp, Timestamp)>,
    /// How many documents in a row were written in vain.
    vain: u32,
    /// When another one is written.
    again: Option<Timestamp>,
}

impl Authority {
    /// When its certificate ends; `None` where it is to be asked.
    pub(super) fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let (until, heard) = self.heard?;
        (now < heard.plus_seconds(DAY)).then_some(until)
    }

    /// It gave a time-stamp.
    pub(super) const fn answered(&mut self, until: Timestamp, now: Timestamp) {
        self.heard = Some((until, now));
    }

    /// It gave one for a document.
    pub(super) const fn stamped(&mut self, until: Timestamp, now: Timestamp) {
        self.answered(until, now);
        self.vain = 0;
        self.again = None;
    }

    /// It gave none for a document that was written. Says when another one is.
    pub(super) fn failed(&mut self, now: Timestamp) -> Timestamp {
        self.heard = None;
        let wait = VAIN_SECONDS.saturating_mul(1 << self.vain.min(16));
        self.vain = self.vain.saturating_add(1);
        let again = now.plus_seconds(wait.min(LONGEST_VAIN_SECONDS));
        self.again = Some(again);
        again
    }

    /// Whether no document is written now.
    pub(super) fn rests(&self, now: Timestamp) -> bool {
        self.again.is_some_and(|again| now < again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;

    #[test]
    fn what_it_said_counts_for_a_day() {
        let mut authority = Authority::default();
        assert_eq!(authority.until(now()), None);
        let until = now().plus_seconds(400 * DAY);
        authority.answered(until, now());
        assert_eq!(authority.until(now().plus_seconds(DAY - 1)), Some(until));
        assert_eq!(authority.until(now().plus_seconds(DAY)), None);
    }

    #[test]
    fn a_document_that_is_written_in_vain_waits_longer_each_time() {
        let mut authority = Authority::default();
        authority.answered(now(), now());
        let wait = |authority: &mut Authority| authority.failed(now()).distance(now());
        let waits: Vec<u64> = (0..10).map(|_| wait(&mut authority)).collect();
        assert_eq!(
            waits,
            [60, 120, 240, 480, 960, 1_920, 3_840, 7_680, 14_400, 14_400]
        );
        assert_eq!(authority.until(now()), None, "it is asked first");
        authority.answered(now(), now());
        assert!(
            authority.rests(now().plus_seconds(14_399)),
            "a small one says little"
        );
        assert!(!authority.rests(now().plus_seconds(14_400)));
        authority.stamped(now(), now());
        assert!(!authority.rests(now()));
        assert_eq!(wait(&mut authority), 60);
    }
}
