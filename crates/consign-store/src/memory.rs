//! The store in memory: for tests and trials. It keeps every invariant but one,
//! durability, and forgets all when it is dropped.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::limits::{MAX_INLINE_PAYLOAD, MAX_PAYLOAD};
use consign_domain::statement::Placement;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence, SignedStatement, Timestamp};

use crate::error::StoreError;
use crate::payload::{LeftUpload, PayloadSource, Place, StagedPayload, StagedRef, Upload};
use crate::staging::MemoryStage;
use crate::store::{Clock, Reply, Store, Watcher};
use crate::types::{
    Accepted, Answer, Delivery, DeliveryPlace, DirectoryNote, EnvelopeItem, Expiry, Health,
    InboxBudget, InboxItem, InboxState, ItemBody, ItemPayload, Outcome, PayloadIn, Placements,
    Position, Posted, Receipt, Refusal, Retention, Settled, SettledBy, StatusPost, StoreHealth,
    StoredEnvelope, Submission, Tidied,
};
use crate::watchers::Watchers;

/// A store in memory.
pub struct MemoryStore {
    clock: Clock,
    state: Mutex<State>,
    watchers: Watchers,
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    answers: HashMap<EnvelopeKey, Answer>,
    envelopes: HashMap<EnvelopeKey, Kept>,
    inboxes: HashMap<AgencyId, Inbox>,
    settled: HashMap<(EnvelopeKey, AgencyId), (SettledBy, SignedStatement)>,
    posted: HashMap<(AgencyId, Digest), Sequence>,
    directory: Option<DirectoryNote>,
}

struct Kept {
    stored: StoredEnvelope,
    wraps: Vec<Bytes>,
    payload: Bytes,
}

#[derive(Default)]
struct Inbox {
    items: Vec<(Digest, Item)>,
    collected: Option<Sequence>,
}

#[derive(Clone)]
enum Item {
    Envelope(EnvelopeKey),
    Other(ItemBody),
}

impl Inbox {
    fn last(&self) -> u64 {
        self.items.len() as u64
    }
}

impl State {
    fn place(&mut self, agency: AgencyId, digest: Digest, item: Item) -> Sequence {
        let inbox = self.inboxes.entry(agency).or_default();
        inbox.items.push((digest, item));
        Sequence::new(inbox.last()).unwrap_or(Sequence::FIRST)
    }

    fn next(&self, agency: AgencyId) -> Sequence {
        let last = self.inboxes.get(&agency).map_or(0, Inbox::last);
        Sequence::new(last + 1).unwrap_or(Sequence::FIRST)
    }

    fn earlier(&self, key: EnvelopeKey, digest: Digest) -> Result<Option<Accepted>, StoreError> {
        match self.answers.get(&key) {
            Some(answer) if answer.envelope == digest => Ok(Some(Accepted {
                answer: answer.clone(),
                repeated: true,
            })),
            Some(_) => Err(StoreError::IdReused),
            None => Ok(None),
        }
    }

    fn decide(
        &mut self,
        key: EnvelopeKey,
        recipient: AgencyId,
        by: SettledBy,
        statement: SignedStatement,
    ) -> Result<Settled, StoreError> {
        if let Some((given, original)) = self.settled.get(&(key, recipient)) {
            return if *given == by {
                Ok(Settled {
                    by,
                    statement: original.clone(),
                    repeated: true,
                })
            } else {
                Err(StoreError::AlreadySettled)
            };
        }
        self.settled
            .insert((key, recipient), (by, statement.clone()));
        let body = ItemBody::Evidence(statement.clone());
        self.place(key.sender, statement.digest(), Item::Other(body));
        Ok(Settled {
            by,
            statement,
            repeated: false,
        })
    }

    fn delivery_of(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<(&Kept, &Delivery), StoreError> {
        let kept = self
            .envelopes
            .get(&key)
            .ok_or(StoreError::EnvelopeUnknown)?;
        let delivery = kept
            .stored
            .deliveries
            .iter()
            .find(|delivery| delivery.agency == recipient)
            .ok_or(StoreError::NotARecipient)?;
        Ok((kept, delivery))
    }

    fn state_of(&self, key: EnvelopeKey, recipient: AgencyId) -> DeliveryState {
        match self.settled.get(&(key, recipient)) {
            Some((SettledBy::Receipt, _)) => DeliveryState::HandedOver,
            Some((SettledBy::Expiry, _)) => DeliveryState::Failed,
            None => DeliveryState::Consigned,
        }
    }

    fn item(&self, sequence: Sequence, digest: Digest, item: &Item) -> Option<InboxItem> {
        let body = match item {
            Item::Other(body) => body.clone(),
            Item::Envelope(key) => {
                let kept = self.envelopes.get(key)?;
                let inline = kept.stored.payload_size <= MAX_INLINE_PAYLOAD;
                ItemBody::Envelope(Box::new(EnvelopeItem {
                    key: *key,
                    envelope: kept.stored.envelope.clone(),
                    acceptance: kept.stored.acceptance.clone(),
                    urgency: kept.stored.urgency,
                    payload_size: kept.stored.payload_size,
                    payload: if inline {
                        ItemPayload::Inline(kept.payload.clone())
                    } else {
                        ItemPayload::OnRequest
                    },
                }))
            }
        };
        Some(InboxItem {
            sequence,
            digest,
            body,
        })
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            state: Mutex::default(),
            watchers: Watchers::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, state: &State, agency: AgencyId) {
        let last = state.inboxes.get(&agency).map_or(0, Inbox::last);
        self.watchers.wake(agency, last);
    }

    fn take_over(&self, submission: Submission) -> Result<Accepted, StoreError> {
        let mut state = self.state();
        if let Some(earlier) = state.earlier(submission.key, submission.digest)? {
            return Ok(earlier);
        }
        submission.check()?;
        let payload = match &submission.payload {
            PayloadIn::Inline(bytes) => bytes.clone(),
            PayloadIn::Staged(staged) => staged.bytes().ok_or(StoreError::PayloadMissing)?.clone(),
        };
        let recipients = submission.recipients.iter().map(|(id, code)| Placement {
            id: *id,
            code: code.clone(),
            sequence: state.next(*id),
        });
        let places = Placements {
            time: (self.clock)(),
            recipients: recipients.collect(),
        };
        let evidence = (submission.seal)(&places).map_err(|_| StoreError::Failed)?;
        let deliveries = places.recipients.iter().map(|place| Delivery {
            agency: place.id,
            code: place.code.clone(),
            sequence: place.sequence,
            state: DeliveryState::Consigned,
        });
        let stored = StoredEnvelope {
            key: submission.key,
            digest: submission.digest,
            envelope: submission.envelope,
            acceptance: evidence.clone(),
            accepted: places.time,
            expires: submission.expires,
            urgency: submission.urgency,
            payload_size: payload.len() as u64,
            deliveries: deliveries.collect(),
        };
        let answer = Answer {
            envelope: submission.digest,
            outcome: Outcome::Accepted,
            evidence,
        };
        state.answers.insert(submission.key, answer.clone());
        let kept = Kept {
            stored,
            wraps: submission.wraps,
            payload,
        };
        state.envelopes.insert(submission.key, kept);
        for place in &places.recipients {
            state.place(place.id, submission.digest, Item::Envelope(submission.key));
            self.wake(&state, place.id);
        }
        Ok(Accepted {
            answer,
            repeated: false,
        })
    }

    fn decide_refusal(&self, refusal: Refusal) -> Result<Accepted, StoreError> {
        refusal.check()?;
        let mut state = self.state();
        if let Some(earlier) = state.earlier(refusal.key, refusal.digest)? {
            return Ok(earlier);
        }
        let answer = Answer {
            envelope: refusal.digest,
            outcome: Outcome::Refused,
            evidence: refusal.evidence,
        };
        state.answers.insert(refusal.key, answer.clone());
        Ok(Accepted {
            answer,
            repeated: false,
        })
    }

    fn decide_receipt(&self, receipt: Receipt) -> Result<Settled, StoreError> {
        receipt.check()?;
        let mut state = self.state();
        let (kept, delivery) = state.delivery_of(receipt.key, receipt.recipient)?;
        if delivery.sequence != receipt.sequence || kept.stored.digest != receipt.envelope {
            return Err(StoreError::ReceiptMismatch);
        }
        let Receipt { key, recipient, .. } = receipt;
        let settled = state.decide(key, recipient, SettledBy::Receipt, receipt.statement);
        self.wake(&state, key.sender);
        settled
    }

    fn decide_expiry(&self, expiry: Expiry) -> Result<Settled, StoreError> {
        expiry.check()?;
        let mut state = self.state();
        let Expiry { key, recipient, .. } = expiry;
        state.delivery_of(key, recipient)?;
        let settled = state.decide(key, recipient, SettledBy::Expiry, expiry.statement);
        self.wake(&state, key.sender);
        settled
    }

    fn place_status(&self, status: StatusPost) -> Result<Posted, StoreError> {
        status.check()?;
        let mut state = self.state();
        if !state.envelopes.contains_key(&status.key) {
            return Err(StoreError::EnvelopeUnknown);
        }
        let (addressee, digest) = (status.addressee, status.statement.digest());
        if let Some(sequence) = state.posted.get(&(addressee, digest)) {
            return Ok(Posted {
                sequence: *sequence,
                repeated: true,
            });
        }
        let body = ItemBody::Status {
            statement: status.statement,
            text: status.text,
        };
        let sequence = state.place(addressee, digest, Item::Other(body));
        state.posted.insert((addressee, digest), sequence);
        self.wake(&state, addressee);
        Ok(Posted {
            sequence,
            repeated: false,
        })
    }
}

impl Store for MemoryStore {
    fn accept(&self, submission: Submission) -> Reply<Accepted> {
        Reply::ready(self.take_over(submission))
    }

    fn refuse(&self, refusal: Refusal) -> Reply<Accepted> {
        Reply::ready(self.decide_refusal(refusal))
    }

    fn settle(&self, receipt: Receipt) -> Reply<Settled> {
        Reply::ready(self.decide_receipt(receipt))
    }

    fn post(&self, status: StatusPost) -> Reply<Posted> {
        Reply::ready(self.place_status(status))
    }

    fn expire(&self, expiry: Expiry) -> Reply<Settled> {
        Reply::ready(self.decide_expiry(expiry))
    }

    fn collected(&self, agency: AgencyId, through: Sequence) -> Result<(), StoreError> {
        let mut state = self.state();
        let inbox = state.inboxes.get_mut(&agency).ok_or(StoreError::Behind)?;
        if through.value() > inbox.last() {
            return Err(StoreError::Behind);
        }
        inbox.collected = inbox.collected.max(Some(through));
        Ok(())
    }

    fn due(&self, now: Timestamp, most: usize) -> Result<Vec<EnvelopeKey>, StoreError> {
        let state = self.state();
        let lapsed = state.envelopes.iter().filter(|(key, kept)| {
            let mut deliveries = kept.stored.deliveries.iter();
            kept.stored.expires <= now
                && deliveries.any(|to| !state.settled.contains_key(&(**key, to.agency)))
        });
        Ok(lapsed.map(|(key, _)| *key).take(most).collect())
    }

    /// It keeps all until it is dropped.
    fn tidy(&self, _now: Timestamp, _keep: &Retention) -> Result<Tidied, StoreError> {
        Ok(Tidied::default())
    }

    fn inbox(
        &self,
        agency: AgencyId,
        after: Option<Sequence>,
        budget: InboxBudget,
    ) -> Result<Vec<InboxItem>, StoreError> {
        let state = self.state();
        let Some(inbox) = state.inboxes.get(&agency) else {
            return Ok(Vec::new());
        };
        let first = after.map_or(0, Sequence::value);
        let (mut items, mut spent) = (Vec::new(), 0_usize);
        for place in first..inbox.last().min(first.saturating_add(budget.items as u64)) {
            let found = usize::try_from(place)
                .ok()
                .and_then(|place| inbox.items.get(place))
                .zip(Sequence::new(place + 1).ok())
                .and_then(|((digest, item), sequence)| state.item(sequence, *digest, item));
            let Some(item) = found else { break };
            spent = spent.saturating_add(item.cost());
            if spent > budget.bytes && !items.is_empty() {
                break;
            }
            items.push(item);
        }
        Ok(items)
    }

    fn inbox_state(&self, agency: AgencyId) -> Result<InboxState, StoreError> {
        let state = self.state();
        Ok(state
            .inboxes
            .get(&agency)
            .map_or_else(InboxState::default, |inbox| InboxState {
                last: Sequence::new(inbox.last()).ok(),
                collected: inbox.collected,
            }))
    }

    fn item_digest(
        &self,
        agency: AgencyId,
        sequence: Sequence,
    ) -> Result<Option<Digest>, StoreError> {
        let state = self.state();
        let place = usize::try_from(sequence.value() - 1).unwrap_or(usize::MAX);
        let items = state.inboxes.get(&agency).map(|inbox| &inbox.items);
        Ok(items
            .and_then(|items| items.get(place))
            .map(|(digest, _)| *digest))
    }

    fn answer(&self, key: EnvelopeKey) -> Result<Option<Answer>, StoreError> {
        Ok(self.state().answers.get(&key).cloned())
    }

    fn envelope(&self, key: EnvelopeKey) -> Result<Option<StoredEnvelope>, StoreError> {
        let state = self.state();
        let Some(kept) = state.envelopes.get(&key) else {
            return Ok(None);
        };
        let mut stored = kept.stored.clone();
        for delivery in &mut stored.deliveries {
            delivery.state = state.state_of(key, delivery.agency);
        }
        Ok(Some(stored))
    }

    fn wraps(&self, key: EnvelopeKey) -> Result<Option<Vec<Bytes>>, StoreError> {
        let state = self.state();
        Ok(state.envelopes.get(&key).map(|kept| kept.wraps.clone()))
    }

    fn delivery(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryState>, StoreError> {
        let state = self.state();
        let known = state.delivery_of(key, recipient).is_ok();
        Ok(known.then(|| state.state_of(key, recipient)))
    }

    fn delivery_of(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryPlace>, StoreError> {
        let state = self.state();
        let Some(kept) = state.envelopes.get(&key) else {
            return Ok(None);
        };
        let mut deliveries = kept.stored.deliveries.iter().enumerate();
        let found = deliveries.find(|(_, delivery)| delivery.agency == recipient);
        Ok(found.map(|(index, delivery)| DeliveryPlace {
            envelope: kept.stored.digest,
            index,
            sequence: delivery.sequence,
            state: state.state_of(key, recipient),
        }))
    }

    fn payload(&self, key: EnvelopeKey) -> Result<Option<PayloadSource>, StoreError> {
        let state = self.state();
        Ok(state.envelopes.get(&key).map(|kept| {
            let place = Place::Memory(kept.payload.clone());
            PayloadSource::new(kept.stored.payload_size, place)
        }))
    }

    fn stage(&self, upload: Upload) -> Result<Box<dyn StagedPayload>, StoreError> {
        if upload.size > MAX_PAYLOAD {
            return Err(StoreError::TooLarge);
        }
        Ok(Box::new(MemoryStage::new(upload, None)))
    }

    fn staged(&self) -> Result<Vec<LeftUpload>, StoreError> {
        Ok(Vec::new())
    }

    fn place(&self, _staged: &StagedRef) -> Result<(), StoreError> {
        Ok(())
    }

    fn unstage(&self, _upload: &Upload) -> Result<(), StoreError> {
        Ok(())
    }

    fn watch(&self, agency: AgencyId) -> Watcher {
        let state = self.state();
        let last = state.inboxes.get(&agency).map_or(0, Inbox::last);
        self.watchers.watch(agency, || last)
    }

    fn note_directory(&self, note: DirectoryNote) -> Result<(), StoreError> {
        let mut state = self.state();
        let newer = state
            .directory
            .is_none_or(|known| note.version > known.version);
        if newer {
            state.directory = Some(note);
        }
        Ok(())
    }

    fn directory(&self) -> Result<Option<DirectoryNote>, StoreError> {
        Ok(self.state().directory)
    }

    fn health(&self) -> StoreHealth {
        StoreHealth {
            health: Health::Good,
            journal: Position::default(),
            index: Position::default(),
            overlay_bytes: 0,
        }
    }
}
