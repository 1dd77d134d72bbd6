//! Which version may take the place of which: forwards only, and in one line.
//!
//! A head names the digest of the head before it. Between neighbours that alone tells a fork;
//! across versions that were missed, the heads between them tell it, where they are shown.

use consign_domain::{Digest, DirectoryVersion, SignedStatement};

use super::{Directory, SuccessionError, verify_head};
use crate::trust::TrustStore;

/// The version that is in force, or was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub version: DirectoryVersion,
    /// The digest of its head.
    pub head: Digest,
}

impl From<&Directory> for Known {
    fn from(directory: &Directory) -> Self {
        Self {
            version: directory.version(),
            head: directory.signed_head().digest(),
        }
    }
}

/// Checks that a verified directory is the one known or may come after it. `between` holds
/// the heads of all versions between the two, ascending, or nothing where they are not known:
/// then a fork that is further away than the next version cannot be told.
///
/// # Errors
/// [`SuccessionError`].
pub fn follows(
    known: Known,
    between: &[SignedStatement],
    offered: &Directory,
    trust: &TrustStore,
) -> Result<(), SuccessionError> {
    let (old, new) = (known.version, offered.version());
    let fork = || SuccessionError::Fork {
        version: new,
        known: old,
    };
    if new < old {
        return Err(SuccessionError::Rollback {
            found: new,
            known: old,
        });
    }
    if new == old {
        let same = offered.signed_head().digest() == known.head;
        return if same { Ok(()) } else { Err(fork()) };
    }
    if between.is_empty() && new != old.next() {
        return Ok(());
    }
    let (mut version, mut digest) = (old, known.head);
    for signed in between {
        let head = verify_head(signed, trust);
        let head = head.map_err(|source| SuccessionError::Between { source })?;
        if head.version() != version.next() || head.previous != Some(digest) {
            return Err(fork());
        }
        (version, digest) = (head.version(), signed.digest());
    }
    if new == version.next() && offered.head().previous == Some(digest) {
        Ok(())
    } else {
        Err(fork())
    }
}
