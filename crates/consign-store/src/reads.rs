//! Looking up what is durable: rows in the overlay or the index, bodies in the journal.

mod inbox;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::statement::Placement;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence, SignedStatement};

use crate::codec::Malformed;
use crate::error::StoreError;
use crate::journal::files::payload_path;
use crate::journal::ranges::Ranges;
use crate::journal::record::{AcceptedRecord, PayloadFact, Record};
use crate::journal::rows::{self, AnswerRow, Locator, PostedRow, SettledRow};
use crate::payload::{PayloadSource, Place};
use crate::pipeline::Shared;
use crate::types::{
    Accepted, Answer, Delivery, DeliveryPlace, Outcome, Posted, Settled, SettledBy, StoredEnvelope,
};

impl Shared {
    /// Looks again where a segment was let go between finding a place and reading it: what
    /// still counts has another place by then.
    fn anew<T>(&self, look: impl Fn() -> Result<T, StoreError>) -> Result<T, StoreError> {
        const TIMES: usize = 4;
        let mut found = look();
        for _ in 1..TIMES {
            match &found {
                Err(StoreError::Io { source }) if source.kind() == ErrorKind::NotFound => {
                    found = look();
                }
                _ => break,
            }
        }
        found
    }

    /// Looks again where segments were let go meanwhile: what counted in them has come
    /// forward, behind a look that was ahead of it. No lock is held while it looks.
    pub(crate) fn steady<T>(
        &self,
        look: impl Fn(&Ranges) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        loop {
            let removed = Arc::clone(&self.ledger().removed);
            let found = look(&removed)?;
            if Arc::ptr_eq(&removed, &self.ledger().removed) {
                return Ok(found);
            }
        }
    }

    /// The newest row of the index that begins so.
    pub(crate) fn newest<T>(
        &self,
        removed: &Ranges,
        prefix: &[u8],
        decode: impl FnOnce(Bytes, u64) -> Result<T, Malformed>,
    ) -> Result<Option<T>, StoreError> {
        let counts = |segment| !removed.contains(segment);
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = index.as_ref().ok_or(StoreError::Closed)?;
        index
            .newest(prefix, &counts)
            .map_err(|_| self.distrust_index())?
            .map(|(segment, value)| decode(value, segment))
            .transpose()
            .map_err(|_| self.distrust_index())
    }

    pub(crate) fn answer_row(&self, key: EnvelopeKey) -> Result<Option<AnswerRow>, StoreError> {
        self.steady(
            |removed| match self.overlay.find(|table| table.answer(key).cloned()) {
                None => self.newest(removed, &rows::answer_prefix(key), AnswerRow::decode),
                row => Ok(row),
            },
        )
    }

    /// All settlements of an envelope; the newest of each recipient.
    pub(crate) fn settled_rows(&self, key: EnvelopeKey) -> Result<Vec<SettledRow>, StoreError> {
        self.steady(|removed| {
            let mut found: Vec<SettledRow> = Vec::new();
            let mut add = |rows: Vec<SettledRow>| {
                for row in rows {
                    found.retain(|other| other.recipient != row.recipient);
                    found.push(row);
                }
            };
            // Before the index: what leaves the overlay meanwhile is in the index by then.
            let tables = self.overlay.each(|table| table.settled(key).to_vec());
            self.each_settled(removed, key, &mut add)?;
            tables.into_iter().for_each(add);
            Ok(found)
        })
    }

    /// The settlements of an envelope that the index has, oldest first.
    fn each_settled(
        &self,
        removed: &Ranges,
        key: EnvelopeKey,
        add: &mut dyn FnMut(Vec<SettledRow>),
    ) -> Result<(), StoreError> {
        let (from, mut good) = (rows::settled_prefix(key), true);
        let to = rows::in_segment(&from, u64::MAX);
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = index.as_ref().ok_or(StoreError::Closed)?;
        let mut visit = |row: &[u8], value: &[u8]| {
            let segment = rows::segment_of(row).unwrap_or(u64::MAX);
            if !removed.contains(segment) {
                let value = Bytes::copy_from_slice(value);
                match SettledRow::decode_all(value, segment) {
                    Ok(rows) => add(rows),
                    Err(Malformed) => good = false,
                }
            }
            good
        };
        let seen = index.each(&from, &to, &mut visit);
        if seen.is_ok() && good {
            Ok(())
        } else {
            Err(self.distrust_index())
        }
    }

    pub(crate) fn settled_row(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<SettledRow>, StoreError> {
        let of = |rows: &[SettledRow]| rows.iter().find(|row| row.recipient == recipient).copied();
        self.steady(
            |removed| match self.overlay.find(|table| of(table.settled(key))) {
                None => {
                    let mut found = None;
                    self.each_settled(removed, key, &mut |rows| found = of(&rows).or(found))?;
                    Ok(found)
                }
                row => Ok(row),
            },
        )
    }

    pub(crate) fn posted_row(
        &self,
        addressee: AgencyId,
        digest: Digest,
    ) -> Result<Option<PostedRow>, StoreError> {
        let prefix = rows::posted_prefix(addressee, digest);
        self.steady(
            |removed| match self.overlay.find(|table| table.posted(addressee, digest)) {
                None => self.newest(removed, &prefix, PostedRow::decode),
                row => Ok(row),
            },
        )
    }

    /// The answer that an envelope already has.
    pub(crate) fn earlier_answer(
        &self,
        key: EnvelopeKey,
        digest: Digest,
    ) -> Result<Option<Accepted>, StoreError> {
        match self.read_answer(key)? {
            Some(answer) if answer.envelope == digest => Ok(Some(Accepted {
                answer,
                repeated: true,
            })),
            Some(_) => Err(StoreError::IdReused),
            None => Ok(None),
        }
    }

    /// What already settled a delivery.
    pub(crate) fn earlier_settlement(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
        by: SettledBy,
    ) -> Result<Option<Settled>, StoreError> {
        let Some((row, statement)) = self.settlement(key, recipient)? else {
            return Ok(None);
        };
        if row.by != by {
            return Err(StoreError::AlreadySettled);
        }
        Ok(Some(Settled {
            by,
            statement,
            repeated: true,
        }))
    }

    /// What settled a delivery, and the statement that did.
    fn settlement(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<(SettledRow, SignedStatement)>, StoreError> {
        self.anew(|| {
            let Some(row) = self.settled_row(key, recipient)? else {
                return Ok(None);
            };
            match self.record(row.record)? {
                Record::Settled(settled) => Ok(Some((row, settled.statement))),
                _ => Err(damaged(row.record)),
            }
        })
    }

    /// Where a status already lies.
    pub(crate) fn earlier_post(
        &self,
        addressee: AgencyId,
        digest: Digest,
    ) -> Result<Option<Posted>, StoreError> {
        let row = self.posted_row(addressee, digest)?;
        Ok(row.map(|row| Posted {
            sequence: row.sequence,
            repeated: true,
        }))
    }

    /// That an envelope was accepted.
    pub(crate) fn is_accepted(&self, key: EnvelopeKey) -> Result<AnswerRow, StoreError> {
        self.answer_row(key)?
            .filter(|row| row.outcome == Outcome::Accepted)
            .ok_or(StoreError::EnvelopeUnknown)
    }

    /// An accepted envelope's digest and its place in a recipient's inbox.
    pub(crate) fn place_of(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<(Digest, Sequence), StoreError> {
        let row = self.is_accepted(key)?;
        let mut places = row.recipients.iter();
        let (_, sequence) = places
            .find(|(agency, _)| *agency == recipient)
            .ok_or(StoreError::NotARecipient)?;
        Ok((row.envelope, *sequence))
    }

    pub(crate) fn read_answer(&self, key: EnvelopeKey) -> Result<Option<Answer>, StoreError> {
        self.anew(|| {
            let Some(row) = self.answer_row(key)? else {
                return Ok(None);
            };
            let evidence = match self.record(row.record)? {
                Record::Accepted(accepted) => accepted.acceptance,
                Record::Refused(refused) => refused.evidence,
                _ => return Err(damaged(row.record)),
            };
            Ok(Some(Answer {
                envelope: row.envelope,
                outcome: row.outcome,
                evidence,
            }))
        })
    }

    fn accepted(
        &self,
        key: EnvelopeKey,
    ) -> Result<Option<(Locator, Box<AcceptedRecord>)>, StoreError> {
        self.anew(|| {
            let Some(row) = self.answer_row(key)? else {
                return Ok(None);
            };
            match self.record(row.record)? {
                Record::Accepted(accepted) => Ok(Some((row.record, accepted))),
                _ => Ok(None),
            }
        })
    }

    /// The record at a place, without a word of how it came there.
    pub(crate) fn record(&self, place: Locator) -> Result<Record, StoreError> {
        self.segments.record(place).map(Record::plain)
    }

    pub(crate) fn read_state(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<DeliveryState, StoreError> {
        Ok(state(self.settled_row(key, recipient)?.map(|row| row.by)))
    }

    pub(crate) fn read_delivery(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryPlace>, StoreError> {
        let row = match self.is_accepted(key) {
            Err(StoreError::EnvelopeUnknown) => return Ok(None),
            row => row?,
        };
        let mut places = row.recipients.iter().enumerate();
        let found = places.find(|(_, (agency, _))| *agency == recipient);
        let Some((index, (_, sequence))) = found else {
            return Ok(None);
        };
        Ok(Some(DeliveryPlace {
            envelope: row.envelope,
            index,
            sequence: *sequence,
            state: self.read_state(key, recipient)?,
        }))
    }

    pub(crate) fn read_envelope(
        &self,
        key: EnvelopeKey,
    ) -> Result<Option<StoredEnvelope>, StoreError> {
        let Some((_, accepted)) = self.accepted(key)? else {
            return Ok(None);
        };
        let settled = self.settled_rows(key)?;
        let settled: HashMap<_, _> = settled.iter().map(|row| (row.recipient, row.by)).collect();
        let delivery = |place: Placement| Delivery {
            state: state(settled.get(&place.id).copied()),
            agency: place.id,
            code: place.code,
            sequence: place.sequence,
        };
        let deliveries = accepted.recipients.into_iter().map(delivery).collect();
        Ok(Some(StoredEnvelope {
            key,
            envelope: accepted.envelope,
            digest: accepted.digest,
            acceptance: accepted.acceptance,
            accepted: accepted.accepted,
            expires: accepted.expires,
            urgency: accepted.urgency,
            payload_size: accepted.payload.size(),
            deliveries,
        }))
    }

    pub(crate) fn read_wraps(&self, key: EnvelopeKey) -> Result<Option<Vec<Bytes>>, StoreError> {
        self.anew(|| self.wraps_now(key))
    }

    fn wraps_now(&self, key: EnvelopeKey) -> Result<Option<Vec<Bytes>>, StoreError> {
        let Some((place, accepted)) = self.accepted(key)? else {
            return Ok(None);
        };
        let length = accepted.wraps.iter().map(|wrap| usize::from(*wrap)).sum();
        let offset = place.bulk + accepted.payload.bulk();
        let sum = accepted.wraps_crc;
        let mut bulk = self
            .segments
            .checked_bulk(place.segment, offset, length, sum)?;
        let wraps = accepted.wraps.iter();
        Ok(Some(
            wraps
                .map(|length| bulk.split_to(usize::from(*length).min(bulk.len())))
                .collect(),
        ))
    }

    pub(crate) fn read_payload(
        &self,
        key: EnvelopeKey,
    ) -> Result<Option<PayloadSource>, StoreError> {
        self.anew(|| self.payload_now(key))
    }

    fn payload_now(&self, key: EnvelopeKey) -> Result<Option<PayloadSource>, StoreError> {
        let Some((place, accepted)) = self.accepted(key)? else {
            return Ok(None);
        };
        let place = match accepted.payload {
            PayloadFact::Bulk { size, crc } => {
                // Checked here once: a piece of it has no sum of its own.
                self.segments
                    .checked_bulk(place.segment, place.bulk, size as usize, crc)?;
                Place::Journal {
                    file: self.segments.file(place.segment)?,
                    segment: place.segment,
                    start: place.bulk,
                }
            }
            PayloadFact::File { digest, .. } => Place::File {
                file: self.disk.open(&payload_path(digest))?,
                digest,
            },
            PayloadFact::Gone { .. } => return Ok(None),
        };
        Ok(Some(PayloadSource::new(accepted.payload.size(), place)))
    }
}

const fn state(settled: Option<SettledBy>) -> DeliveryState {
    match settled {
        None => DeliveryState::Consigned,
        Some(SettledBy::Receipt) => DeliveryState::HandedOver,
        Some(SettledBy::Expiry) => DeliveryState::Failed,
    }
}

const fn damaged(place: Locator) -> StoreError {
    StoreError::Damaged {
        segment: place.segment,
        offset: place.offset,
    }
}
