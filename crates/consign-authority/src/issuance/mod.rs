//! From a request to certificates and entries: checks first, then signatures, then words.
//!
//! Nothing is changed here. An [`Outcome`] names the records to store and the
//! certificates to keep; a refused request leaves no trace.

mod certificates;
mod changes;
mod place;
mod service;

use std::collections::{BTreeMap, HashSet};

use consign_domain::directory::{AgencyEntry, Entry, EntryState};
use consign_domain::enrolment::{AgencyRequest, HubRequest, NodeRequest, Request};
use consign_domain::limits::MAX_ENTRIES;
use consign_domain::{AgencyCode, AgencyId, Digest, PartyCode, Timestamp};
use consign_pki::issue::{CertificateAuthority, TlsSubject, TlsUsage, Validity};
use consign_runtime::entropy::EntropyError;
use uuid::Uuid;

use crate::address::{Host, host};
use crate::applicant::{self, ProvenRequest, proven_request};
use crate::entries::{self, Listed, Moment, Place};
use crate::error::{AuthorityError, KeyUsage};
use crate::register::{CertificateRecord, Kind, Record, Register};
use crate::settings::{DAY, Settings};

use changes::Changes;

/// How a request is carried out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IssueOptions {
    /// The hub of the request's agencies; else the one they have, the one that the
    /// settings name, or the only one.
    pub hub: Option<PartyCode>,
    /// Whether the request may change what is registered: keys, codes, names, parents,
    /// nodes, hubs, addresses. Without it a request only adds.
    pub replace: bool,
}

/// How long what is renewed counts beside the new, in seconds: nodes and hubs that are away
/// for a week-end go on with the old directory.
const OVERLAP_SECONDS: u64 = 7 * DAY;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A person decided: what it replaces ends at once.
    Enrol,
    /// Keys that are renewed by themselves: old and new overlap, and seals stay as they are.
    Renew,
}

/// Whether certificates that are wanted are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signing {
    /// They are.
    Made,
    /// It is only looked whether any would be: in its place stands one of no bytes, so that the
    /// record differs from the one that is registered, and is to be thrown away.
    Withheld,
}

/// Where serial numbers come from.
pub(crate) type Serials<'a> = &'a mut dyn FnMut() -> Result<[u8; 16], EntropyError>;

/// A certificate that was just made.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) serial: String,
    pub(crate) der: Vec<u8>,
}

/// What a request leads to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) for_id: Uuid,
    /// Records that are new or changed; those that others name come first.
    pub(crate) records: Vec<Record>,
    pub(crate) issued: Vec<Issued>,
    pub(crate) tls: CertificateRecord,
    pub(crate) seals: Vec<(AgencyId, CertificateRecord)>,
    pub(crate) time_stamp: Option<CertificateRecord>,
}

/// One request being carried out.
pub(crate) struct Issuance<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) register: &'a Register,
    pub(crate) authority: &'a CertificateAuthority,
    /// The issuing certificate's dates.
    pub(crate) authority_validity: Validity,
    /// From when on it counts for nothing, if it was revoked.
    pub(crate) authority_revoked: Option<Timestamp>,
    pub(crate) options: &'a IssueOptions,
    /// What holds for single agencies in the place of `options`.
    pub(crate) for_agencies: &'a BTreeMap<AgencyId, IssueOptions>,
    pub(crate) purpose: Purpose,
    pub(crate) signing: Signing,
    pub(crate) now: Timestamp,
    pub(crate) serials: Serials<'a>,
    pub(crate) issued: Vec<Issued>,
    pub(crate) keys: HashSet<Digest>,
}

impl Issuance<'_> {
    pub(crate) fn carry_out(self, request: &Request) -> Result<Outcome, AuthorityError> {
        if self.now.as_unix() >= self.authority_validity.not_after {
            let ended = Timestamp::from_unix_saturating(self.authority_validity.not_after);
            return Err(AuthorityError::IssuingExpired { ended });
        }
        match request {
            Request::Node(node) => self.node(node),
            Request::Hub(hub) => self.hub(hub),
            _ => Err(AuthorityError::RequestKind),
        }
    }

    fn node(mut self, request: &NodeRequest) -> Result<Outcome, AuthorityError> {
        let id = request.id.to_bytes();
        check_distinct(id, &request.agencies)?;
        let party = format!("node {}", request.name);
        self.check_room(id, &request.agencies)?;
        self.register.check_id(id, Kind::Node)?;
        let tls = self.prove(&request.tls, KeyUsage::Tls, id, &party)?;
        let register = self.register;
        let before = register.node(request.id);
        let mut changes = Changes::of(&party);
        if let Some(before) = before {
            open(before.state, &party)?;
            changes.note("name", before.name != request.name);
            changes.note(changes::TLS_KEY, self.key_differs(id, &tls));
        }
        changes.settle(self.options.replace, self.purpose)?;
        let same_subject = before.is_some_and(|before| before.name == request.name);
        let subject = TlsSubject {
            organization: request.name.to_string(),
            common_name: request.name.to_string(),
            dns_names: Vec::new(),
            ip_addresses: Vec::new(),
        };
        let listed = self.tls_certificate(id, &tls, same_subject, &subject, TlsUsage::Client)?;
        let entry = entries::node(before, request, &listed, self.moment());
        let mut records = vec![self.record(Entry::Node(entry), &listed)?];
        let parents = self.parents(&request.agencies)?;
        let mut seals = Vec::with_capacity(request.agencies.len());
        let is_over = |agency: &AgencyRequest| self.is_over(agency);
        let all_over = request.agencies.iter().all(is_over);
        for (agency, parent) in request.agencies.iter().zip(parents) {
            // It gets nothing more, and nothing about it keeps the others from theirs.
            if self.is_over(agency) && !all_over {
                continue;
            }
            let place = Place {
                parent,
                node: request.id,
                hub: self.hub_for(agency.id, register.agency(agency.id))?,
            };
            let (record, certificate) = self.agency(agency, place)?;
            records.push(record);
            seals.push((agency.id, certificate));
        }
        Ok(self.outcome(id, records, listed.certificate, seals))
    }

    fn agency(
        &mut self,
        request: &AgencyRequest,
        place: Place,
    ) -> Result<(Record, CertificateRecord), AuthorityError> {
        let before = self.register.agency(request.id);
        // Who invites it says by which code and name.
        let before_invited = before.filter(|_| !self.for_agencies.contains_key(&request.id));
        let request =
            &before_invited.map_or_else(|| request.clone(), |it| as_now(request, it, self.now));
        let (id, party) = (request.id.to_bytes(), request.code.to_string());
        AgencyCode::strict(request.code.as_str()).map_err(|source| {
            let code = request.code.clone();
            AuthorityError::CodeGrammar { code, source }
        })?;
        self.register.check_id(id, Kind::Agency)?;
        self.register.check_code(&request.code.clone().into(), id)?;
        let seal = self.prove(&request.seal, KeyUsage::Seal, id, &party)?;
        let now = self.now;
        let days = self.settings.lives.key_days;
        let validity = entries::key_validity(self.begins_early(before.is_none()), now, days);
        let statement = applicant::statement_key(request.statement, validity, &party)?;
        self.claim(request.statement, KeyUsage::Statement, id, &party)?;
        let encryption = applicant::encryption_key(&request.encryption, validity, &party)?;
        let claimed = Digest::of(request.encryption.as_str().as_bytes());
        self.claim(claimed, KeyUsage::Encryption, id, &party)?;
        let mut changes = Changes::of(&party);
        if let Some(before) = before {
            open(before.state, &party)?;
            changes.agency(before, request, place, now);
            changes.note("seal key", self.key_differs(id, &seal));
        }
        changes.settle(self.options_for(request.id).replace, self.purpose)?;
        let same_subject = before.is_some_and(|before| {
            before.code_at(now) == Some(&request.code)
                && before.name_at(now) == Some(request.name.as_str())
                && self.is_named_in_seal(before)
        });
        let listed = self.seal_certificate(request, &seal, same_subject)?;
        let keys = (statement, encryption);
        let moment = self.moment();
        let old = self.register.old_form(&request.code, request.id);
        let entry = entries::agency(before, request, place, old, &listed, keys, moment);
        let record = self.record(Entry::Agency(entry), &listed)?;
        Ok((record, listed.certificate))
    }

    fn hub(mut self, request: &HubRequest) -> Result<Outcome, AuthorityError> {
        let (id, party) = (request.id.to_bytes(), request.code.to_string());
        if request.code.agency().is_some() {
            let code = request.code.clone();
            return Err(AuthorityError::HubCode { code });
        }
        self.check_room(id, &[])?;
        self.register.check_id(id, Kind::Hub)?;
        self.register.check_code(&request.code, id)?;
        let host = host(request.address.as_str())?;
        let tls = self.prove(&request.tls, KeyUsage::Tls, id, &party)?;
        let (register, now) = (self.register, self.now);
        let before = register.hub(request.id);
        let days = self.settings.lives.key_days;
        let validity = entries::key_validity(self.begins_early(before.is_none()), now, days);
        let statement = applicant::statement_key(request.statement, validity, &party)?;
        self.claim(request.statement, KeyUsage::Statement, id, &party)?;
        let mut changes = Changes::of(&party);
        let mut same_subject = false;
        if let Some(before) = before {
            open(before.state, &party)?;
            if before.code != request.code {
                return Err(AuthorityError::HubRenamed {
                    code: before.code.clone(),
                });
            }
            let current = before.statement_keys.last();
            changes.note("address", before.address != request.address);
            changes.note(changes::TLS_KEY, self.key_differs(id, &tls));
            changes.note(
                changes::STATEMENT_KEY,
                current.is_none_or(|key| key.public.as_str() != request.statement.to_string()),
            );
            same_subject = before.address == request.address;
        }
        changes.settle(self.options.replace, self.purpose)?;
        let subject = hub_subject(self.settings.name.as_str(), &party, host);
        let listed = self.tls_certificate(id, &tls, same_subject, &subject, TlsUsage::Both)?;
        let entry = entries::hub(before, request, &listed, statement, self.moment());
        let mut record = self.record(Entry::Hub(entry), &listed)?;
        let time_stamp = self.time_stamp(request, &mut record, &party)?;
        let outcome = self.outcome(id, vec![record], listed.certificate, Vec::new());
        Ok(Outcome {
            time_stamp,
            ..outcome
        })
    }

    /// Certifies a hub's time-stamp authority, if the request has one.
    fn time_stamp(
        &mut self,
        request: &HubRequest,
        record: &mut Record,
        party: &str,
    ) -> Result<Option<CertificateRecord>, AuthorityError> {
        let Some(text) = &request.time_stamp else {
            return Ok(None);
        };
        let proven = self.prove(text, KeyUsage::TimeStamp, request.id.to_bytes(), party)?;
        let newest = record.time_stamps.last();
        let mut changes = Changes::of(party);
        changes.note(
            "time-stamp key",
            newest.is_some_and(|newest| newest.key != proven.key),
        );
        changes.settle(self.options.replace, self.purpose)?;
        let listed = self.time_stamp_certificate(&record.time_stamps, &proven, party)?;
        if !record.time_stamps.contains(&listed.certificate) {
            record.time_stamps.push(listed.certificate.clone());
        }
        Ok(Some(listed.certificate))
    }

    /// Whether an agency was closed, and nobody invited it again.
    fn is_over(&self, request: &AgencyRequest) -> bool {
        let before = self.register.agency(request.id);
        before.is_some_and(|agency| agency.state == EntryState::Closed)
            && !self.for_agencies.contains_key(&request.id)
    }

    fn options_for(&self, agency: AgencyId) -> &IssueOptions {
        self.for_agencies.get(&agency).unwrap_or(self.options)
    }

    /// Keys that are renewed count at once, also for clocks that lag.
    fn begins_early(&self, is_new: bool) -> bool {
        is_new || self.purpose == Purpose::Renew
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.now,
            overlap_seconds: match self.purpose {
                Purpose::Enrol => 0,
                Purpose::Renew => OVERLAP_SECONDS,
            },
        }
    }

    fn check_room(&self, id: [u8; 16], agencies: &[AgencyRequest]) -> Result<(), AuthorityError> {
        let ids = agencies.iter().map(|agency| agency.id.to_bytes());
        let new = ids
            .chain([id])
            .filter(|id| self.register.get(*id).is_none())
            .count();
        if self.register.len().saturating_add(new) > MAX_ENTRIES {
            return Err(AuthorityError::Full { limit: MAX_ENTRIES });
        }
        Ok(())
    }

    fn prove(
        &mut self,
        text: &str,
        usage: KeyUsage,
        id: [u8; 16],
        party: &str,
    ) -> Result<ProvenRequest, AuthorityError> {
        let proven = proven_request(text, usage, party)?;
        self.claim(proven.key, usage, id, party)?;
        Ok(proven)
    }

    /// Refuses a key that another party has or had, or that stands twice in the request.
    fn claim(
        &mut self,
        key: Digest,
        usage: KeyUsage,
        id: [u8; 16],
        party: &str,
    ) -> Result<(), AuthorityError> {
        let elsewhere = self.register.key_holder(key).filter(|holder| *holder != id);
        let repeated = !self.keys.insert(key);
        match elsewhere.or(repeated.then_some(id)) {
            None => Ok(()),
            Some(holder) => Err(AuthorityError::KeyTaken {
                usage,
                party: party.to_owned(),
                holder: Uuid::from_bytes(holder),
            }),
        }
    }

    /// A record as it would be stored, checked as a reader would check its entry.
    fn record(&self, entry: Entry, listed: &Listed) -> Result<Record, AuthorityError> {
        let before = self.register.get(entry.id());
        let mut certificates = before
            .map(|record| record.certificates.clone())
            .unwrap_or_default();
        if !certificates.contains(&listed.certificate) {
            certificates.push(listed.certificate.clone());
        }
        let time_stamps = before.map(|record| record.time_stamps.clone());
        let record = Record {
            entry,
            certificates,
            time_stamps: time_stamps.unwrap_or_default(),
        };
        record.check()?;
        Ok(record)
    }

    fn outcome(
        self,
        id: [u8; 16],
        records: Vec<Record>,
        tls: CertificateRecord,
        seals: Vec<(AgencyId, CertificateRecord)>,
    ) -> Outcome {
        let differs = |record: &Record| self.register.get(record.entry.id()) != Some(record);
        Outcome {
            for_id: Uuid::from_bytes(id),
            records: records.into_iter().filter(differs).collect(),
            issued: self.issued,
            tls,
            seals,
            time_stamp: None,
        }
    }
}

/// A request by a code or name that the agency gave up: it has not heard of the one that it has
/// now, and does not ask for the old one back.
fn as_now(request: &AgencyRequest, before: &AgencyEntry, now: Timestamp) -> AgencyRequest {
    let mut request = request.clone();
    if let Some(code) = before.code_at(now)
        && before.codes.iter().any(|one| one.code == request.code)
    {
        request.code = code.clone();
    }
    let had_name = before.names.iter().any(|one| one.name == request.name);
    let mut names = before.names.iter();
    if let Some(current) = names.find(|one| one.validity.contains(now))
        && had_name
    {
        request.name = current.name.clone();
    }
    request
}

fn open(state: EntryState, party: &str) -> Result<(), AuthorityError> {
    match state {
        EntryState::Closed => Err(AuthorityError::Closed {
            party: party.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn hub_subject(network: &str, code: &str, host: Host) -> TlsSubject {
    let mut subject = TlsSubject {
        organization: network.to_owned(),
        common_name: code.to_owned(),
        dns_names: Vec::new(),
        ip_addresses: Vec::new(),
    };
    match host {
        Host::Name(name) => subject.dns_names.push(name),
        Host::Address(address) => subject.ip_addresses.push(address),
    }
    subject
}

/// Refuses an id or code that stands twice in a request.
fn check_distinct(node: [u8; 16], agencies: &[AgencyRequest]) -> Result<(), AuthorityError> {
    let (mut ids, mut codes) = (HashSet::from([node]), HashSet::new());
    for agency in agencies {
        if !ids.insert(agency.id.to_bytes()) || !codes.insert(&agency.code) {
            return Err(AuthorityError::Repeated {
                party: agency.code.to_string(),
            });
        }
    }
    Ok(())
}
