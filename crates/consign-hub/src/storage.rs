//! The store with its owner: opened before anything listens, closed after everything has
//! stopped.

use std::path::Path;
use std::sync::Arc;

use consign_domain::Timestamp;
use consign_runtime::clock::Clock;
use consign_store::{JournalStore, Options, Progress, Store, StoreError};
use tracing::info;

use crate::error::HubError;

/// Closes a store in order. It blocks.
type Close = Box<dyn FnOnce() -> Result<(), StoreError> + Send>;

/// A store and how it is closed.
pub struct Storage {
    store: Arc<dyn Store>,
    close: Close,
}

impl std::fmt::Debug for Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Storage")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl Storage {
    /// Opens the store of a directory. It blocks, and long where the index is made anew:
    /// `progress` is told how many segments of how many are done.
    ///
    /// # Errors
    /// [`HubError::Open`].
    pub fn open(data: &Path, clock: &Clock, progress: Progress) -> Result<Self, HubError> {
        let clock = clock.clone();
        let mut options = Options::new(Arc::new(move || {
            Timestamp::from_unix_saturating(clock.now())
        }));
        options.progress = Some(progress);
        let opened = JournalStore::open(data, options);
        let (store, recovery) = opened.map_err(|source| HubError::Open {
            path: data.to_owned(),
            source,
        })?;
        info!(
            clean = recovery.clean,
            index = ?recovery.index,
            replayed = recovery.replayed,
            "store is open"
        );
        let store = Arc::new(store);
        let closing = Arc::clone(&store);
        Ok(Self {
            store,
            close: Box::new(move || closing.close()),
        })
    }

    /// A store that needs no closing.
    pub fn unclosed(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            close: Box::new(|| Ok(())),
        }
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Closes the store.
    pub(crate) async fn close(self) -> Result<(), HubError> {
        let closing = tokio::task::spawn_blocking(self.close);
        closing.await.map_err(|_| HubError::Closing)??;
        Ok(())
    }
}
