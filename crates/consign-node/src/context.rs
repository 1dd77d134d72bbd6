//! What an agency's decisions rest on, handed in by the caller.

use consign_domain::Timestamp;
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
    /// Now.
    pub now: Timestamp,
}
