//! Payloads that were uploaded, or are being uploaded, and not yet submitted: who holds
//! how much. A restart forgets them, as the store does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use consign_domain::statement::PayloadInfo;
use consign_domain::{EnvelopeKey, NodeId, Timestamp};
use consign_store::StagedRef;

use super::Refused;
use crate::config::Limits;

#[derive(Debug)]
pub(super) struct Staging {
    held: Mutex<HashMap<EnvelopeKey, Held>>,
    per_node: usize,
    bytes: u64,
}

#[derive(Debug)]
struct Held {
    node: NodeId,
    size: u64,
    /// `None` while the bytes come in.
    done: Option<(StagedRef, Timestamp)>,
}

/// One node may hold this part of the hub's room for uploads.
const NODE_SHARE: u64 = 4;

/// Room for one upload; given back when dropped before [`keep`](Reservation::keep).
#[derive(Debug)]
pub(crate) struct Reservation {
    staging: Arc<Staging>,
    key: EnvelopeKey,
    kept: bool,
}

impl Staging {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            held: Mutex::default(),
            per_node: limits.staged_per_node,
            bytes: limits.staged_bytes,
        }
    }

    /// Reserves room; one upload at a time for an envelope.
    pub(super) fn reserve(
        self: &Arc<Self>,
        key: EnvelopeKey,
        node: NodeId,
        size: u64,
        now: Timestamp,
    ) -> Result<Reservation, Refused> {
        let mut held = self.held();
        held.retain(|_, held| held.done.as_ref().is_none_or(|(_, expires)| now < *expires));
        if held.get(&key).is_some_and(|other| other.done.is_none()) {
            return Err(Refused::Busy);
        }
        // Another payload under the same key is given up: the newer envelope counts.
        held.remove(&key);
        let own = || held.values().filter(|other| other.node == node);
        if own().count() >= self.per_node {
            return Err(Refused::Quota {
                quota: "the node's number of uploads",
            });
        }
        // A node's only upload may be larger than its share, so that none is too large.
        let own: u64 = own().map(|other| other.size).sum();
        if own > 0 && own.saturating_add(size) > self.bytes / NODE_SHARE {
            return Err(Refused::Quota {
                quota: "the node's room for uploads",
            });
        }
        let total: u64 = held.values().map(|other| other.size).sum();
        if total.saturating_add(size) > self.bytes {
            return Err(Refused::Quota {
                quota: "the hub's room for uploads",
            });
        }
        let done = None;
        held.insert(key, Held { node, size, done });
        Ok(Reservation {
            staging: Arc::clone(self),
            key,
            kept: false,
        })
    }

    /// The staged payload that an envelope names.
    pub(super) fn find(&self, key: EnvelopeKey, payload: &PayloadInfo) -> Option<StagedRef> {
        let held = self.held();
        let (staged, _) = held.get(&key)?.done.as_ref()?;
        (staged.digest() == payload.sha256 && staged.size() == payload.size).then(|| staged.clone())
    }

    /// The envelope was answered, or its payload is gone.
    pub(super) fn forget(&self, key: EnvelopeKey) {
        self.held()
            .retain(|held, state| *held != key || state.done.is_none());
    }

    fn held(&self) -> MutexGuard<'_, HashMap<EnvelopeKey, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// The bytes are staged; they are held until submitted or until the envelope expires.
    pub(crate) fn keep(mut self, staged: StagedRef, expires: Timestamp) {
        if let Some(held) = self.staging.held().get_mut(&self.key) {
            held.done = Some((staged, expires));
        }
        self.kept = true;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if !self.kept {
            self.staging.held().remove(&self.key);
        }
    }
}
