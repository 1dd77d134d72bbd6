//! Enrolment by invitation, or by an operator's word.

use std::path::Path;

use consign_domain::directory::AgencyEntry;
use consign_domain::enrolment::{AgencyRequest, Bundle, Request};
use consign_domain::{Digest, PartyCode, Timestamp};

use super::invitations::{self, Invitation, InvitationSummary, InviteOptions, Invited, Invitee};
use super::layout::Layout;
use super::pending::{self, PendingRequest};
use super::{Authority, parse};
use crate::error::AuthorityError;
use crate::issuance::{IssueOptions, Purpose};

/// What an applicant is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enrolment {
    /// Its certificates. Its keys count once a directory lists them.
    Answered(Box<Bundle>),
    /// An operator must decide, who knows the request by this reference.
    Waiting(String),
}

/// Whom an invitation is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// As it says.
    pub invitee: Invitee,
    /// The id of a party that is registered already.
    pub id: Option<[u8; 16]>,
}

/// The invitations that a request came with.
struct Tickets {
    secrets: Vec<[u8; 16]>,
    invitations: Vec<Invitation>,
}

impl Authority {
    /// Invites a party to enrol. The authority's directory is not locked: it may be at work.
    ///
    /// # Errors
    /// The code is another's or no code to register, something of a new party is not said, or
    /// a file cannot be written.
    pub fn invite(
        dir: &Path,
        options: &InviteOptions,
        now: Timestamp,
    ) -> Result<Invited, AuthorityError> {
        invitations::invite(&Layout::new(dir), options, now)
    }

    /// All invitations, the newest first.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn invitations(
        dir: &Path,
        now: Timestamp,
    ) -> Result<Vec<InvitationSummary>, AuthorityError> {
        invitations::list(&Layout::new(dir), now)
    }

    /// Withdraws the open invitations of a code; says how many there were.
    ///
    /// # Errors
    /// A file is damaged or cannot be removed.
    pub fn withdraw(dir: &Path, code: &PartyCode, now: Timestamp) -> Result<usize, AuthorityError> {
        invitations::withdraw(&Layout::new(dir), code, now)
    }

    /// Requests that wait for an operator.
    ///
    /// # Errors
    /// A file is damaged.
    pub fn pending(dir: &Path) -> Result<Vec<PendingRequest>, AuthorityError> {
        pending::list(&Layout::new(dir))
    }

    /// What invitations are for, with the id of a party that is registered already.
    ///
    /// # Errors
    /// One of them does not count.
    pub fn invited(
        &self,
        secrets: &[[u8; 16]],
        now: Timestamp,
    ) -> Result<Vec<Known>, AuthorityError> {
        let find = |secret| {
            let invitation = invitations::find(&self.layout, secret, None, now)?;
            let id = self.register.code_holder(&invitation.invitee.code());
            Ok(Known {
                invitee: invitation.invitee,
                id,
            })
        };
        secrets.iter().map(find).collect()
    }

    /// Answers a request that came with invitations; without any it waits for an operator,
    /// unless what it asks for is there already. The same request again gets the same answer.
    ///
    /// # Errors
    /// [`AuthorityError`]; a refused request changes nothing and uses no invitation up.
    pub fn enrol(
        &mut self,
        request: &[u8],
        secrets: &[[u8; 16]],
        now: Timestamp,
    ) -> Result<Enrolment, AuthorityError> {
        let digest = Digest::of(request);
        let parsed = parse(request)?;
        if secrets.is_empty() {
            return self.without_invitation(request, &parsed, now);
        }
        let find = |secret| invitations::find(&self.layout, secret, Some(digest), now);
        let tickets = Tickets {
            secrets: secrets.to_vec(),
            invitations: secrets.iter().map(find).collect::<Result<_, _>>()?,
        };
        let options = self.covered(&parsed, &tickets.invitations, now)?;
        let outcome = self.prepare(&parsed, &options, Purpose::Enrol, now)?;
        for (secret, invitation) in tickets.secrets.iter().zip(tickets.invitations) {
            invitations::mark(&self.layout, secret, invitation, digest)?;
        }
        let bundle = self.carry_out(outcome)?;
        Ok(Enrolment::Answered(Box::new(bundle)))
    }

    /// What is registered with these very keys is answered; everything else waits.
    fn without_invitation(
        &mut self,
        request: &[u8],
        parsed: &Request,
        now: Timestamp,
    ) -> Result<Enrolment, AuthorityError> {
        let options = IssueOptions::default();
        let prepared = self.prepare(parsed, &options, Purpose::Enrol, now);
        match prepared {
            Ok(outcome) if outcome.records.is_empty() && outcome.issued.is_empty() => {
                let bundle = self.carry_out(outcome)?;
                Ok(Enrolment::Answered(Box::new(bundle)))
            }
            Ok(_) | Err(AuthorityError::Changed { .. } | AuthorityError::HubAmbiguous { .. }) => {
                pending::keep(&self.layout, request).map(Enrolment::Waiting)
            }
            Err(refused) => Err(refused),
        }
    }

    /// Carries out a request that waited, as an operator decides; it is in the next directory.
    ///
    /// # Errors
    /// Nothing waits under this reference, or as [`Authority::issue`].
    pub fn approve(
        &mut self,
        reference: &str,
        options: &IssueOptions,
        now: Timestamp,
    ) -> Result<Bundle, AuthorityError> {
        let request = pending::read(&self.layout, reference)?;
        let bundle = self.issue(&request, options, now)?;
        pending::remove(&self.layout, reference)?;
        Ok(bundle)
    }

    /// Forgets a request that waited.
    ///
    /// # Errors
    /// Nothing waits under this reference, or the file cannot be removed.
    pub fn dismiss(&mut self, reference: &str) -> Result<(), AuthorityError> {
        pending::read(&self.layout, reference)?;
        pending::remove(&self.layout, reference)
    }

    /// How many requests wait for an operator.
    pub fn waiting(&self) -> usize {
        pending::count(&self.layout)
    }

    /// How a request is carried out by its invitations: each party that is new, or whose keys
    /// change, must be invited as what it says to be.
    fn covered(
        &self,
        request: &Request,
        invitations: &[Invitation],
        now: Timestamp,
    ) -> Result<IssueOptions, AuthorityError> {
        match request {
            Request::Hub(hub) => {
                let is_meant = |invitation: &Invitation| matches!(&invitation.invitee, Invitee::Hub { code, address } if *code == hub.code && *address == hub.address);
                if !invitations.iter().any(is_meant) {
                    return Err(not_invited(hub.code.to_string()));
                }
                let holder = self.register.code_holder(&hub.code);
                Ok(IssueOptions {
                    hub: None,
                    replace: holder == Some(hub.id.to_bytes()),
                })
            }
            Request::Node(node) => {
                let mut options = IssueOptions::default();
                for agency in &node.agencies {
                    let before = self.register.agency(agency.id);
                    match invitations.iter().find_map(|one| invites(one, agency)) {
                        Some(hub) => {
                            options.replace |= before.is_some();
                            options.hub = options.hub.or(hub);
                        }
                        None if before.is_some_and(|before| is_same(before, agency, now)) => {}
                        None => return Err(not_invited(agency.code.to_string())),
                    }
                }
                let tls_changes = || self.node_key_differs(node);
                if options.replace && self.register.node(node.id).is_some() && tls_changes() {
                    return Err(not_invited(format!("node {}", node.name)));
                }
                Ok(options)
            }
            _ => Err(AuthorityError::RequestKind),
        }
    }

    /// Whether a request brings another TLS key than the node has.
    fn node_key_differs(&self, node: &consign_domain::enrolment::NodeRequest) -> bool {
        let record = self.register.get(node.id.to_bytes());
        let newest = record.and_then(|record| record.certificates.last());
        let usage = crate::error::KeyUsage::Tls;
        let asked = crate::applicant::proven_request(&node.tls, usage, node.name.as_str());
        match (newest, asked) {
            (Some(newest), Ok(asked)) => newest.key != asked.key,
            _ => true,
        }
    }
}

/// The hub that an invitation names, if it invites an agency as what it says to be.
fn invites(invitation: &Invitation, agency: &AgencyRequest) -> Option<Option<PartyCode>> {
    match &invitation.invitee {
        Invitee::Agency {
            code,
            name,
            parent,
            hub,
        } => (*code == agency.code && *name == agency.name && *parent == agency.parent)
            .then(|| hub.clone()),
        Invitee::Hub { .. } => None,
    }
}

/// Whether a request says of an agency what is registered.
fn is_same(before: &AgencyEntry, request: &AgencyRequest, now: Timestamp) -> bool {
    let statement = before.statement_keys.last();
    let encryption = before.encryption_keys.last();
    before.code_at(now) == Some(&request.code)
        && before.name_at(now) == Some(request.name.as_str())
        && statement.is_some_and(|key| key.public.as_str() == request.statement.to_string())
        && encryption.is_some_and(|key| key.public.as_str() == request.encryption.as_str())
}

fn not_invited(party: String) -> AuthorityError {
    AuthorityError::NotInvited { party }
}
