//! Bounds on what is on its way: credits of a stream, places of a node, and each node's
//! share of what the hub may hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

/// Bytes that the hub may hold for nodes, in shares that shrink as more of them ask.
///
/// A node may hold no more than is left free. Alone it gets half of all; where many hold
/// as much as they may, each holds the same and so much is left for the next (dynamic
/// thresholds, Choudhury and Hahne 1998). So no number of floods shuts a newcomer out.
#[derive(Debug)]
pub(crate) struct Shares {
    held: Mutex<Held>,
    all: usize,
}

#[derive(Debug, Default)]
struct Held {
    by_node: HashMap<NodeId, usize>,
    total: usize,
}

/// Bytes that are held for a node; given back when dropped.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Arc<Shares>,
    node: NodeId,
    bytes: usize,
}

impl Shares {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            held: Mutex::default(),
            all,
        }
    }

    /// Whether a node may have anything more. What it asks for next is not known yet.
    pub(crate) fn has_room(&self, node: NodeId) -> bool {
        let held = self.held();
        let own = held.by_node.get(&node).copied().unwrap_or_default();
        own < self.all.saturating_sub(held.total)
    }

    /// Takes bytes for a node; `None` if it would hold more than is left free.
    pub(crate) fn take(self: &Arc<Self>, node: NodeId, bytes: usize) -> Option<Share> {
        let mut held = self.held();
        let own = held.by_node.get(&node).copied().unwrap_or_default();
        let free = self.all.saturating_sub(held.total);
        // A node that holds nothing may have all that is free.
        if bytes > free || (own > 0 && own.saturating_add(bytes) > free) {
            return None;
        }
        held.total += bytes;
        *held.by_node.entry(node).or_default() += bytes;
        Some(Share {
            shares: Arc::clone(self),
            node,
            bytes,
        })
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = self.shares.held();
        held.total = held.total.saturating_sub(self.bytes);
        if let Some(own) = held.by_node.get_mut(&self.node) {
            *own = own.saturating_sub(self.bytes);
            if *own == 0 {
                held.by_node.remove(&self.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_floods_shuts_a_newcomer_out() {
        let shares = Arc::new(Shares::new(1_000));
        let node = |number| NodeId::from_bytes([number; 16]).unwrap();
        let mut held = Vec::new();
        let flood = |number, held: &mut Vec<Share>| {
            let before = held.len();
            while let Some(share) = shares.take(node(number), 10) {
                held.push(share);
            }
            (held.len() - before) * 10
        };
        assert_eq!(flood(1, &mut held), 500, "alone it has half");
        assert!(!shares.has_room(node(1)) && shares.has_room(node(2)));
        for number in 2..=4 {
            assert!(flood(number, &mut held) > 0, "node {number}");
        }
        assert!(shares.take(node(8), 1).is_some());
        assert!(shares.take(node(8), 1_000).is_none());
        // As what was held first is let go of, those who came late get as much as others.
        for round in 0..2_000_u32 {
            drop(held.remove(0));
            let next = (0..4).map(|it| node(1 + u8::try_from((it + round) % 4).unwrap()));
            held.extend(next.filter_map(|node| shares.take(node, 10)));
        }
        for number in 1..=4 {
            let own: usize = held
                .iter()
                .filter(|share| share.node == node(number))
                .map(|share| share.bytes)
                .sum();
            assert!((100..=300).contains(&own), "node {number}: {own}");
        }
        held.clear();
        assert!(shares.held().by_node.is_empty());
        assert!(
            shares.take(node(8), 1_000).is_some(),
            "one message may be as large"
        );
    }

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
