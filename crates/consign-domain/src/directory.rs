//! The directory's entries: who is who, who serves whom, and which keys count.
//!
//! Each entry is a JSON text of its own and a leaf of the head's Merkle tree, so an
//! entry proves itself with a path. Entries stand in strictly ascending order of
//! their ids, one per line. An id is never given to another party and a code, once
//! an agency's, never becomes another's: the authority sees to both.
//!
//! Unlike statements, entries may grow: a reader passes over fields, kinds of entry and
//! kinds of key that it does not know, so that a new key kind stops nobody who has no
//! use for it. The bytes are kept and hashed as they are.

mod entry;

use serde::{Deserialize, Serialize};

use crate::code::{AgencyCode, PartyCode};
use crate::digest::Digest;
use crate::id::{AgencyId, GroupId, HubId, KeyId, NodeId, PartyId};
use crate::statement::AgeRecipient;
use crate::text::Line;
use crate::time::Timestamp;

pub use entry::{Entry, EntryError};

/// What a signer is, by the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// An agency.
    Agency,
    /// A relay hub.
    Hub,
    /// The authority, by the trust file.
    Authority,
}

/// Whether a party takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EntryState {
    /// It sends and receives.
    Active,
    /// It neither sends nor receives for now.
    Suspended,
    /// It no longer exists; its entry stays so that old evidence can be checked.
    Closed,
}

/// Whether a key counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum KeyState {
    /// It counts between its dates.
    Active,
    /// It no longer signs; what it signed between its dates stays good.
    Retired,
    /// It counts for nothing said from `until` on.
    Revoked,
}

/// A span of time: from a moment on, up to but not including another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validity {
    /// The first moment.
    pub from: Timestamp,
    /// The first moment after, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Validity {
    /// Whether a moment lies within.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// An Ed25519 key that signs statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementKeyEntry {
    /// Its name.
    pub id: KeyId,
    /// The algorithm.
    pub kind: StatementKeyKind,
    /// The public key; for Ed25519, 32 bytes as hexadecimal digits.
    pub public: KeyText,
    /// When it counts.
    pub validity: Validity,
    /// Whether it counts.
    pub state: KeyState,
}

/// Algorithms of statement keys; a post-quantum one can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum StatementKeyKind {
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// One that this version does not know: it verifies nothing.
    #[serde(other)]
    Other,
}

/// A public key's text: 1 to 8,192 visible ASCII characters, read by the key's kind.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct KeyText(String);

impl KeyText {
    /// Checks length and characters.
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let fits = (1..=8192).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Digest> for KeyText {
    fn from(raw: Digest) -> Self {
        Self(raw.to_string())
    }
}

impl From<AgeRecipient> for KeyText {
    fn from(recipient: AgeRecipient) -> Self {
        Self(recipient.as_str().to_owned())
    }
}

impl<'de> Deserialize<'de> for KeyText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(text).ok_or_else(|| serde::de::Error::custom("not a public key's text"))
    }
}

impl StatementKeyEntry {
    /// The 32 raw bytes, if it is an Ed25519 key.
    pub fn ed25519(&self) -> Option<[u8; 32]> {
        let raw: Digest = self.public.as_str().parse().ok()?;
        (self.kind == StatementKeyKind::Ed25519).then(|| raw.to_bytes())
    }
}

/// An age key that wraps are made to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionKeyEntry {
    /// Its name.
    pub id: KeyId,
    /// The algorithm.
    pub kind: EncryptionKeyKind,
    /// The public key; for X25519, an age recipient.
    pub public: KeyText,
    /// When it may be encrypted to.
    pub validity: Validity,
    /// Whether it counts.
    pub state: KeyState,
}

/// Algorithms of encryption keys; a post-quantum one can be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum EncryptionKeyKind {
    /// X25519, as in age.
    X25519,
    /// One that this version does not know: nothing is encrypted to it.
    #[serde(other)]
    Other,
}

/// A code and when it was the agency's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodeEntry {
    /// The canonical code.
    pub code: AgencyCode,
    /// The older form (QCVN 102:2016), where it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old: Option<Line<35>>,
    /// When it was the agency's.
    pub validity: Validity,
}

/// A name and when it was the agency's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameEntry {
    /// The name.
    pub name: Line<200>,
    /// When it was the agency's.
    pub validity: Validity,
}

/// A TLS certificate by which a node or hub is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsEntry {
    /// SHA-256 of the certificate's DER bytes.
    pub certificate: Digest,
    /// When it counts; its own dates count besides.
    pub validity: Validity,
}

/// A certificate that an agency seals documents with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealEntry {
    /// SHA-256 of the certificate's DER bytes.
    pub certificate: Digest,
    /// When it seals; the certificate's own dates count besides.
    pub validity: Validity,
    /// Active, retired (replaced, what it sealed stays good) or revoked.
    pub state: KeyState,
}

/// An agency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgencyEntry {
    /// Its id, for ever.
    pub id: AgencyId,
    /// Its codes; the first that is valid at a moment is its code then.
    pub codes: Vec<CodeEntry>,
    /// Its names, likewise.
    pub names: Vec<NameEntry>,
    /// The agency above it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<AgencyId>,
    /// The node that serves it.
    pub node: NodeId,
    /// The hub that holds its inbox.
    pub hub: HubId,
    /// Its statement keys.
    pub statement_keys: Vec<StatementKeyEntry>,
    /// Its encryption keys.
    pub encryption_keys: Vec<EncryptionKeyEntry>,
    /// Its seal certificates.
    pub seals: Vec<SealEntry>,
    /// Whether it takes part.
    pub state: EntryState,
    /// The agency that it was merged into, if it is closed for that reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<AgencyId>,
}

impl AgencyEntry {
    /// Whether its node may speak for it. One that was merged into another neither sends nor is
    /// sent to, and still receives and settles what was on its way.
    pub fn is_served(&self) -> bool {
        self.state != EntryState::Closed || self.successor.is_some()
    }

    /// Whether its newest statement key was revoked: it signs nothing until it has others.
    pub fn is_revoked(&self) -> bool {
        let newest = self.statement_keys.last();
        newest.is_some_and(|key| key.state == KeyState::Revoked)
    }

    /// Its code at a moment.
    pub fn code_at(&self, at: Timestamp) -> Option<&AgencyCode> {
        self.codes
            .iter()
            .find(|entry| entry.validity.contains(at))
            .map(|entry| &entry.code)
    }

    /// Its name at a moment.
    pub fn name_at(&self, at: Timestamp) -> Option<&str> {
        self.names
            .iter()
            .find(|entry| entry.validity.contains(at))
            .map(|entry| entry.name.as_str())
    }

    /// The key that wraps for it are made to at a moment.
    pub fn encryption_key_at(&self, at: Timestamp) -> Option<&EncryptionKeyEntry> {
        self.encryption_keys.iter().find(|key| {
            key.kind == EncryptionKeyKind::X25519
                && key.state == KeyState::Active
                && key.validity.contains(at)
        })
    }
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its id.
    pub id: NodeId,
    /// What people call it.
    pub name: Line<200>,
    /// The certificates it is known by.
    pub tls: Vec<TlsEntry>,
    /// Whether it takes part.
    pub state: EntryState,
}

/// A hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubEntry {
    /// Its id.
    pub id: HubId,
    /// Its name in statements, such as `hub-1`.
    pub code: PartyCode,
    /// Where it is reached: `name:port`.
    pub address: Line<260>,
    /// The certificates it is known by.
    pub tls: Vec<TlsEntry>,
    /// Its statement keys.
    pub statement_keys: Vec<StatementKeyEntry>,
    /// Whether it takes part.
    pub state: EntryState,
}

/// Agencies that are sent to together. A sender's node takes the members that it finds there when a
/// document is composed; the envelope names them one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupEntry {
    /// Its id.
    pub id: GroupId,
    /// Its short name, such as `so-nganh`; never another's.
    pub code: PartyCode,
    /// What people call it.
    pub name: Line<200>,
    /// The agencies in it: strictly ascending.
    pub members: Vec<AgencyId>,
    /// When it is one.
    pub validity: Validity,
}

/// Where the authority answers requests, so that keys can be renewed without files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityEntry {
    /// The authority's id, as in the trust file.
    pub id: PartyId,
    /// Where it is reached: `name:port`.
    pub address: Line<260>,
    /// The certificates it is known by.
    pub tls: Vec<TlsEntry>,
}
