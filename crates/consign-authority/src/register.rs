//! Everyone the authority has enrolled, in memory.
//!
//! Invariants: ids, codes and keys have one holder, for ever. A code, once an agency's,
//! is never another's; a key, even a retired one, never serves another party.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use consign_domain::directory::{
    AgencyEntry, AuthorityEntry, Entry, EntryState, GroupEntry, HubEntry, NodeEntry,
};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, AgencyId, Digest, HubId, NodeId, PartyCode, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::AuthorityError;
use crate::revocation::RevocationRecord;

/// What kind of party an id belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// An agency.
    Agency,
    /// A node.
    Node,
    /// A hub.
    Hub,
    /// A group of agencies.
    Group,
    /// The authority itself, or its network.
    Authority,
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Agency => "an agency",
            Self::Node => "a node",
            Self::Hub => "a hub",
            Self::Group => "a group",
            Self::Authority => "the authority",
        })
    }
}

/// A certificate that was issued to a party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateRecord {
    /// Its serial number in lowercase hexadecimal digits, and its file's name.
    pub(crate) serial: String,
    /// SHA-256 of its DER bytes.
    pub(crate) sha256: Digest,
    /// The name of the key it certifies: see [`crate::applicant::key_digest`].
    pub(crate) key: Digest,
    /// Its first second.
    pub(crate) from: Timestamp,
    /// Its last second.
    pub(crate) until: Timestamp,
    /// How it was revoked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revoked: Option<RevocationRecord>,
}

/// A party's working state: `entries/<id>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    /// What the next directory will say.
    pub(crate) entry: Entry,
    /// Every certificate issued to it, but those of its time-stamp authority.
    pub(crate) certificates: Vec<CertificateRecord>,
    /// Every certificate issued to a hub's time-stamp authority.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) time_stamps: Vec<CertificateRecord>,
}

impl Record {
    pub(crate) const fn kind(&self) -> Kind {
        match self.entry {
            Entry::Agency(_) => Kind::Agency,
            Entry::Node(_) => Kind::Node,
            Entry::Authority(_) => Kind::Authority,
            Entry::Group(_) => Kind::Group,
            _ => Kind::Hub,
        }
    }

    /// What people call the party: its newest code, or a node's name.
    pub(crate) fn party(&self) -> String {
        match &self.entry {
            Entry::Agency(agency) => {
                let mut codes = agency.codes.iter();
                let current = codes.find(|one| one.validity.until.is_none());
                let current = current.or(agency.codes.last());
                current.map_or_else(String::new, |one| one.code.to_string())
            }
            Entry::Node(node) => format!("node {}", node.name),
            Entry::Hub(hub) => hub.code.to_string(),
            Entry::Group(group) => group.code.to_string(),
            _ => "the authority".to_owned(),
        }
    }

    /// Refuses what no reader accepts, and the authority itself would not read again.
    ///
    /// # Errors
    /// [`AuthorityError::Entry`]: the entry is too large, or breaks a rule.
    pub(crate) fn check(&self) -> Result<(), AuthorityError> {
        match Entry::parse(&self.entry.to_bytes()) {
            Ok(_) => Ok(()),
            Err(source) => Err(AuthorityError::Entry {
                party: self.party(),
                source,
            }),
        }
    }

    /// Every certificate issued to it.
    pub(crate) fn all_certificates(&self) -> impl Iterator<Item = &CertificateRecord> {
        self.certificates.iter().chain(&self.time_stamps)
    }

    /// The keys it claims for ever.
    fn keys(&self) -> Vec<Digest> {
        let mut keys: Vec<Digest> = self.all_certificates().map(|one| one.key).collect();
        if let Some((_, statement)) = self.entry.signer() {
            keys.extend(
                statement
                    .iter()
                    .filter_map(|key| key.ed25519().map(Digest::from_bytes)),
            );
        }
        if let Entry::Agency(agency) = &self.entry {
            let encryption = agency.encryption_keys.iter();
            keys.extend(encryption.map(|key| Digest::of(key.public.as_str().as_bytes())));
        }
        keys
    }
}

/// Everyone enrolled.
#[derive(Debug, Default)]
pub(crate) struct Register {
    records: BTreeMap<[u8; 16], Record>,
    codes: HashMap<PartyCode, [u8; 16]>,
    keys: HashMap<Digest, [u8; 16]>,
    reserved: Vec<[u8; 16]>,
}

impl Register {
    /// Keeps an id from being given to anyone.
    pub(crate) fn reserve_id(&mut self, id: [u8; 16]) {
        self.reserved.push(id);
    }

    /// Keeps a code from being given to anyone but `holder`.
    pub(crate) fn reserve_code(&mut self, code: PartyCode, holder: [u8; 16]) {
        self.codes.insert(code, holder);
    }

    /// Keeps a key from being given to anyone but `holder`.
    pub(crate) fn reserve_key(&mut self, key: Digest, holder: [u8; 16]) {
        self.keys.insert(key, holder);
    }

    /// Puts a record in the place of the one with its id.
    pub(crate) fn put(&mut self, record: Record) {
        let id = record.entry.id();
        for key in record.keys() {
            self.keys.entry(key).or_insert(id);
        }
        match &record.entry {
            Entry::Agency(agency) => {
                for code in &agency.codes {
                    self.codes.entry(code.code.clone().into()).or_insert(id);
                }
            }
            Entry::Hub(hub) => {
                self.codes.entry(hub.code.clone()).or_insert(id);
            }
            Entry::Group(group) => {
                self.codes.entry(group.code.clone()).or_insert(id);
            }
            _ => {}
        }
        self.records.insert(id, record);
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn get(&self, id: [u8; 16]) -> Option<&Record> {
        self.records.get(&id)
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.records.values()
    }

    pub(crate) fn agency(&self, id: AgencyId) -> Option<&AgencyEntry> {
        match &self.get(id.to_bytes())?.entry {
            Entry::Agency(agency) => Some(agency),
            _ => None,
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&NodeEntry> {
        match &self.get(id.to_bytes())?.entry {
            Entry::Node(node) => Some(node),
            _ => None,
        }
    }

    pub(crate) fn hub(&self, id: HubId) -> Option<&HubEntry> {
        match &self.get(id.to_bytes())?.entry {
            Entry::Hub(hub) => Some(hub),
            _ => None,
        }
    }

    /// All groups, also those that have ended.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &GroupEntry> {
        self.records().filter_map(|record| match &record.entry {
            Entry::Group(group) => Some(group),
            _ => None,
        })
    }

    /// The group of a short name.
    pub(crate) fn group_by_code(&self, code: &PartyCode) -> Option<&GroupEntry> {
        match &self.get(self.code_holder(code)?)?.entry {
            Entry::Group(group) => Some(group),
            _ => None,
        }
    }

    pub(crate) fn authority(&self, id: [u8; 16]) -> Option<&AuthorityEntry> {
        match &self.get(id)?.entry {
            Entry::Authority(authority) => Some(authority),
            _ => None,
        }
    }

    pub(crate) fn active_hubs(&self) -> impl Iterator<Item = &HubEntry> {
        self.records().filter_map(|record| match &record.entry {
            Entry::Hub(hub) if hub.state == EntryState::Active => Some(hub),
            _ => None,
        })
    }

    /// The hub of a name.
    pub(crate) fn hub_by_code(&self, code: &PartyCode) -> Option<&HubEntry> {
        match &self.get(self.code_holder(code)?)?.entry {
            Entry::Hub(hub) => Some(hub),
            _ => None,
        }
    }

    /// Whose code it is or once was.
    pub(crate) fn code_holder(&self, code: &PartyCode) -> Option<[u8; 16]> {
        self.codes.get(code).copied()
    }

    /// Whose code of the older form it is or once was.
    pub(crate) fn old_code_holder(&self, old: &str) -> Option<[u8; 16]> {
        let has = |record: &&Record| match &record.entry {
            Entry::Agency(agency) => {
                let mut listed = agency.codes.iter().filter_map(|one| one.old.as_ref());
                listed.any(|one| one.as_str() == old)
            }
            _ => false,
        };
        self.records().find(has).map(|record| record.entry.id())
    }

    /// A code's older form for an agency, where it has one that is no other's.
    pub(crate) fn old_form(&self, code: &AgencyCode, id: AgencyId) -> Option<Line<35>> {
        let old = Line::new(code.to_old().ok()?).ok()?;
        let holder = self.old_code_holder(old.as_str());
        holder
            .is_none_or(|holder| holder == id.to_bytes())
            .then_some(old)
    }

    /// The agency whose code it is at a moment.
    pub(crate) fn agency_by_code(&self, code: &AgencyCode, at: Timestamp) -> Option<&AgencyEntry> {
        match &self.get(self.code_holder(&code.clone().into())?)?.entry {
            Entry::Agency(agency) if agency.code_at(at) == Some(code) => Some(agency),
            _ => None,
        }
    }

    /// Refuses an id that is another kind of party's.
    pub(crate) fn check_id(&self, id: [u8; 16], kind: Kind) -> Result<(), AuthorityError> {
        let holder = if self.reserved.contains(&id) {
            Some(Kind::Authority)
        } else {
            self.get(id).map(Record::kind)
        };
        match holder {
            Some(holder) if holder != kind => Err(AuthorityError::IdTaken {
                id: Uuid::from_bytes(id),
                holder,
            }),
            _ => Ok(()),
        }
    }

    /// Refuses a code that is or was another's.
    pub(crate) fn check_code(&self, code: &PartyCode, id: [u8; 16]) -> Result<(), AuthorityError> {
        match self.code_holder(code) {
            Some(holder) if holder != id => Err(AuthorityError::CodeTaken {
                code: code.clone(),
                holder: Uuid::from_bytes(holder),
            }),
            _ => Ok(()),
        }
    }

    /// Who has or had a key.
    pub(crate) fn key_holder(&self, key: Digest) -> Option<[u8; 16]> {
        self.keys.get(&key).copied()
    }

    /// The directory's lines in their order, without their ends.
    pub(crate) fn lines(&self) -> Vec<Vec<u8>> {
        self.records()
            .map(|record| record.entry.to_bytes())
            .collect()
    }

    /// Whether everyone whom an agency's entry names has an entry: an interrupted
    /// `issue` may have left some of them out.
    pub(crate) fn check_references(&self) -> Result<(), AuthorityError> {
        for record in self.records() {
            let Entry::Agency(agency) = &record.entry else {
                continue;
            };
            let node = (self.node(agency.node).is_none()).then(|| agency.node.to_bytes());
            let hub = (self.hub(agency.hub).is_none()).then(|| agency.hub.to_bytes());
            let above = agency.parent.filter(|id| self.agency(*id).is_none());
            if let Some(missing) = node.or(hub).or(above.map(AgencyId::to_bytes)) {
                return Err(AuthorityError::Dangling {
                    party: Uuid::from_bytes(agency.id.to_bytes()),
                    missing: Uuid::from_bytes(missing),
                });
            }
        }
        Ok(())
    }
}
