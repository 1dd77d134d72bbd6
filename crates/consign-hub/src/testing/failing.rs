//! A store whose disk fails at the first envelope.

use std::sync::Arc;

use bytes::Bytes;
use consign_domain::delivery::DeliveryState;
use consign_domain::{AgencyId, Digest, EnvelopeKey, Sequence, Timestamp};
use consign_store::{
    Accepted, Answer, DeliveryPlace, DirectoryNote, Expiry, InboxBudget, InboxItem, InboxState,
    LeftUpload, MemoryStore, PayloadSource, Posted, Receipt, Refusal, Reply, Retention, Settled,
    StagedPayload, StagedRef, StatusPost, Store, StoreError, StoreHealth, StoredEnvelope,
    Submission, Tidied, Upload, Watcher,
};

#[derive(Debug)]
pub(crate) struct FailingStore(pub(crate) Arc<MemoryStore>);

impl Store for FailingStore {
    fn accept(&self, _: Submission) -> Reply<Accepted> {
        Reply::ready(Err(StoreError::Failed))
    }

    fn refuse(&self, refusal: Refusal) -> Reply<Accepted> {
        self.0.refuse(refusal)
    }

    fn settle(&self, receipt: Receipt) -> Reply<Settled> {
        self.0.settle(receipt)
    }

    fn post(&self, status: StatusPost) -> Reply<Posted> {
        self.0.post(status)
    }

    fn expire(&self, expiry: Expiry) -> Reply<Settled> {
        self.0.expire(expiry)
    }

    fn due(&self, now: Timestamp, most: usize) -> Result<Vec<EnvelopeKey>, StoreError> {
        self.0.due(now, most)
    }

    fn tidy(&self, now: Timestamp, keep: &Retention) -> Result<Tidied, StoreError> {
        self.0.tidy(now, keep)
    }

    fn collected(&self, agency: AgencyId, through: Sequence) -> Result<(), StoreError> {
        self.0.collected(agency, through)
    }

    fn inbox(
        &self,
        agency: AgencyId,
        after: Option<Sequence>,
        budget: InboxBudget,
    ) -> Result<Vec<InboxItem>, StoreError> {
        self.0.inbox(agency, after, budget)
    }

    fn inbox_state(&self, agency: AgencyId) -> Result<InboxState, StoreError> {
        self.0.inbox_state(agency)
    }

    fn item_digest(
        &self,
        agency: AgencyId,
        sequence: Sequence,
    ) -> Result<Option<Digest>, StoreError> {
        self.0.item_digest(agency, sequence)
    }

    fn answer(&self, key: EnvelopeKey) -> Result<Option<Answer>, StoreError> {
        self.0.answer(key)
    }

    fn envelope(&self, key: EnvelopeKey) -> Result<Option<StoredEnvelope>, StoreError> {
        self.0.envelope(key)
    }

    fn wraps(&self, key: EnvelopeKey) -> Result<Option<Vec<Bytes>>, StoreError> {
        self.0.wraps(key)
    }

    fn delivery(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryState>, StoreError> {
        self.0.delivery(key, recipient)
    }

    fn delivery_of(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<DeliveryPlace>, StoreError> {
        self.0.delivery_of(key, recipient)
    }

    fn payload(&self, key: EnvelopeKey) -> Result<Option<PayloadSource>, StoreError> {
        self.0.payload(key)
    }

    fn stage(&self, upload: Upload) -> Result<Box<dyn StagedPayload>, StoreError> {
        self.0.stage(upload)
    }

    fn staged(&self) -> Result<Vec<LeftUpload>, StoreError> {
        self.0.staged()
    }

    fn place(&self, staged: &StagedRef) -> Result<(), StoreError> {
        self.0.place(staged)
    }

    fn unstage(&self, upload: &Upload) -> Result<(), StoreError> {
        self.0.unstage(upload)
    }

    fn watch(&self, agency: AgencyId) -> Watcher {
        self.0.watch(agency)
    }

    fn note_directory(&self, note: DirectoryNote) -> Result<(), StoreError> {
        self.0.note_directory(note)
    }

    fn directory(&self) -> Result<Option<DirectoryNote>, StoreError> {
        self.0.directory()
    }

    fn health(&self) -> StoreHealth {
        self.0.health()
    }
}
