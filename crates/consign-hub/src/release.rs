//! Wraps and their Merkle paths, given against receipts.
//!
//! 900 recipients sign for one envelope within minutes: its wraps are read and its tree
//! is built once. The cache holds a few envelopes; 1,000 wraps take at most 2 MiB.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use consign_domain::EnvelopeKey;
use consign_log::Tree;
use consign_proto::{key_message, v1};
use consign_store::StoreError;
use tokio::sync::OnceCell;

use crate::admit::Settlement;
use crate::reading::Reading;

const CACHED: usize = 8;

/// An envelope's wraps with the tree over them.
#[derive(Debug)]
struct Wraps {
    wraps: Vec<Bytes>,
    tree: Tree,
}

type Slot = Arc<OnceCell<Wraps>>;

/// The wraps of the envelopes used last, newest last.
#[derive(Debug)]
pub(crate) struct Releases {
    reading: Reading,
    cached: Mutex<Vec<(EnvelopeKey, Slot)>>,
}

impl Releases {
    pub(crate) fn new(reading: Reading) -> Self {
        Self {
            reading,
            cached: Mutex::default(),
        }
    }

    /// The wrap of a settled delivery with its path.
    pub(crate) async fn release(&self, settled: Settlement) -> Result<v1::Release, StoreError> {
        let slot = self.slot(settled.key);
        let wraps = slot.get_or_try_init(|| self.load(settled.key)).await?;
        let wrap = wraps.wraps.get(settled.index);
        let path = wraps.tree.path(settled.index);
        let (Some(wrap), Some(path)) = (wrap, path) else {
            return Err(StoreError::WrapsMismatch);
        };
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(v1::Release {
            envelope: Some(key_message(settled.key)),
            recipient: Bytes::copy_from_slice(&settled.recipient.to_bytes()),
            wrap: wrap.clone(),
            index: count(settled.index),
            size: count(wraps.tree.len()),
            path: path
                .iter()
                .map(|hash| Bytes::copy_from_slice(hash))
                .collect(),
        })
    }

    /// The place of an envelope's wraps, filled or not, now the newest.
    fn slot(&self, key: EnvelopeKey) -> Slot {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        let found = cached.iter().position(|(other, _)| *other == key);
        let slot = match found {
            Some(place) => cached.remove(place).1,
            None => Slot::default(),
        };
        if cached.len() >= CACHED {
            cached.remove(0);
        }
        cached.push((key, Arc::clone(&slot)));
        slot
    }

    async fn load(&self, key: EnvelopeKey) -> Result<Wraps, StoreError> {
        let read = move |store: &crate::reading::View<'_>| {
            let wraps = store.wraps(key)?.ok_or(StoreError::EnvelopeUnknown)?;
            let tree = Tree::from_leaves(&wraps);
            Ok(Wraps { wraps, tree })
        };
        self.reading.run(read).await
    }
}
