//! What the hub needs of an envelope while its deliveries are settled: its fields, to
//! hold receipts against, and its wraps with their tree, to be given against them.
//!
//! Receipts come soon after the acceptance and, for a document to 900, 900 at a time. So
//! the envelopes accepted last are kept as they were when they were checked; what is no
//! longer here is read from the store. The digest of the envelope finds it, which the
//! store names for each delivery: another envelope is never taken for it.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use consign_domain::statement::Envelope;
use consign_domain::{Digest, EnvelopeKey};
use consign_log::Tree;
use consign_proto::{key_message, v1};

use crate::admit::Settlement;

/// Bytes of envelopes, wraps and trees that are kept.
const KEPT: usize = 16 << 20;
/// What an entry takes beside its lists, about.
const FIXED: usize = 1024;
/// What a recipient takes beside its wrap, about: its code, its leaf and a node.
const PER_RECIPIENT: usize = 128;

/// An accepted envelope with its wraps and the tree over them.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) envelope: Envelope,
    wraps: Vec<Bytes>,
    tree: Tree,
}

impl Exchange {
    /// The wraps are copied: as they came they hold the whole message that brought them.
    pub(crate) fn new(envelope: Envelope, wraps: &[Bytes], tree: Tree) -> Self {
        let mut all = BytesMut::with_capacity(wraps.iter().map(Bytes::len).sum());
        for wrap in wraps {
            all.extend_from_slice(wrap);
        }
        let mut all = all.freeze();
        Self {
            envelope,
            wraps: wraps.iter().map(|wrap| all.split_to(wrap.len())).collect(),
            tree,
        }
    }

    /// The wrap of a settled delivery with its path.
    pub(crate) fn release(&self, settled: Settlement) -> Option<v1::Release> {
        let wrap = self.wraps.get(settled.index)?.clone();
        let path = self.tree.path(settled.index)?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Some(v1::Release {
            envelope: Some(key_message(settled.key)),
            recipient: Bytes::copy_from_slice(&settled.recipient.to_bytes()),
            wrap,
            index: count(settled.index),
            size: count(self.tree.len()),
            path: path
                .iter()
                .map(|hash| Bytes::copy_from_slice(hash))
                .collect(),
        })
    }

    fn weight(&self) -> usize {
        let wraps: usize = self.wraps.iter().map(|it| it.len() + PER_RECIPIENT).sum();
        FIXED + wraps
    }
}

#[derive(Debug, Default)]
struct Kept {
    by_digest: HashMap<Digest, (EnvelopeKey, Arc<Exchange>)>,
    /// The oldest first.
    order: VecDeque<Digest>,
    weight: usize,
}

/// The envelopes accepted, or asked for, last.
#[derive(Debug, Default)]
pub(crate) struct Exchanges(Mutex<Kept>);

impl Exchanges {
    /// The envelope of a digest, if it is kept.
    pub(crate) fn find(&self, key: EnvelopeKey, digest: Digest) -> Option<Arc<Exchange>> {
        let kept = self.kept();
        let (own, exchange) = kept.by_digest.get(&digest)?;
        (*own == key).then(|| Arc::clone(exchange))
    }

    /// Keeps an accepted envelope, and lets go of the oldest.
    pub(crate) fn keep(&self, digest: Digest, exchange: Arc<Exchange>) {
        let (key, weight) = (exchange.envelope.key(), exchange.weight());
        let mut kept = self.kept();
        if kept.by_digest.contains_key(&digest) {
            return;
        }
        kept.by_digest.insert(digest, (key, exchange));
        kept.order.push_back(digest);
        kept.weight += weight;
        while kept.weight > KEPT {
            let Some(oldest) = kept.order.pop_front() else {
                return;
            };
            if let Some((_, exchange)) = kept.by_digest.remove(&oldest) {
                kept.weight = kept.weight.saturating_sub(exchange.weight());
            }
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn the_newest_are_kept_within_the_bound() {
        let world = World::new();
        let exchanges = Exchanges::default();
        let wrap = Bytes::from(vec![7; 2048]);
        let exchange = |many: usize| {
            let sealed = world
                .letter("H49.01", &["H49.03"])
                .seal(world.agency("H49.01"));
            let wraps = vec![wrap.clone(); many];
            let tree = Tree::from_leaves(&wraps);
            let digest = sealed.signed.digest();
            let key = sealed.key();
            let exchange = Exchange::new(sealed.envelope, &wraps, tree);
            exchanges.keep(digest, Arc::new(exchange));
            (key, digest)
        };
        let (first, second) = (exchange(1), exchange(1));
        assert!(exchanges.find(first.0, first.1).is_some());
        assert!(exchanges.find(second.0, first.1).is_none(), "another's id");
        for _ in 0..20 {
            exchange(1_000);
            assert!(exchanges.kept().weight <= KEPT);
        }
        assert!(exchanges.find(first.0, first.1).is_none());
        let kept = exchanges.kept();
        assert_eq!(kept.order.len(), kept.by_digest.len());
        assert_eq!(
            kept.order.len(),
            KEPT / (1_000 * (2048 + PER_RECIPIENT) + FIXED)
        );
    }
}
