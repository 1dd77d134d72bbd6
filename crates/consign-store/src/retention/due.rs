//! Finding envelopes that have lapsed, hour by hour, and remembering which hours are done.

use std::ops::RangeInclusive;
use std::sync::PoisonError;

use bytes::Bytes;
use consign_domain::{EnvelopeKey, Timestamp};

use crate::codec::Malformed;
use crate::error::StoreError;
use crate::journal::rows::{Lapsing, hour_of, lapse_prefix};
use crate::pipeline::Shared;
use crate::types::Outcome;

/// Envelopes that are taken out of the index at once.
const TOGETHER: usize = 4_096;

impl Shared {
    /// Envelopes that have lapsed and are not settled, `most` at most.
    pub(crate) fn due(&self, now: Timestamp, most: usize) -> Result<Vec<EnvelopeKey>, StoreError> {
        let hours = self.ledger().swept..=hour_of(now);
        let mut due = Vec::new();
        // Before the index: what leaves the overlay meanwhile is in the index by then.
        let tables = self.overlay.each(|table| table.lapsing(hours.clone()));
        for lapsing in tables.into_iter().flatten() {
            if due.len() >= most {
                return Ok(due);
            }
            self.take_due(lapsing, now, &mut due)?;
        }
        let (mut after, mut more) = (lapse_prefix(*hours.start()), true);
        while more {
            let (lapsing, last) = self.lapsing_after(&after, &hours)?;
            more = last.is_some();
            after = last.unwrap_or(after);
            for lapsing in lapsing {
                if due.len() >= most {
                    return Ok(due);
                }
                self.take_due(lapsing, now, &mut due)?;
            }
        }
        if due.is_empty() {
            self.sweep(*hours.start(), hours.end().saturating_sub(1));
        }
        Ok(due)
    }

    /// Counts hours as done; not the last one: what is under way may still be accepted into it.
    fn sweep(&self, from: u64, to: u64) {
        let mut ledger = self.ledger_mut();
        // Unless something was accepted meanwhile into an hour before.
        if ledger.swept == from && from < to {
            ledger.swept = to;
            self.note_swept(to);
        }
    }

    fn take_due(
        &self,
        lapsing: Lapsing,
        now: Timestamp,
        due: &mut Vec<EnvelopeKey>,
    ) -> Result<(), StoreError> {
        let known = due.contains(&lapsing.key);
        if !known && lapsing.expires <= now && self.is_unsettled(lapsing.key)? {
            due.push(lapsing.key);
        }
        Ok(())
    }

    /// Whether an envelope has a delivery that is not settled.
    fn is_unsettled(&self, key: EnvelopeKey) -> Result<bool, StoreError> {
        let Some(row) = self.answer_row(key)? else {
            return Ok(false);
        };
        let settled = self.settled_rows(key)?.len();
        Ok(row.outcome == Outcome::Accepted && settled < row.recipients.len())
    }

    /// What the index has of these hours after a key, and the last key if there may be more.
    fn lapsing_after(
        &self,
        after: &[u8],
        hours: &RangeInclusive<u64>,
    ) -> Result<(Vec<Lapsing>, Option<Bytes>), StoreError> {
        let (mut found, mut last, mut good) = (Vec::new(), None, true);
        let mut from = after.to_vec();
        // The first key that is greater.
        from.push(0);
        let to = lapse_prefix(hours.end().saturating_add(1));
        let mut visit = |key: &[u8], value: &[u8]| {
            match Lapsing::decode_all(Bytes::copy_from_slice(value)) {
                Ok(lapsing) => found.extend(lapsing),
                Err(Malformed) => good = false,
            }
            last = (found.len() >= TOGETHER).then(|| Bytes::copy_from_slice(key));
            good && last.is_none()
        };
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let open = index.as_ref().ok_or(StoreError::Closed)?;
        let seen = open.each(&from, &to, &mut visit);
        drop(index);
        if seen.is_ok() && good {
            Ok((found, last))
        } else {
            Err(self.distrust_index())
        }
    }
}
