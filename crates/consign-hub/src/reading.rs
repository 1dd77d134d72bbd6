//! What the store holds, for those who may only read: on threads that may block.

use std::sync::Arc;

use consign_domain::{AgencyId, EnvelopeKey, Sequence};
use consign_store::{Store, StoreError, StoreHealth, Watcher};

/// The reading side of the store.
#[derive(Debug, Clone)]
pub(crate) struct Reading(Arc<dyn Store>);

impl Reading {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// Runs a read where it may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.0);
        let reading = tokio::task::spawn_blocking(move || read(&View(&*store)));
        // A runtime that is closing runs nothing more.
        reading.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Wakes when an inbox grows.
    pub(crate) fn watch(&self, agency: AgencyId) -> Watcher {
        self.0.watch(agency)
    }

    /// How the store is.
    pub(crate) fn health(&self) -> StoreHealth {
        self.0.health()
    }
}

/// The store's reads, without its changing verbs.
pub(crate) struct View<'a>(&'a dyn Store);

impl View<'_> {
    pub(crate) fn inbox(
        &self,
        agency: AgencyId,
        after: Option<Sequence>,
        budget: consign_store::InboxBudget,
    ) -> Result<Vec<consign_store::InboxItem>, StoreError> {
        self.0.inbox(agency, after, budget)
    }

    pub(crate) fn inbox_state(
        &self,
        agency: AgencyId,
    ) -> Result<consign_store::InboxState, StoreError> {
        self.0.inbox_state(agency)
    }

    pub(crate) fn item_digest(
        &self,
        agency: AgencyId,
        sequence: Sequence,
    ) -> Result<Option<consign_domain::Digest>, StoreError> {
        self.0.item_digest(agency, sequence)
    }

    pub(crate) fn delivery(
        &self,
        key: EnvelopeKey,
        recipient: AgencyId,
    ) -> Result<Option<consign_domain::delivery::DeliveryState>, StoreError> {
        self.0.delivery(key, recipient)
    }

    pub(crate) fn payload(
        &self,
        key: EnvelopeKey,
    ) -> Result<Option<consign_store::PayloadSource>, StoreError> {
        self.0.payload(key)
    }
}
