//! What an agency's decisions rest on, handed in by the caller.

use consign_domain::directory::{KeyState, Validity};
use consign_domain::{Digest, KeyId, Timestamp};
use consign_verify::{Directory, TrustStore};

use crate::keys::AgencyKeys;

/// Keys, trust, directory and time of one decision.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The agency's keys.
    pub keys: &'a AgencyKeys,
    /// The trust file.
    pub trust: &'a TrustStore,
    /// The newest directory, fresh or not: what needs a fresh one asks it.
    pub directory: &'a Directory,
    /// Revocation lists, DER: of time-stamp authorities they say what the directory does not.
    pub lists: &'a [Vec<u8>],
    /// Now.
    pub now: Timestamp,
}

/// The authority has revoked a key that the agency would seal with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the authority has revoked this agency's {what} as of {since}, and nothing more is sealed \
     with it; make new keys and have them enrolled: see consign node enrol --help"
)]
pub struct KeyRevoked {
    /// Which key.
    what: &'static str,
    /// From when on it counts for nothing.
    since: Timestamp,
}

impl Context<'_> {
    /// Nothing is sealed with a key of which the directory says that it was revoked, whatever
    /// the date.
    ///
    /// # Errors
    /// [`KeyRevoked`] names the key.
    pub(crate) fn check_revocation(&self) -> Result<(), KeyRevoked> {
        let revoked = |what, state: KeyState, validity: &Validity| {
            let since = validity.until.unwrap_or(validity.from);
            match state {
                KeyState::Revoked => Err(KeyRevoked { what, since }),
                _ => Ok(()),
            }
        };
        let id = KeyId::from_bytes(self.keys.statement.public().key_id());
        if let Some(key) = self.directory.key(self.keys.id.into(), id) {
            revoked("statement key", key.entry.state, &key.entry.validity)?;
        }
        let certificate = Digest::of(&self.keys.certificate);
        let agency = self.directory.agency(self.keys.id);
        let mut seals = agency.into_iter().flat_map(|agency| &agency.seals);
        match seals.find(|seal| seal.certificate == certificate) {
            Some(seal) => revoked("seal", seal.state, &seal.validity),
            None => Ok(()),
        }
    }
}
