//! The rows that are durable in the journal and not yet in the index.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use bytes::Bytes;

use crate::journal::rows::Row;

/// Rows by their keys; rows never change, so one place in time is as good as another.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    rows: RwLock<HashMap<Bytes, Bytes>>,
    bytes: AtomicU64,
}

impl Overlay {
    pub(crate) fn insert(&self, rows: &[Row]) {
        let mut held = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            held.insert(row.key.clone(), row.value.clone());
        }
        let cost = rows.iter().map(Row::cost).sum();
        self.bytes.fetch_add(cost, Ordering::SeqCst);
    }

    /// Lets go of rows that the index has.
    pub(crate) fn remove(&self, rows: &[Row]) {
        let mut held = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            held.remove(&row.key);
        }
        let cost = rows.iter().map(Row::cost).sum();
        self.bytes.fetch_sub(cost, Ordering::SeqCst);
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<Bytes> {
        let held = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        held.get(key).cloned()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::SeqCst)
    }
}
