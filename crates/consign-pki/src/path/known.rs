//! Signatures of authorities that were verified before: a node judges a thousand documents under
//! the same few certificates and lists, and each verification by elliptic curve costs more than
//! all else in a judgement.
//!
//! Only what holds is remembered, and only what never changes: that one certificate leads to
//! another, that a key signed a list. Dates, key sizes and revocation are judged each time, as of
//! the time that is asked for. Entries are named by SHA-256 over everything that went into them.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

/// Entries kept, of 32 bytes each; when there are more all are forgotten.
const MOST: usize = 4_096;

static KNOWN: LazyLock<Mutex<HashSet<[u8; 32]>>> = LazyLock::new(Mutex::default);

/// What was found to hold, by everything that it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact([u8; 32]);

impl Fact {
    /// A kind of fact, and what it depends on; each part is told from its neighbours.
    pub(super) fn of<'a>(kind: &'static str, parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for part in std::iter::once(kind.as_bytes()).chain(parts) {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    pub(super) fn is_known(self) -> bool {
        known().contains(&self.0)
    }

    pub(super) fn remember(self) {
        let mut known = known();
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(self.0);
    }
}

fn known() -> MutexGuard<'static, HashSet<[u8; 32]>> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_what_it_depends_on_in_order_and_by_parts() {
        let fact = |parts: &[&[u8]]| Fact::of("test", parts.iter().copied());
        let one = fact(&[b"ab", b"c"]);
        for other in [&[b"a".as_slice(), b"bc"][..], &[b"c", b"ab"], &[b"abc"]] {
            assert_ne!(fact(other), one);
        }
        assert_ne!(Fact::of("other", [b"ab".as_slice(), b"c"]), one);
        assert!(!one.is_known());
        one.remember();
        assert!(fact(&[b"ab", b"c"]).is_known());
    }
}
