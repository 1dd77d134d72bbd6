//! What the store holds, for those who may only read: on threads that may block.

use std::sync::Arc;

use consign_domain::{AgencyId, EnvelopeKey, Sequence};
use consign_store::{Store, StoreError, StoreHealth, Watcher};
use tokio::sync::Semaphore;

/// The reading side of the store.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    store: Arc<dyn Store>,
    /// How many read at once: a document to 900 wakes 900 streams, and a thread for each
    /// would take memory and reach the disk no sooner.
    readers: Arc<Semaphore>,
}

impl Reading {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            store,
            readers: Arc::new(Semaphore::new(4 * processors)),
        }
    }

    /// Runs a read where it may block.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = Arc::clone(&self.store);
        let reader = Arc::clone(&self.readers).acquire_owned().await;
        let reading = tokio::task::spawn_blocking(move || {
            let _reader = reader;
            read(&View(&*store))
        });
        // A runtime that is closing runs nothing more.
        reading.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Wakes when an inbox grows.
    pub(crate) fn watch(&self, agency: AgencyId) -> Watcher {
        self.store.watch(agency)
    }

    /// How the store is.
    pub(crate) fn health(&self) -> StoreHealth {
        self.store.health()
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
