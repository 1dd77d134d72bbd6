//! What the hub offers, item by item.

use bytes::Bytes;
use consign_domain::{Digest, Sequence, SignedStatement};

/// One item of an agency's inbox, as the hub offers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its place.
    pub sequence: Sequence,
    /// The place of the item before it, if there is one: what lay between, the hub has no more.
    pub after: Option<Sequence>,
    /// What it is.
    pub content: ItemContent,
}

/// What an item is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemContent {
    /// Something was sent to the agency.
    Envelope {
        /// The sender's envelope.
        envelope: SignedStatement,
        /// The hub's acceptance.
        acceptance: SignedStatement,
        /// The ciphertext, if it travels with the item.
        payload: Option<Bytes>,
    },
    /// Evidence about something that the agency sent.
    Evidence {
        /// The evidence.
        evidence: SignedStatement,
    },
    /// A status said to the agency.
    Status {
        /// The status.
        status: SignedStatement,
        /// Its age-encrypted text, or nothing.
        text: Bytes,
    },
}

impl Item {
    /// The digest of the item's statement: what a cursor carries.
    pub fn digest(&self) -> Digest {
        match &self.content {
            ItemContent::Envelope { envelope, .. } => envelope.digest(),
            ItemContent::Evidence { evidence } => evidence.digest(),
            ItemContent::Status { status, .. } => status.digest(),
        }
    }
}
