//! Enrolment by invitation, or by an operator's word.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use consign_domain::enrolment::{AgencyRequest, Bundle, Request};
use consign_domain::{AgencyId, Digest, PartyCode, Timestamp};
use consign_keys::Keyring;

use super::invitations::{self, Invitation, InvitationSummary, InviteOptions, Invited, Invitee};
use super::layout::Layout;
use super::pending::{self, Origin, PendingRequest};
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

impl Authority {
    /// Invites a party to enrol. The authority's directory is not locked: it may be at work.
    ///
    /// # Errors
    /// The code is another's or no code to register, something of a new party is not said, or
    /// a file cannot be written.
    pub fn invite(
        dir: &Path,
        keyring: &Keyring,
        options: &InviteOptions,
        now: Timestamp,
    ) -> Result<Invited, AuthorityError> {
        invitations::invite(&Layout::new(dir), keyring, options, now)
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
        self.enrol_from(request, secrets, None, now)
    }

    /// Whether a secret is that of an invitation, used or not, cheaply; needs no lock.
    pub fn has_invitation(dir: &Path, secret: &[u8; 16]) -> bool {
        invitations::exists(&Layout::new(dir), secret)
    }

    /// [`enrol`](Self::enrol) with the address that the request came from: so many that wait may
    /// be of one source.
    ///
    /// # Errors
    /// As there.
    pub fn enrol_from(
        &mut self,
        request: &[u8],
        secrets: &[[u8; 16]],
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Enrolment, AuthorityError> {
        let digest = Digest::of(request);
        let parsed = parse(request)?;
        if secrets.is_empty() {
            return self.without_invitation(request, &parsed, from, now);
        }
        let find = |secret| invitations::find(&self.layout, secret, Some(digest), now);
        let invitations: Vec<Invitation> = secrets.iter().map(find).collect::<Result<_, _>>()?;
        if invitations.iter().all(|invitation| invitation.done) {
            return self.once_more(&parsed, &invitations, now);
        }
        let (options, for_agencies) = self.covered(&parsed, &invitations, now)?;
        let outcome = self.prepare(&parsed, &options, &for_agencies, Purpose::Enrol, now)?;
        for (secret, invitation) in secrets.iter().zip(&invitations) {
            invitations::mark(&self.layout, secret, invitation, digest, false)?;
        }
        let bundle = self.carry_out(outcome)?;
        for (secret, invitation) in secrets.iter().zip(&invitations) {
            invitations::mark(&self.layout, secret, invitation, digest, true)?;
        }
        Ok(Enrolment::Answered(Box::new(bundle)))
    }

    /// The answer to a request that was carried out before: it changes nothing.
    fn once_more(
        &mut self,
        parsed: &Request,
        invitations: &[Invitation],
        now: Timestamp,
    ) -> Result<Enrolment, AuthorityError> {
        if let Ok(Some(bundle)) = self.standing(parsed, now) {
            return Ok(Enrolment::Answered(Box::new(bundle)));
        }
        let mut codes = invitations.iter().map(|one| one.invitee.code());
        let code = codes.next().ok_or(AuthorityError::InvitationUnknown)?;
        Err(AuthorityError::InvitationUsed { code })
    }

    /// What is registered with these very keys is answered; everything else waits. Strangers have
    /// nothing signed, and where there is no room for them nothing is looked at.
    fn without_invitation(
        &mut self,
        request: &[u8],
        parsed: &Request,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Enrolment, AuthorityError> {
        let origin = Origin { from, asked: now };
        let id = match parsed {
            Request::Node(node) => node.id.to_bytes(),
            Request::Hub(hub) => hub.id.to_bytes(),
            _ => return Err(AuthorityError::RequestKind),
        };
        if self.register.get(id).is_none() {
            pending::check_room(&self.layout, request, origin)?;
        }
        match self.standing(parsed, now) {
            Ok(Some(bundle)) => Ok(Enrolment::Answered(Box::new(bundle))),
            Ok(None)
            | Err(AuthorityError::Changed { .. } | AuthorityError::HubAmbiguous { .. }) => {
                pending::keep(&self.layout, request, origin).map(Enrolment::Waiting)
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

    /// How a request is carried out by its invitations: each party that is new, or of which
    /// anything changes, must be invited as what it says to be, and each invitation must be for
    /// one of them.
    fn covered(
        &self,
        request: &Request,
        invitations: &[Invitation],
        now: Timestamp,
    ) -> Result<(IssueOptions, BTreeMap<AgencyId, IssueOptions>), AuthorityError> {
        let mut for_agencies = BTreeMap::new();
        match request {
            Request::Hub(hub) => {
                let [invitation] = invitations else {
                    return Err(not_invited(hub.code.to_string()));
                };
                let is_meant = matches!(
                    &invitation.invitee,
                    Invitee::Hub { code, address } if *code == hub.code && *address == hub.address
                );
                if !is_meant {
                    return Err(not_invited(hub.code.to_string()));
                }
                let holder = self.register.code_holder(&hub.code);
                let options = IssueOptions {
                    hub: None,
                    replace: holder == Some(hub.id.to_bytes()),
                };
                Ok((options, for_agencies))
            }
            Request::Node(node) => {
                for invitation in invitations {
                    let mut agencies = node.agencies.iter();
                    let meant = agencies.find(|agency| invites(invitation, agency));
                    let code = || invitation.invitee.code().to_string();
                    let agency = meant.ok_or_else(|| not_invited(code()))?;
                    let options = self.invited_as(invitation, agency, now)?;
                    for_agencies.insert(agency.id, options);
                }
                let uncovered = |agency: &&AgencyRequest| {
                    let is_new = self.register.agency(agency.id).is_none();
                    is_new && !for_agencies.contains_key(&agency.id)
                };
                match node.agencies.iter().find(uncovered) {
                    Some(agency) => Err(not_invited(agency.code.to_string())),
                    None => Ok((IssueOptions::default(), for_agencies)),
                }
            }
            _ => Err(AuthorityError::RequestKind),
        }
    }

    /// What an invitation lets a request do to its agency: enter it, or replace its keys and
    /// place where it has this code now. It is never for another agency's id.
    fn invited_as(
        &self,
        invitation: &Invitation,
        agency: &AgencyRequest,
        now: Timestamp,
    ) -> Result<IssueOptions, AuthorityError> {
        let before = self.register.agency(agency.id);
        let holder = self.register.code_holder(&agency.code.clone().into());
        let is_its_own = match before {
            None => holder.is_none(),
            Some(before) => before.code_at(now) == Some(&agency.code),
        };
        match &invitation.invitee {
            Invitee::Agency { hub, .. } if is_its_own => Ok(IssueOptions {
                hub: hub.clone(),
                replace: before.is_some(),
            }),
            _ => Err(not_invited(agency.code.to_string())),
        }
    }
}

/// Whether an invitation is for an agency as what it says to be.
fn invites(invitation: &Invitation, agency: &AgencyRequest) -> bool {
    matches!(
        &invitation.invitee,
        Invitee::Agency { code, name, parent, .. }
            if *code == agency.code && *name == agency.name && *parent == agency.parent
    )
}

fn not_invited(party: String) -> AuthorityError {
    AuthorityError::NotInvited { party }
}

#[cfg(test)]
mod tests;
