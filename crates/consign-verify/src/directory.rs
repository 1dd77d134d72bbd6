//! A directory whose head, root and entries were checked against the trust file.
//!
//! A directory says who is who. Whether it is still good for *new* decisions is a
//! question of time that the caller asks with [`Directory::is_fresh`]; an old version
//! stays good for judging what was signed under it.

pub mod changes;
mod error;
mod proof;
mod succession;

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use consign_domain::directory::{
    AgencyEntry, AuthorityEntry, CodeEntry, EncryptionKeyEntry, EncryptionKeyKind, Entry,
    EntryState, GroupEntry, HubEntry, KeyState, NodeEntry, StatementKeyEntry,
};
use consign_domain::limits::{MAX_DIRECTORY, MAX_ENTRIES};
use consign_domain::statement::{DirectoryHead, Statement};
use consign_domain::{
    AgencyCode, AgencyId, Digest, DirectoryVersion, HubId, KeyId, NodeId, PartyId, SignedStatement,
    Timestamp,
};
use consign_log::Tree;
use consign_pki::encryption::EncryptionRecipient;
use consign_pki::statement::StatementPublicKey;

use crate::trust::TrustStore;

pub use error::{DirectoryError, SuccessionError};
pub use proof::{EntryProof, MAX_PROOF, ProofError, ProvenEntry};
pub use succession::{Known, follows};

/// A statement key, ready to verify with.
#[derive(Debug, Clone)]
pub struct KnownKey {
    /// As the directory lists it.
    pub entry: StatementKeyEntry,
    /// The parsed public key.
    pub public: StatementPublicKey,
}

impl KnownKey {
    /// Whether it may say anything new: a revoked key may not, whatever time it claims.
    pub fn may_sign_now(&self) -> bool {
        self.entry.state != KeyState::Revoked
    }

    /// Whether what it signed at a moment counts.
    pub fn counts_at(&self, at: Timestamp) -> bool {
        // A retired key vouches for what it signed within its dates; a revoked one only
        // for what it signed before the end that its revocation set.
        let bounded = self.entry.state == KeyState::Active || self.entry.validity.until.is_some();
        bounded && self.entry.validity.contains(at)
    }
}

/// A directory that was checked.
#[derive(Debug)]
pub struct Directory {
    signed_head: SignedStatement,
    head: DirectoryHead,
    entries: Vec<u8>,
    agencies: HashMap<AgencyId, AgencyEntry>,
    codes: HashMap<AgencyCode, AgencyId>,
    seals: HashMap<Digest, AgencyId>,
    nodes: HashMap<NodeId, NodeEntry>,
    hubs: HashMap<HubId, HubEntry>,
    tls_nodes: HashMap<Digest, NodeId>,
    tls_hubs: HashMap<Digest, HubId>,
    authority: Option<AuthorityEntry>,
    groups: Vec<GroupEntry>,
    keys: HashMap<(PartyId, KeyId), KnownKey>,
    is_part: bool,
}

impl Directory {
    /// Checks a head and its entries (lines, each ended by a newline) against a trust file.
    ///
    /// # Errors
    /// [`DirectoryError`] names the first fault.
    pub fn verify(
        signed_head: SignedStatement,
        entries: Vec<u8>,
        trust: &TrustStore,
    ) -> Result<Self, DirectoryError> {
        let head = verify_head(&signed_head, trust)?;
        if entries.len() > MAX_DIRECTORY {
            return Err(DirectoryError::TooLarge);
        }
        let newlines = entries.iter().filter(|byte| **byte == b'\n').count();
        if newlines > MAX_ENTRIES {
            return Err(DirectoryError::TooLarge);
        }
        let lines = lines(&entries);
        if lines.len() as u64 != head.entries {
            return Err(DirectoryError::Count {
                found: lines.len(),
                expected: head.entries,
            });
        }
        if Digest::from_bytes(Tree::from_leaves(&lines).root()) != head.root {
            return Err(DirectoryError::Root);
        }
        let parsed = parse_entries(&lines)?;
        Self::of_entries(signed_head, head, entries, parsed)
    }

    /// The parts of directories that some of their entries are: one part for each head, oldest
    /// first. What a part does not know may be in the whole all the same.
    ///
    /// # Errors
    /// For a part, [`DirectoryError::Claim`] if its entries contradict each other.
    pub fn of_proven(proven: Vec<ProvenEntry>) -> Vec<Result<Self, DirectoryError>> {
        let mut heads: BTreeMap<(DirectoryVersion, Digest), Vec<ProvenEntry>> = BTreeMap::new();
        for one in proven {
            let head = (one.head.version(), one.signed_head.digest());
            heads.entry(head).or_default().push(one);
        }
        heads.into_values().filter_map(Self::part).collect()
    }

    /// The part of one directory that entries under the same head are.
    fn part(mut proven: Vec<ProvenEntry>) -> Option<Result<Self, DirectoryError>> {
        proven.sort_by_key(|one| one.entry.id());
        proven.dedup_by_key(|one| one.entry.id());
        let first = proven.first()?;
        let (head, signed_head) = (first.head.clone(), first.signed_head.clone());
        let entries = proven.into_iter().map(|one| one.entry).collect();
        let part = Self::of_entries(signed_head, head, Vec::new(), entries);
        Some(part.map(|part| Self {
            is_part: true,
            ..part
        }))
    }

    fn of_entries(
        signed_head: SignedStatement,
        head: DirectoryHead,
        lines: Vec<u8>,
        entries: Vec<Entry>,
    ) -> Result<Self, DirectoryError> {
        let mut directory = Self {
            signed_head,
            head,
            entries: lines,
            agencies: HashMap::new(),
            codes: HashMap::new(),
            seals: HashMap::new(),
            nodes: HashMap::new(),
            hubs: HashMap::new(),
            tls_nodes: HashMap::new(),
            tls_hubs: HashMap::new(),
            authority: None,
            groups: Vec::new(),
            keys: HashMap::new(),
            is_part: false,
        };
        for (index, entry) in entries.into_iter().enumerate() {
            directory
                .insert(entry)
                .ok_or(DirectoryError::Claim { index })?;
        }
        Ok(directory)
    }

    /// Takes an entry in; `None` if it claims what another entry has.
    fn insert(&mut self, entry: Entry) -> Option<()> {
        if let Some((party, keys)) = entry.signer() {
            for key in keys {
                let Some(raw) = key.ed25519() else { continue };
                let public = StatementPublicKey::from_bytes(&raw).ok()?;
                let named = public.key_id() == key.id.to_bytes();
                let known = KnownKey {
                    entry: key.clone(),
                    public,
                };
                let new = self.keys.insert((party, key.id), known).is_none();
                (named && new).then_some(())?;
            }
        }
        match entry {
            Entry::Agency(agency) => self.insert_agency(agency)?,
            Entry::Node(node) => {
                for tls in &node.tls {
                    self.claim_certificate(tls.certificate)?;
                    self.tls_nodes.insert(tls.certificate, node.id);
                }
                self.nodes.insert(node.id, node);
            }
            Entry::Hub(hub) => {
                for tls in &hub.tls {
                    self.claim_certificate(tls.certificate)?;
                    self.tls_hubs.insert(tls.certificate, hub.id);
                }
                let named = |other: &HubEntry| other.code == hub.code;
                let taken = self.hubs.values().any(named) || hub.code == self.head.signer.code;
                (!taken).then_some(())?;
                self.hubs.insert(hub.id, hub);
            }
            Entry::Authority(authority) => {
                (authority.id == self.head.signer.id).then_some(())?;
                for tls in &authority.tls {
                    self.claim_certificate(tls.certificate)?;
                }
                self.authority = Some(authority);
            }
            Entry::Group(group) => {
                let named = |other: &GroupEntry| other.code == group.code;
                (!self.groups.iter().any(named)).then_some(())?;
                self.groups.push(group);
            }
            // Of a kind that is not known here: passed over.
            _ => {}
        }
        Some(())
    }

    fn insert_agency(&mut self, agency: AgencyEntry) -> Option<()> {
        for code in &agency.codes {
            let holder = *self.codes.entry(code.code.clone()).or_insert(agency.id);
            (holder == agency.id).then_some(())?;
        }
        for seal in &agency.seals {
            let holder = *self.seals.entry(seal.certificate).or_insert(agency.id);
            (holder == agency.id).then_some(())?;
        }
        let x25519 = |key: &&EncryptionKeyEntry| key.kind == EncryptionKeyKind::X25519;
        for key in agency.encryption_keys.iter().filter(x25519) {
            let recipient = EncryptionRecipient::from_text(key.public.as_str()).ok()?;
            (recipient.key_id() == key.id.to_bytes()).then_some(())?;
        }
        self.agencies.insert(agency.id, agency);
        Some(())
    }

    fn claim_certificate(&self, certificate: Digest) -> Option<()> {
        let of_authority = |authority: &AuthorityEntry| {
            let mut listed = authority.tls.iter();
            listed.any(|tls| tls.certificate == certificate)
        };
        let taken = self.tls_nodes.contains_key(&certificate)
            || self.tls_hubs.contains_key(&certificate)
            || self.authority.as_ref().is_some_and(of_authority);
        (!taken).then_some(())
    }

    /// The version.
    pub const fn version(&self) -> DirectoryVersion {
        self.head.version()
    }

    /// The head's fields.
    pub const fn head(&self) -> &DirectoryHead {
        &self.head
    }

    /// The head as it was signed.
    pub const fn signed_head(&self) -> &SignedStatement {
        &self.signed_head
    }

    /// The entries as they were signed: lines, each ended by a newline.
    pub fn entries(&self) -> &[u8] {
        &self.entries
    }

    /// Whether it is some of a directory's entries, and not the whole.
    pub const fn is_part(&self) -> bool {
        self.is_part
    }

    /// Whether new decisions may still be made with it.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.head.expires
    }

    /// An agency by its immutable id.
    pub fn agency(&self, id: AgencyId) -> Option<&AgencyEntry> {
        self.agencies.get(&id)
    }

    /// The agency that has, or once had, a code.
    pub fn agency_by_code(&self, code: &AgencyCode) -> Option<&AgencyEntry> {
        self.codes.get(code).and_then(|id| self.agencies.get(id))
    }

    /// The agency whose entry has, or once had, a code of the older form beside its own.
    pub fn agency_by_old_code(&self, old: &str) -> Option<&AgencyEntry> {
        let has = |one: &CodeEntry| one.old.as_ref().is_some_and(|own| own.as_str() == old);
        self.agencies().find(|agency| agency.codes.iter().any(has))
    }

    /// Whether a certificate (SHA-256 of its DER) is, or once was, an agency's seal.
    pub fn lists_seal(&self, certificate: Digest) -> bool {
        self.seals.contains_key(&certificate)
    }

    /// The agency that may be sent to under a code at a moment.
    pub fn active_agency(&self, code: &AgencyCode, at: Timestamp) -> Option<&AgencyEntry> {
        self.agency_by_code(code)
            .filter(|agency| agency.state == EntryState::Active && agency.code_at(at) == Some(code))
    }

    /// The active agency that a code means, also one that it has no more: a code is never given
    /// to another agency, so what was addressed before an agency was renamed is still its own.
    pub fn addressee(&self, code: &AgencyCode) -> Option<&AgencyEntry> {
        self.agency_by_code(code)
            .filter(|agency| agency.state == EntryState::Active)
    }

    /// What became of the agency that has, or once had, a code, for people: its code now, or the
    /// agency that it was merged into; `None` where there is nothing to say.
    pub fn now_known_as(&self, code: &AgencyCode, at: Timestamp) -> Option<Became<'_>> {
        let agency = self.agency_by_code(code)?;
        if let Some(successor) = agency.successor {
            let code = self.agency(successor)?.code_at(at)?;
            return Some(Became::MergedInto(code));
        }
        let now = agency.code_at(at)?;
        (now != code).then_some(Became::Renamed(now))
    }

    /// All agencies, in no order.
    pub fn agencies(&self) -> impl Iterator<Item = &AgencyEntry> {
        self.agencies.values()
    }

    /// All hubs, in no order.
    pub fn hubs(&self) -> impl Iterator<Item = &HubEntry> {
        self.hubs.values()
    }

    /// All groups, also those that have ended.
    pub fn groups(&self) -> impl Iterator<Item = &GroupEntry> {
        self.groups.iter()
    }

    /// The group that people call so at a moment: by its short name, or by its name where no
    /// other group has that.
    pub fn group(&self, called: &str, at: Timestamp) -> Option<&GroupEntry> {
        let groups = self.groups.iter();
        let mut groups = groups.filter(move |group| group.validity.contains(at));
        let by_code = groups.clone().find(|group| group.code.as_str() == called);
        let mut named = groups
            .by_ref()
            .filter(|group| group.name.as_str() == called);
        by_code.or(match (named.next(), named.next()) {
            (Some(group), None) => Some(group),
            _ => None,
        })
    }

    /// A node by its id.
    pub fn node(&self, id: NodeId) -> Option<&NodeEntry> {
        self.nodes.get(&id)
    }

    /// A hub by its id.
    pub fn hub(&self, id: HubId) -> Option<&HubEntry> {
        self.hubs.get(&id)
    }

    /// The active node that a TLS certificate (SHA-256 of its DER) belongs to at a moment.
    pub fn node_by_certificate(&self, certificate: Digest, at: Timestamp) -> Option<&NodeEntry> {
        let node = self.nodes.get(self.tls_nodes.get(&certificate)?)?;
        let listed = |tls: &&consign_domain::directory::TlsEntry| {
            tls.certificate == certificate && tls.validity.contains(at)
        };
        (node.state == EntryState::Active && node.tls.iter().any(|tls| listed(&tls)))
            .then_some(node)
    }

    /// The node that lists, or once listed, a TLS certificate (SHA-256 of its DER), in whatever
    /// state.
    pub fn node_of_certificate(&self, certificate: Digest) -> Option<&NodeEntry> {
        self.nodes.get(self.tls_nodes.get(&certificate)?)
    }

    /// The active hub that a TLS certificate (SHA-256 of its DER) belongs to at a moment.
    pub fn hub_by_certificate(&self, certificate: Digest, at: Timestamp) -> Option<&HubEntry> {
        let hub = self.hubs.get(self.tls_hubs.get(&certificate)?)?;
        let listed = |tls: &consign_domain::directory::TlsEntry| {
            tls.certificate == certificate && tls.validity.contains(at)
        };
        (hub.state == EntryState::Active && hub.tls.iter().any(listed)).then_some(hub)
    }

    /// Where the authority answers requests, if it says so.
    pub const fn authority(&self) -> Option<&AuthorityEntry> {
        self.authority.as_ref()
    }

    /// Whether a TLS certificate (SHA-256 of its DER) is the authority's at a moment.
    pub fn is_authority_certificate(&self, certificate: Digest, at: Timestamp) -> bool {
        let listed = |tls: &consign_domain::directory::TlsEntry| {
            tls.certificate == certificate && tls.validity.contains(at)
        };
        self.authority
            .as_ref()
            .is_some_and(|authority| authority.tls.iter().any(listed))
    }

    /// Whether a node serves an agency.
    pub fn serves(&self, node: NodeId, agency: AgencyId) -> bool {
        self.agency(agency).is_some_and(|entry| entry.node == node)
    }

    /// A party's statement key.
    pub fn key(&self, party: PartyId, key: KeyId) -> Option<&KnownKey> {
        self.keys.get(&(party, key))
    }

    /// An entry's line with the path that shows it to be in the directory; `None` if nobody
    /// has the id.
    pub fn path_of(&self, id: [u8; 16]) -> Option<EntryPath<'_>> {
        self.paths_of(&[id]).pop()?
    }

    /// The same of several, in their order.
    pub fn paths_of(&self, ids: &[[u8; 16]]) -> Vec<Option<EntryPath<'_>>> {
        let lines = lines(&self.entries);
        let tree = Tree::from_leaves(&lines);
        // Lines were checked to be in the order of their ids.
        let of = |line: &&[u8]| Entry::parse(line).map_or([0; 16], |entry| entry.id());
        let path = |id: &[u8; 16]| {
            let index = lines.binary_search_by_key(id, of).ok()?;
            Some(EntryPath {
                line: lines.get(index)?,
                index: index as u64,
                path: tree.path(index)?,
            })
        };
        ids.iter().map(path).collect()
    }
}

/// What became of an agency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became<'a> {
    /// It has this code now.
    Renamed(&'a AgencyCode),
    /// It was merged into the agency with this code.
    MergedInto(&'a AgencyCode),
}

impl fmt::Display for Became<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Renamed(code) => write!(f, "now {code}"),
            Self::MergedInto(code) => write!(f, "merged into {code}"),
        }
    }
}

/// Where an entry stands under the root that the head signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPath<'a> {
    /// The entry as it was signed, without the line's end.
    pub line: &'a [u8],
    /// Its place, from 0.
    pub index: u64,
    /// The hashes from the leaf to the root, lowest first.
    pub path: Vec<consign_log::Hash>,
}

fn verify_head(
    signed: &SignedStatement,
    trust: &TrustStore,
) -> Result<DirectoryHead, DirectoryError> {
    let head = DirectoryHead::parse(&signed.statement)
        .map_err(|source| DirectoryError::Head { source })?;
    let of_authority = head.network == trust.network()
        && head.signer.id == trust.authority()
        && head.signer.code == *trust.authority_code();
    if !of_authority {
        return Err(DirectoryError::OtherAuthority);
    }
    let key = head.signer.key;
    let public = trust
        .directory_key(key)
        .ok_or(DirectoryError::UnknownKey { key })?;
    public
        .verify(&signed.statement, &signed.signature)
        .map_err(|_| DirectoryError::Signature)?;
    if head.version() < trust.minimum_version() {
        let (found, minimum) = (head.version(), trust.minimum_version());
        return Err(DirectoryError::TooOld { found, minimum });
    }
    Ok(head)
}

/// The lines of a directory, without their ends. Bytes after the last newline are a line
/// of their own, so that nothing escapes the root.
fn lines(entries: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = entries.split(|byte| *byte == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    lines
}

fn parse_entries(lines: &[&[u8]]) -> Result<Vec<Entry>, DirectoryError> {
    let mut entries: Vec<Entry> = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        let entry = Entry::parse(line).map_err(|source| DirectoryError::Entry { index, source })?;
        if entries
            .last()
            .is_some_and(|before| before.id() >= entry.id())
        {
            return Err(DirectoryError::Order { index });
        }
        entries.push(entry);
    }
    Ok(entries)
}
