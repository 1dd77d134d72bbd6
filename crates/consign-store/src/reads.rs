//! Looking up what is durable: rows in the overlay or the index, bodies in the journal.

use std::sync::PoisonError;

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::limits::MAX_INLINE_PAYLOAD;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence, SignedStatement};

use crate::codec::Malformed;
use crate::error::StoreError;
use crate::journal::files::payload_path;
use crate::journal::record::{AcceptedRecord, PayloadFact, Record};
use crate::journal::rows::{self, AnswerRow, ItemRow, Locator, SettledRow};
use crate::payload::{PayloadSource, Place};
use crate::pipeline::Shared;
use crate::types::{
    Accepted, Answer, Delivery, DeliveryPlace, EnvelopeItem, InboxBudget, InboxItem, ItemBody,
    ItemPayload, Outcome, Posted, Settled, SettledBy, StoredEnvelope,
};

impl Shared {
    fn row<T>(
        &self,
        key: &[u8],
        decode: impl FnOnce(Bytes) -> Result<T, Malformed>,
    ) -> Result<Option<T>, StoreError> {
        let value = match self.overlay.get(key) {
            Some(value) => Some(value),
            None => {
                let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
                let index = index.as_ref().ok_or(StoreError::Closed)?;
                index.get(key).map_err(|_| self.distrust_index())?
            }
        };
        value
            .map(decode)
            .transpose()
            .map_err(|_| self.distrust_index())
    }

    fn answer_row(&self, key: EnvelopeKey) -> Result<Option<AnswerRow>, StoreError> {
        self.row(&rows::answer_key(key), AnswerRow::decode)
    }

    fn settled_row(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<SettledRow>, StoreError> {
        self.row(&rows::settled_key(key, recipient), SettledRow::decode)
    }

    fn item_row(&self, agency: AgencyId, at: Sequence) -> Result<Option<ItemRow>, StoreError> {
        if at.value() > self.ledger().last(agency) {
            return Ok(None);
        }
        // The inbox reaches so far: a row that is not there is a fault of the index.
        match self.row(&rows::item_key(agency, at), ItemRow::decode)? {
            None => Err(self.distrust_index()),
            row => Ok(row),
        }
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
        let Some(row) = self.settled_row(key, recipient)? else {
            return Ok(None);
        };
        if row.by != by {
            return Err(StoreError::AlreadySettled);
        }
        let Record::Settled(settled) = self.segments.record(row.record)? else {
            return Err(damaged(row.record));
        };
        Ok(Some(Settled {
            by,
            statement: settled.statement,
            repeated: true,
        }))
    }

    /// Where a status already lies.
    pub(crate) fn earlier_post(
        &self,
        addressee: AgencyId,
        digest: Digest,
    ) -> Result<Option<Posted>, StoreError> {
        let sequence = self.row(&rows::posted_key(addressee, digest), rows::posted_sequence)?;
        Ok(sequence.map(|sequence| Posted {
            sequence,
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
        let Some(row) = self.answer_row(key)? else {
            return Ok(None);
        };
        let evidence = match self.segments.record(row.record)? {
            Record::Accepted(accepted) => accepted.acceptance,
            Record::Refused(refusal) => refusal.evidence,
            _ => return Err(damaged(row.record)),
        };
        Ok(Some(Answer {
            envelope: row.envelope,
            outcome: row.outcome,
            evidence,
        }))
    }

    fn accepted(
        &self,
        key: EnvelopeKey,
    ) -> Result<Option<(Locator, Box<AcceptedRecord>)>, StoreError> {
        let Some(row) = self.answer_row(key)? else {
            return Ok(None);
        };
        match self.segments.record(row.record)? {
            Record::Accepted(accepted) => Ok(Some((row.record, accepted))),
            _ => Ok(None),
        }
    }

    pub(crate) fn read_state(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<DeliveryState, StoreError> {
        Ok(match self.settled_row(key, recipient)? {
            None => DeliveryState::Consigned,
            Some(row) => match row.by {
                SettledBy::Receipt => DeliveryState::HandedOver,
                SettledBy::Expiry => DeliveryState::Failed,
            },
        })
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
        let mut deliveries = Vec::with_capacity(accepted.recipients.len());
        for place in accepted.recipients {
            deliveries.push(Delivery {
                state: self.read_state(key, place.id)?,
                agency: place.id,
                code: place.code,
                sequence: place.sequence,
            });
        }
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
        };
        Ok(Some(PayloadSource::new(accepted.payload.size(), place)))
    }

    pub(crate) fn read_inbox(
        &self,
        agency: AgencyId,
        after: Option<Sequence>,
        budget: InboxBudget,
    ) -> Result<Vec<InboxItem>, StoreError> {
        let (mut items, mut spent) = (Vec::new(), 0_usize);
        let mut next = after.map_or(Sequence::FIRST, Sequence::next);
        while items.len() < budget.items {
            let Some(row) = self.item_row(agency, next)? else {
                break;
            };
            let item = InboxItem {
                sequence: next,
                digest: row.digest,
                body: self.read_item(row.record)?,
            };
            spent = spent.saturating_add(item.cost());
            if spent > budget.bytes && !items.is_empty() {
                break;
            }
            items.push(item);
            next = next.next();
        }
        Ok(items)
    }

    pub(crate) fn read_item_digest(
        &self,
        agency: AgencyId,
        sequence: Sequence,
    ) -> Result<Option<Digest>, StoreError> {
        Ok(self.item_row(agency, sequence)?.map(|row| row.digest))
    }

    fn read_item(&self, place: Locator) -> Result<ItemBody, StoreError> {
        match self.segments.record(place)? {
            Record::Accepted(accepted) => self.envelope_item(place, *accepted),
            Record::Settled(settled) => Ok(ItemBody::Evidence(settled.statement)),
            Record::Status(status) => Ok(ItemBody::Status {
                statement: status.statement,
                text: status.text,
            }),
            _ => Err(damaged(place)),
        }
    }

    fn envelope_item(
        &self,
        place: Locator,
        accepted: AcceptedRecord,
    ) -> Result<ItemBody, StoreError> {
        let payload = match accepted.payload {
            PayloadFact::Bulk { size, crc } if u64::from(size) <= MAX_INLINE_PAYLOAD => {
                let bytes =
                    self.segments
                        .checked_bulk(place.segment, place.bulk, size as usize, crc)?;
                ItemPayload::Inline(bytes)
            }
            _ => ItemPayload::OnRequest,
        };
        let (envelope, acceptance): (SignedStatement, SignedStatement) =
            (accepted.envelope, accepted.acceptance);
        Ok(ItemBody::Envelope(Box::new(EnvelopeItem {
            key: accepted.key,
            envelope,
            acceptance,
            urgency: accepted.urgency,
            payload_size: accepted.payload.size(),
            payload,
        })))
    }
}

const fn damaged(place: Locator) -> StoreError {
    StoreError::Damaged {
        segment: place.segment,
        offset: place.offset,
    }
}
