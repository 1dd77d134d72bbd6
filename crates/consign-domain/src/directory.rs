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

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::code::{AgencyCode, PartyCode};
use crate::digest::Digest;
use crate::id::{AgencyId, GroupId, HubId, KeyId, NodeId, PartyId};
use crate::limits::{MAX_ENTRY, MAX_RECIPIENTS};
use crate::statement::AgeRecipient;
use crate::text::Line;
use crate::time::Timestamp;

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

/// One line of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
#[non_exhaustive]
pub enum Entry {
    /// An agency.
    #[serde(rename = "consign/agency/v1")]
    Agency(AgencyEntry),
    /// A node.
    #[serde(rename = "consign/node/v1")]
    Node(NodeEntry),
    /// A hub.
    #[serde(rename = "consign/hub/v1")]
    Hub(HubEntry),
    /// The authority's own service.
    #[serde(rename = "consign/authority-service/v1")]
    Authority(AuthorityEntry),
    /// A group of agencies.
    #[serde(rename = "consign/group/v1")]
    Group(GroupEntry),
    /// One of a kind that this version does not know, by its id.
    #[serde(skip)]
    Other([u8; 16]),
}

/// What entries of all kinds begin with.
#[derive(Deserialize)]
struct AnyEntry {
    #[serde(rename = "type")]
    kind: String,
    id: PartyId,
}

/// Why bytes are not a directory entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// More bytes than an entry may have.
    #[error("{size} bytes, an entry has at most {MAX_ENTRY}")]
    TooLarge {
        /// Bytes found.
        size: usize,
    },
    /// Not JSON, or a field is missing, unknown, doubled or out of its range.
    #[error("not a well-formed directory entry")]
    Malformed {
        /// Where and why.
        #[source]
        source: serde_json::Error,
    },
    /// Fields that do not go together.
    #[error("{rule}")]
    Inconsistent {
        /// The rule that is broken.
        rule: &'static str,
    },
}

impl Entry {
    const KINDS: [&str; 5] = [
        "consign/agency/v1",
        "consign/node/v1",
        "consign/hub/v1",
        "consign/authority-service/v1",
        "consign/group/v1",
    ];

    /// Reads one line.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY {
            return Err(EntryError::TooLarge { size: bytes.len() });
        }
        if bytes.contains(&b'\n') {
            return Err(EntryError::Inconsistent {
                rule: "an entry is one line",
            });
        }
        let malformed = |source| EntryError::Malformed { source };
        let any: AnyEntry = serde_json::from_slice(bytes).map_err(malformed)?;
        if !Self::KINDS.contains(&any.kind.as_str()) {
            return Ok(Self::Other(any.id.to_bytes()));
        }
        let entry: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        entry.check()?;
        Ok(entry)
    }

    /// The line, without its end.
    #[expect(clippy::expect_used, reason = "our own types always have a JSON form")]
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("entries serialise")
    }

    /// The id that orders the entries.
    pub const fn id(&self) -> [u8; 16] {
        match self {
            Self::Agency(agency) => agency.id.to_bytes(),
            Self::Node(node) => node.id.to_bytes(),
            Self::Hub(hub) => hub.id.to_bytes(),
            Self::Authority(authority) => authority.id.to_bytes(),
            Self::Group(group) => group.id.to_bytes(),
            Self::Other(id) => *id,
        }
    }

    /// The statement keys of the party, by id, if it signs statements.
    pub fn signer(&self) -> Option<(PartyId, &[StatementKeyEntry])> {
        match self {
            Self::Agency(agency) => Some((agency.id.into(), &agency.statement_keys)),
            Self::Hub(hub) => Some((hub.id.into(), &hub.statement_keys)),
            Self::Node(_) | Self::Authority(_) | Self::Group(_) | Self::Other(_) => None,
        }
    }

    fn check(&self) -> Result<(), EntryError> {
        let rule = |holds, rule| {
            if holds {
                Ok(())
            } else {
                Err(EntryError::Inconsistent { rule })
            }
        };
        match self {
            Self::Agency(agency) => {
                rule(!agency.codes.is_empty(), "an agency has a code")?;
                rule(!agency.names.is_empty(), "an agency has a name")?;
                rule(
                    agency.parent != Some(agency.id),
                    "an agency is not above itself",
                )?;
                let merged = agency.successor.is_some();
                rule(
                    !merged || agency.state == EntryState::Closed,
                    "an agency that was merged into another is closed",
                )?;
                rule(
                    agency.successor != Some(agency.id),
                    "an agency is not merged into itself",
                )?;
                let encryption = agency.encryption_keys.iter().map(|key| key.id);
                rule(distinct(encryption), "a key stands in an entry once")?;
                let mut seals = agency.seals.iter().map(|seal| (seal.state, seal.validity));
                rule(seals.all(ends), "a seal that is not active has an end")?;
                check_keys(&agency.statement_keys)
            }
            Self::Hub(hub) => {
                rule(
                    matches!(hub.code, PartyCode::Service(_)),
                    "a hub's name is lowercase",
                )?;
                check_keys(&hub.statement_keys)
            }
            Self::Group(group) => {
                rule(
                    matches!(group.code, PartyCode::Service(_)),
                    "a group's short name is lowercase",
                )?;
                let mut pairs = group.members.iter().zip(group.members.iter().skip(1));
                rule(
                    pairs.all(|(one, next)| one < next),
                    "a group's members are strictly ascending",
                )?;
                rule(
                    group.members.len() <= MAX_RECIPIENTS,
                    "a group has at most as many members as an envelope recipients",
                )
            }
            Self::Node(_) | Self::Authority(_) | Self::Other(_) => Ok(()),
        }
    }
}

fn check_keys(keys: &[StatementKeyEntry]) -> Result<(), EntryError> {
    let rule = |holds, rule| {
        if holds {
            Ok(())
        } else {
            Err(EntryError::Inconsistent { rule })
        }
    };
    rule(
        distinct(keys.iter().map(|key| key.id)),
        "a key stands in an entry once",
    )?;
    let ends = keys.iter().all(|key| ends((key.state, key.validity)));
    rule(ends, "a key that is not active has an end")
}

/// Without an end, a retired or revoked key would count for ever.
fn ends((state, validity): (KeyState, Validity)) -> bool {
    state == KeyState::Active || validity.until.is_some()
}

fn distinct(keys: impl Iterator<Item = KeyId>) -> bool {
    let mut seen = BTreeSet::new();
    keys.into_iter().all(|key| seen.insert(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubled_and_bad_fields_are_refused_and_new_ones_passed_over() {
        let node = r#"{"type":"consign/node/v1","id":"0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11","name":"Sở Nội vụ","tls":[],"state":"active"}"#;
        let parsed = Entry::parse(node.as_bytes()).unwrap();
        assert_eq!(parsed.to_bytes(), node.as_bytes());
        for (from, to) in [
            (r#""tls":[]"#, r#""tls":[],"tls":[]"#),
            (r#""active""#, r#""asleep""#),
            (r#","tls":[]"#, ""),
        ] {
            assert!(
                Entry::parse(node.replace(from, to).as_bytes()).is_err(),
                "{to}"
            );
        }
    }

    #[test]
    fn a_group_is_read_by_those_who_know_it_and_passed_over_by_others() {
        let group = r#"{"type":"consign/group/v1","id":"0b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11","code":"so-nganh","name":"Các sở, ngành","members":["1b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11","2b0ed3a6-5d0c-4c58-9f3f-0d0f9a1f7a11"],"validity":{"from":"2026-11-23T02:30:00Z"}}"#;
        let parsed = Entry::parse(group.as_bytes()).unwrap();
        assert!(matches!(&parsed, Entry::Group(group) if group.members.len() == 2));
        assert_eq!(parsed.to_bytes(), group.as_bytes());
        for (from, to) in [
            ("so-nganh", "H49.13"),
            ("2b0ed3a6", "1b0ed3a6"),
            ("2b0ed3a6", "00000000"),
        ] {
            let wrong = group.replace(from, to);
            assert!(Entry::parse(wrong.as_bytes()).is_err(), "{to}");
        }
        let later = group.replace("/v1", "/v2");
        let later = Entry::parse(later.as_bytes()).unwrap();
        assert_eq!(later, Entry::Other(parsed.id()));
    }

    #[test]
    fn validity_is_half_open() {
        let at = |seconds| Timestamp::from_unix(seconds).unwrap();
        let span = Validity {
            from: at(10),
            until: Some(at(20)),
        };
        assert!(!span.contains(at(9)) && span.contains(at(10)));
        assert!(span.contains(at(19)) && !span.contains(at(20)));
    }
}
