//! Who works on which upload.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use consign_domain::EnvelopeKey;

/// The uploads that are being worked on.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<EnvelopeKey>>>);

/// The right to work on one, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    key: EnvelopeKey,
}

impl Claims {
    /// `None` while somebody else works on it.
    pub(super) fn take(&self, key: EnvelopeKey) -> Option<Claim> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let claims = self.clone();
        // Made only if it is ours: one that is dropped gives the upload back.
        taken.insert(key).then(|| Claim { claims, key })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let taken = self.claims.0.lock();
        taken
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::fixture;

    #[test]
    fn one_at_a_time() {
        let claims = Claims::default();
        let first = claims.take(fixture::key(1, 1));
        assert!(first.is_some());
        assert!(claims.take(fixture::key(1, 1)).is_none());
        assert!(claims.take(fixture::key(1, 1)).is_none());
        assert!(claims.take(fixture::key(1, 2)).is_some());
        drop(first);
        assert!(claims.take(fixture::key(1, 1)).is_some());
    }
}
