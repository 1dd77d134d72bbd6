//! What becomes of a record when its segment is let go.

use std::collections::HashMap;

use consign_domain::{AgencyId, EnvelopeKey, Sequence, Timestamp};

use crate::error::StoreError;
use crate::journal::record::{AcceptedRecord, PayloadFact, Record, SettledRecord, StatusRecord};
use crate::journal::rows::{AnswerRow, Locator};
use crate::pipeline::Shared;
use crate::types::Retention;

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is kept as it is.
    Whole,
    /// It is kept without its payload. The wraps stay: a recipient that has signed may not
    /// have got its own yet, and has the payload.
    Folded,
    /// It is let go.
    Gone,
}

/// Decides for the records of one segment.
pub(super) struct Fates<'a> {
    shared: &'a Shared,
    now: Timestamp,
    keep: &'a Retention,
    segment: u64,
    /// Envelopes that were asked for: what becomes of their acceptance.
    envelopes: HashMap<EnvelopeKey, Fate>,
}

impl<'a> Fates<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        now: Timestamp,
        keep: &'a Retention,
        segment: u64,
    ) -> Self {
        Self {
            shared,
            now,
            keep,
            segment,
            envelopes: HashMap::new(),
        }
    }

    /// The fate of a record at a place of the segment.
    pub(super) fn of(&mut self, record: &Record, place: Locator) -> Result<Fate, StoreError> {
        match record {
            Record::Accepted(accepted) => self.of_accepted(accepted, place),
            Record::Refused(refused) => {
                let row = self.known(self.shared.answer_row(refused.key)?)?;
                let counts = row.record == place;
                let over = self.is_past(refused.expires, self.keep.record_seconds);
                Ok(keep_if(counts && !over))
            }
            Record::Settled(settled) => self.of_settled(settled, place),
            Record::Status(status) => self.of_status(status, place),
            Record::Carried(record) => self.of(record, place),
            // The base of the open segment has what these came to.
            Record::Collected { .. }
            | Record::Directory(_)
            | Record::Removed { .. }
            | Record::Swept { .. } => Ok(Fate::Gone),
        }
    }

    fn of_accepted(
        &mut self,
        accepted: &AcceptedRecord,
        place: Locator,
    ) -> Result<Fate, StoreError> {
        let row = self.known(self.shared.answer_row(accepted.key)?)?;
        if row.record != place {
            return Ok(Fate::Gone);
        }
        let folded = matches!(accepted.payload, PayloadFact::Gone { .. });
        Ok(match self.of_envelope(accepted.key, &row)? {
            Fate::Folded if folded => Fate::Whole,
            fate => fate,
        })
    }

    /// What becomes of an accepted envelope, wherever its record is.
    fn of_envelope(&mut self, key: EnvelopeKey, row: &AnswerRow) -> Result<Fate, StoreError> {
        if let Some(fate) = self.envelopes.get(&key) {
            return Ok(*fate);
        }
        let settled = self.shared.settled_rows(key)?;
        let of = |recipient| settled.iter().find(|row| row.recipient == recipient);
        // The time of the last settlement, if all are settled.
        let times = row.recipients.iter().map(|(agency, _)| of(*agency));
        let last = times
            .map(|row| row.map(|row| row.time))
            .try_fold(Timestamp::from_unix_saturating(0), |last, time| {
                time.map(|time| last.max(time))
            });
        let fate = match last {
            Some(last) if self.is_past(last, self.keep.payload_seconds) => {
                let end = last.max(row.expires);
                let over = self.is_past(end, self.keep.record_seconds);
                let mut places = row.recipients.iter();
                if over && places.all(|(agency, at)| self.is_collected(*agency, *at)) {
                    Fate::Gone
                } else {
                    Fate::Folded
                }
            }
            _ => Fate::Whole,
        };
        self.envelopes.insert(key, fate);
        Ok(fate)
    }

    fn of_settled(&mut self, settled: &SettledRecord, place: Locator) -> Result<Fate, StoreError> {
        let row = self.shared.settled_row(settled.key, settled.recipient)?;
        let counts = self.known(row)?.record == place;
        let read = self.is_collected(settled.key.sender, settled.sequence);
        Ok(keep_if(counts && !(read && self.goes(settled.key)?)))
    }

    fn of_status(&mut self, status: &StatusRecord, place: Locator) -> Result<Fate, StoreError> {
        let row = self.shared.posted_row(status.addressee, status.digest)?;
        let counts = self.known(row)?.record == place;
        let read = self.is_collected(status.addressee, status.sequence);
        Ok(keep_if(counts && !(read && self.goes(status.key)?)))
    }

    /// Whether an envelope is gone, or goes together with this segment: what settled it
    /// must not go before, or it would look as if it were not settled.
    fn goes(&mut self, key: EnvelopeKey) -> Result<bool, StoreError> {
        match self.shared.answer_row(key)? {
            None => Ok(true),
            Some(row) if row.record.segment == self.segment => {
                Ok(self.of_envelope(key, &row)? == Fate::Gone)
            }
            Some(_) => Ok(false),
        }
    }

    /// A record of a segment that counts has a row, its own or a newer one. Without one the
    /// index is at fault, and nothing may be let go by it.
    fn known<T>(&self, row: Option<T>) -> Result<T, StoreError> {
        row.ok_or_else(|| self.shared.distrust_index())
    }

    fn is_past(&self, time: Timestamp, seconds: u64) -> bool {
        self.now >= time.plus_seconds(seconds)
    }

    fn is_collected(&self, agency: AgencyId, sequence: Sequence) -> bool {
        self.shared.ledger().collected(agency) >= sequence.value()
    }
}

const fn keep_if(counts: bool) -> Fate {
    if counts { Fate::Whole } else { Fate::Gone }
}
