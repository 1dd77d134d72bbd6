//! Bounds on what is on its way: credits of a stream, places of a node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use consign_domain::NodeId;
use tokio::sync::Notify;

/// More credit than any node needs; what it grants beyond is not counted.
const MOST_CREDIT: i64 = 1 << 40;

/// Bytes that may be sent on a stream. The last item may overdraw it, so that no item is
/// too large for a small grant; the debt is paid before the next one.
#[derive(Debug, Default)]
pub(crate) struct Credit {
    bytes: Mutex<i64>,
    granted: Notify,
}

impl Credit {
    /// More may be sent.
    pub(crate) fn grant(&self, bytes: u64) {
        let bytes = i64::try_from(bytes).unwrap_or(MOST_CREDIT);
        let mut credit = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *credit = credit.saturating_add(bytes).min(MOST_CREDIT);
        drop(credit);
        self.granted.notify_one();
    }

    /// So much was sent.
    pub(crate) fn spend(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).unwrap_or(MOST_CREDIT);
        let mut credit = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *credit = credit.saturating_sub(bytes);
    }

    /// What may be sent; 0 if nothing.
    pub(crate) fn left(&self) -> usize {
        let credit = *self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        usize::try_from(credit).unwrap_or(0)
    }

    /// Waits until something may be sent, and says how much. One waiter at a time.
    pub(crate) async fn available(&self) -> usize {
        loop {
            let granted = self.granted.notified();
            match self.left() {
                0 => granted.await,
                left => return left,
            }
        }
    }
}

/// How many calls each node has open.
#[derive(Debug)]
pub(crate) struct Calls {
    open: Arc<Mutex<HashMap<NodeId, usize>>>,
    most: usize,
}

/// One open call; closed when dropped.
#[derive(Debug)]
pub(crate) struct OpenCall {
    open: Arc<Mutex<HashMap<NodeId, usize>>>,
    node: NodeId,
}

impl Calls {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            open: Arc::default(),
            most,
        }
    }

    /// One more call of a node; `None` if it has as many as it may.
    pub(crate) fn enter(&self, node: NodeId) -> Option<OpenCall> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(node).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(OpenCall {
            open: Arc::clone(&self.open),
            node,
        })
    }

    /// Nodes with open calls, and calls.
    pub(crate) fn count(&self) -> (usize, usize) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        (open.len(), open.values().sum())
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.node) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credit_may_be_overdrawn_once_and_is_paid_back() {
        let credit = Credit::default();
        assert_eq!(credit.left(), 0);
        credit.grant(10);
        assert_eq!(credit.available().await, 10);
        credit.spend(25);
        assert_eq!(credit.left(), 0);
        credit.grant(15);
        assert_eq!(credit.left(), 0, "the debt comes first");
        credit.grant(1);
        assert_eq!(credit.available().await, 1);
        credit.grant(u64::MAX);
        credit.grant(u64::MAX);
        assert!(credit.left() > 0, "no grant overflows");
    }

    #[test]
    fn a_node_has_its_calls_and_no_more() {
        let calls = Calls::new(2);
        let node = |number| NodeId::from_bytes([number; 16]).unwrap();
        let first = calls.enter(node(1)).unwrap();
        let _second = calls.enter(node(1)).unwrap();
        assert!(calls.enter(node(1)).is_none());
        assert!(calls.enter(node(2)).is_some());
        drop(first);
        assert!(calls.enter(node(1)).is_some());
        assert_eq!(calls.count(), (1, 1));
    }
}
