//! Keys that are renewed by themselves.
//!
//! Nothing but keys changes: names, codes, places and seals stay. Who holds the TLS certificate
//! that the directory lists may replace the TLS key; a new statement or encryption key needs
//! the signature of the party's statement key in force as well, so that who steals a node's TLS
//! key cannot put keys of its own under its agencies. A key that was replaced never comes back.

use std::collections::BTreeMap;

use consign_domain::directory::{
    Entry, EntryState, KeyState, StatementKeyEntry, TlsEntry, Validity,
};
use consign_domain::enrolment::{Bundle, Request};
use consign_domain::limits::MAX_ENTRY;
use consign_domain::{Digest, KeyId, PartyId, Timestamp};
use consign_pki::statement::StatementPublicKey;

use super::{Authority, parse};
use crate::applicant::proven_request;
use crate::error::{AuthorityError, KeyUsage};
use crate::issuance::{IssueOptions, Purpose};
use crate::register::Record;
use crate::settings::DAY;

/// How often a party's keys are renewed within so many days.
const PACE: [(usize, u64); 2] = [(12, 1), (16, 30)];
/// Largest entry that a renewal leaves, in bytes: the rest is for what people decide.
const MAX_RENEWED: usize = MAX_ENTRY / 2;

/// That the holder of a statement key in force wants what a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalProof {
    /// The party.
    pub party: PartyId,
    /// Its statement key in force.
    pub key: KeyId,
    /// Ed25519 over the exact bytes of the request.
    pub signature: [u8; 64],
}

/// A party's keys, as they are and as they are asked for.
struct Wanted<'a> {
    party: PartyId,
    name: String,
    keys: &'a [StatementKeyEntry],
    /// The newest key's public half as the directory writes it, the one asked for, and what
    /// the register knows the latter by.
    pairs: Vec<(Option<String>, String, Digest)>,
}

impl Authority {
    /// Lists new keys beside those in force, which end after an overlap. `peer` is whose TLS
    /// certificate, by its SHA-256, the request came under: it must count by what is entered now,
    /// also where that is not published yet.
    ///
    /// # Errors
    /// [`AuthorityError`]; a refused request changes nothing.
    pub fn renew(
        &mut self,
        request: &[u8],
        proofs: &[RenewalProof],
        peer: ([u8; 16], Digest),
        now: Timestamp,
    ) -> Result<Bundle, AuthorityError> {
        let parsed = parse(request)?;
        self.check_peer(peer, now)?;
        for wanted in self.wanted(&parsed, peer.0, now)? {
            self.check_keys(&wanted, request, proofs, now)?;
        }
        let options = IssueOptions::default();
        let outcome = self.prepare(&parsed, &options, &BTreeMap::new(), Purpose::Renew, now)?;
        for record in &outcome.records {
            self.check_pace(record, now)?;
        }
        self.carry_out(outcome)
    }

    /// Keys are renewed once a year, or when somebody wants new ones: what is replaced stays in
    /// the directory for ever, so who does it all the time is stopped. What changes nothing, since
    /// an answer was lost, is not counted.
    fn check_pace(&self, record: &Record, now: Timestamp) -> Result<(), AuthorityError> {
        let Some(before) = self.register.get(record.entry.id()) else {
            return Ok(());
        };
        let size = |record: &Record| record.entry.to_bytes().len();
        if size(record) > size(before).max(MAX_RENEWED) {
            let party = record.party();
            return Err(AuthorityError::RenewalsFull { party });
        }
        for (limit, days) in PACE {
            if begun_since(before, now.minus_seconds(days * DAY)) > limit {
                let party = record.party();
                return Err(AuthorityError::RenewedOften { party, limit, days });
            }
        }
        Ok(())
    }

    fn check_peer(
        &self,
        (peer, certificate): ([u8; 16], Digest),
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let tls = match self.register.get(peer).map(|record| &record.entry) {
            Some(Entry::Node(node)) => node.tls.as_slice(),
            Some(Entry::Hub(hub)) => hub.tls.as_slice(),
            _ => &[],
        };
        let counts = |tls: &TlsEntry| tls.certificate == certificate && tls.validity.contains(now);
        if tls.iter().any(counts) {
            return Ok(());
        }
        let rule = "the certificate that it came under does not count any more";
        Err(refused("the request", rule))
    }

    fn wanted<'a>(
        &'a self,
        request: &Request,
        peer: [u8; 16],
        now: Timestamp,
    ) -> Result<Vec<Wanted<'a>>, AuthorityError> {
        let id = match request {
            Request::Node(node) => node.id.to_bytes(),
            Request::Hub(hub) => hub.id.to_bytes(),
            _ => return Err(AuthorityError::RequestKind),
        };
        let own = || {
            refused(
                "the request",
                "it is for another party than the one that asks",
            )
        };
        if id != peer {
            return Err(own());
        }
        match request {
            Request::Node(node) => {
                let before = self.register.node(node.id).ok_or_else(own)?;
                let name = format!("node {}", node.name);
                active(before.state, &name)?;
                self.check_tls(&node.tls, id, &name)?;
                let wanted = node.agencies.iter().map(|agency| {
                    let name = agency.code.to_string();
                    let unknown = || refused(&name, "the agency is not served by this node");
                    let before = self.register.agency(agency.id).ok_or_else(unknown)?;
                    if before.node != node.id || before.code_at(now) != Some(&agency.code) {
                        return Err(unknown());
                    }
                    active(before.state, &name)?;
                    let text = |key: &consign_domain::directory::KeyText| key.as_str().to_owned();
                    let statement = before.statement_keys.last().map(|key| text(&key.public));
                    let encryption = before.encryption_keys.last().map(|key| text(&key.public));
                    let asked = agency.encryption.as_str();
                    Ok(Wanted {
                        party: agency.id.into(),
                        name,
                        keys: &before.statement_keys,
                        pairs: vec![
                            (statement, agency.statement.to_string(), agency.statement),
                            (encryption, asked.to_owned(), Digest::of(asked.as_bytes())),
                        ],
                    })
                });
                wanted.collect()
            }
            Request::Hub(hub) => {
                let before = self.register.hub(hub.id).ok_or_else(own)?;
                let name = hub.code.to_string();
                active(before.state, &name)?;
                self.check_tls(&hub.tls, id, &name)?;
                let statement = before.statement_keys.last();
                let statement = statement.map(|key| key.public.as_str().to_owned());
                Ok(vec![Wanted {
                    party: hub.id.into(),
                    name,
                    keys: &before.statement_keys,
                    pairs: vec![(statement, hub.statement.to_string(), hub.statement)],
                }])
            }
            _ => Err(AuthorityError::RequestKind),
        }
    }

    /// The TLS key in force, or one that was never seen.
    fn check_tls(&self, tls: &str, id: [u8; 16], name: &str) -> Result<(), AuthorityError> {
        let asked = proven_request(tls, KeyUsage::Tls, name)?;
        let record = self.register.get(id);
        let newest = record.and_then(|record| record.certificates.last());
        let is_current = newest.is_some_and(|newest| newest.key == asked.key);
        if is_current || self.register.key_holder(asked.key).is_none() {
            return Ok(());
        }
        Err(refused(name, "its TLS key was used before; make a new one"))
    }

    fn check_keys(
        &self,
        wanted: &Wanted<'_>,
        request: &[u8],
        proofs: &[RenewalProof],
        now: Timestamp,
    ) -> Result<(), AuthorityError> {
        let mut pairs = wanted.pairs.iter();
        let mut changed = false;
        for (current, asked, known) in &mut pairs {
            if current.as_ref() == Some(asked) {
                continue;
            }
            changed = true;
            if self.register.key_holder(*known).is_some() {
                let rule = "one of its keys was used before; make a new one";
                return Err(refused(&wanted.name, rule));
            }
        }
        if !changed
            || proofs
                .iter()
                .any(|proof| proves(proof, wanted, request, now))
        {
            return Ok(());
        }
        let rule = "no statement key in force signed the request";
        Err(refused(&wanted.name, rule))
    }
}

/// How many certificates or keys of a kind, whichever are more, began to count after a moment.
fn begun_since(record: &Record, moment: Timestamp) -> usize {
    let begun = |span: &Validity| usize::from(span.from > moment);
    let certificates = record.certificates.iter();
    let certificates = certificates.filter(|one| one.from > moment).count();
    let signer = record.entry.signer();
    let statement = signer.iter().flat_map(|(_, keys)| keys.iter());
    let statement = statement.map(|key| begun(&key.validity)).sum();
    let encryption = match &record.entry {
        Entry::Agency(agency) => {
            let keys = agency.encryption_keys.iter();
            keys.map(|key| begun(&key.validity)).sum()
        }
        _ => 0,
    };
    certificates.max(statement).max(encryption)
}

/// Whether a statement key of the party that is in force signed the request.
fn proves(proof: &RenewalProof, wanted: &Wanted<'_>, request: &[u8], now: Timestamp) -> bool {
    let in_force = |key: &&StatementKeyEntry| {
        key.id == proof.key && key.state == KeyState::Active && key.validity.contains(now)
    };
    let public = wanted.keys.iter().find(in_force);
    let public = public.and_then(StatementKeyEntry::ed25519);
    let public = public.and_then(|raw| StatementPublicKey::from_bytes(&raw).ok());
    proof.party == wanted.party
        && public.is_some_and(|public| public.verify(request, &proof.signature).is_ok())
}

fn active(state: EntryState, party: &str) -> Result<(), AuthorityError> {
    match state {
        EntryState::Active => Ok(()),
        _ => Err(refused(party, "it is suspended or closed")),
    }
}

fn refused(party: &str, rule: &'static str) -> AuthorityError {
    AuthorityError::RenewalRefused {
        party: party.to_owned(),
        rule,
    }
}
