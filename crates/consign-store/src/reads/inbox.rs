//! Looking up an inbox: runs of items in the overlay or the index, bodies in the journal.

use std::sync::PoisonError;

use consign_domain::limits::MAX_INLINE_PAYLOAD;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence, SignedStatement};

use super::damaged;
use crate::error::StoreError;
use crate::journal::projection::{Projection, RUN};
use crate::journal::record::{AcceptedRecord, PayloadFact, Record};
use crate::journal::rows::{About, ItemRow, Locator};
use crate::pipeline::Shared;
use crate::types::{EnvelopeItem, InboxBudget, InboxItem, ItemBody, ItemPayload};

impl Shared {
    pub(crate) fn read_inbox(
        &self,
        agency: AgencyId,
        after: Option<Sequence>,
        budget: InboxBudget,
    ) -> Result<Vec<InboxItem>, StoreError> {
        let (mut items, mut spent) = (Vec::new(), 0_usize);
        let mut next = after.map_or(Sequence::FIRST, Sequence::next);
        loop {
            if let Some(last) = self.skipped_with(agency, next) {
                next = last.next();
            }
            let run = self.items_from(agency, next)?;
            let collected = self.ledger().collected(agency);
            if run.is_empty() {
                // Let go of: what is left lies behind, and all that was not collected.
                let uncollected = Sequence::new(collected + 1).ok();
                let behind = [self.item_after(agency, next)?, uncollected].into_iter();
                match behind.flatten().filter(|place| *place > next).min() {
                    Some(behind) => next = behind,
                    None => return Ok(items),
                }
            }
            for row in run {
                if items.len() >= budget.items {
                    return Ok(items);
                }
                let Some(body) = self.read_item(agency, row)? else {
                    // As it is now: it may have been collected and let go since the run was read.
                    if next.value() > self.ledger().collected(agency) {
                        return Err(self.distrust_index());
                    }
                    next = next.next();
                    continue;
                };
                let item = InboxItem {
                    sequence: next,
                    digest: row.digest,
                    body,
                };
                spent = spent.saturating_add(item.cost());
                if spent > budget.bytes && !items.is_empty() {
                    return Ok(items);
                }
                items.push(item);
                next = next.next();
            }
        }
    }

    /// The last of the places that were skipped together with this one, if it was.
    fn skipped_with(&self, agency: AgencyId, place: Sequence) -> Option<Sequence> {
        let last = self.ledger().skipped_with(agency, place.value())?;
        Sequence::new(last).ok()
    }

    pub(crate) fn read_item_digest(
        &self,
        agency: AgencyId,
        sequence: Sequence,
    ) -> Result<Option<Digest>, StoreError> {
        let run = self.items_from(agency, sequence)?;
        Ok(run.first().map(|row| row.digest))
    }

    /// What an item is; `None` if it was let go.
    fn read_item(&self, agency: AgencyId, row: ItemRow) -> Result<Option<ItemBody>, StoreError> {
        match row.about {
            About::Envelope(key) => self.anew(|| match self.accepted(key)? {
                Some((place, accepted)) => self.envelope_item(place, *accepted).map(Some),
                None => Ok(None),
            }),
            About::Settlement(id, recipient) => {
                let key = EnvelopeKey { sender: agency, id };
                let settlement = self.settlement(key, recipient)?;
                Ok(settlement.map(|(_, statement)| ItemBody::Evidence(statement)))
            }
            About::Status => self.anew(|| {
                let Some(row) = self.posted_row(agency, row.digest)? else {
                    return Ok(None);
                };
                match self.record(row.record)? {
                    Record::Status(status) => Ok(Some(ItemBody::Status {
                        statement: status.statement,
                        text: status.text,
                    })),
                    _ => Err(damaged(row.record)),
                }
            }),
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

    /// The items from a place on, some of them; none where the inbox ends, and where they
    /// were let go. Rows that lie behind the inbox's end are there a moment before it is moved.
    fn items_from(&self, agency: AgencyId, at: Sequence) -> Result<Vec<ItemRow>, StoreError> {
        let last = self.ledger().last(agency);
        let skipped = self.skipped_with(agency, at).is_some();
        let behind = last.checked_sub(at.value());
        let Some(behind) = behind.filter(|_| !skipped) else {
            return Ok(Vec::new());
        };
        let most = usize::try_from(behind).map_or(RUN, |behind| RUN.min(behind + 1));
        let run =
            |table: &Projection| Some(table.run(agency, at, most)).filter(|run| !run.is_empty());
        if let Some(run) = self.overlay.find(run) {
            return Ok(run);
        }
        let found = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let index = index.as_ref().ok_or(StoreError::Closed)?;
            index.run(agency, at).map_err(|_| self.distrust_index())?
        };
        match found {
            // An item that was not collected is never let go: a fault of the index.
            None if at.value() > self.ledger().collected(agency) => Err(self.distrust_index()),
            run => Ok(run.unwrap_or_default()),
        }
    }

    /// The first place from one on that has an item, where this one has none.
    fn item_after(&self, agency: AgencyId, at: Sequence) -> Result<Option<Sequence>, StoreError> {
        // Before the index: what leaves the overlay meanwhile is in the index by then.
        let tables = self.overlay.each(|table| table.item_after(agency, at));
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let index = index.as_ref().ok_or(StoreError::Closed)?;
        let indexed = index.run_after(agency, at);
        let indexed = indexed.map_err(|_| self.distrust_index())?;
        Ok(tables.into_iter().flatten().chain(indexed).min())
    }
}
