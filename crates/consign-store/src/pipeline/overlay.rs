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
            self.bytes.fetch_add(row.cost(), Ordering::SeqCst);
            if let Some(value) = held.insert(row.key.clone(), row.value.clone()) {
                tracing::error!("a row that never changes was written twice");
                self.uncount(&row.key, value);
            }
        }
    }

    /// Lets go of rows that the index has.
    pub(crate) fn remove(&self, rows: &[Row]) {
        let mut held = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            match held.remove(&row.key) {
                Some(value) => self.uncount(&row.key, value),
                None => tracing::error!("the index has a row that was never held"),
            }
        }
    }

    /// Takes off what a row counted when it was put in; so the sum never falls below zero.
    fn uncount(&self, key: &Bytes, value: Bytes) {
        let key = key.clone();
        let cost = Row { key, value }.cost();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_what_is_counted() {
        let row = |key: &'static str, value: &'static str| Row {
            key: key.into(),
            value: value.into(),
        };
        let overlay = Overlay::default();
        overlay.insert(&[row("one", "value"), row("two", "")]);
        overlay.insert(&[row("one", "another value")]);
        overlay.remove(&[row("one", "value"), row("none", "value")]);
        assert_eq!(overlay.bytes(), row("two", "").cost());
        overlay.remove(&[row("two", ""), row("two", "")]);
        assert_eq!((overlay.bytes(), overlay.get(b"two")), (0, None));
    }
}
