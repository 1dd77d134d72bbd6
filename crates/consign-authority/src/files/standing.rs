//! Who may still take part: revocation, suspension, closing.

use consign_domain::directory::{Entry, EntryState};
use consign_domain::{NodeId, PartyCode, Timestamp};

use super::Authority;
use crate::error::AuthorityError;
use crate::revocation::{self, RevocationRecord, RevokeOptions, RevokedParty};

impl Authority {
    /// Revokes what an agency or hub signs and is known by, for the next directory and the next
    /// lists. What is proven to be older stays good.
    ///
    /// # Errors
    /// Nobody has the code, nothing of it counts any more, the time is to come, or the file
    /// cannot be written.
    pub fn revoke(
        &mut self,
        code: &PartyCode,
        options: RevokeOptions,
        now: Timestamp,
    ) -> Result<RevokedParty, AuthorityError> {
        let id = self.register.code_holder(code);
        self.revoke_party(id, code.as_str(), options, now)
    }

    /// [`Authority::revoke`] for the TLS certificates of a node, which has an id and no code: once
    /// that is published, nobody talks to whoever shows them. The keys of its agencies are theirs,
    /// and revoked by their codes.
    ///
    /// # Errors
    /// As [`Authority::revoke`].
    pub fn revoke_node(
        &mut self,
        node: NodeId,
        options: RevokeOptions,
        now: Timestamp,
    ) -> Result<RevokedParty, AuthorityError> {
        let id = self.register.node(node).map(|node| node.id.to_bytes());
        self.revoke_party(id, &node.to_string(), options, now)
    }

    fn revoke_party(
        &mut self,
        id: Option<[u8; 16]>,
        party: &str,
        options: RevokeOptions,
        now: Timestamp,
    ) -> Result<RevokedParty, AuthorityError> {
        let party = || party.to_owned();
        let record = id.and_then(|id| self.register.get(id)).cloned();
        let Some(mut record) = record else {
            return Err(AuthorityError::PartyUnknown { party: party() });
        };
        let revocation = RevocationRecord::new(options, now)?;
        let Some(revoked) = revocation::revoke(&mut record, revocation) else {
            return Err(AuthorityError::NothingToRevoke { party: party() });
        };
        self.enter(record)?;
        Ok(revoked)
    }

    /// Suspends, closes or activates the agency or hub of a code, for the next directory;
    /// says whether that changed anything.
    ///
    /// # Errors
    /// Nobody has the code, or the file cannot be written.
    pub fn set_state(
        &mut self,
        code: &PartyCode,
        state: EntryState,
    ) -> Result<bool, AuthorityError> {
        let id = self.register.code_holder(code);
        self.change_state(id, code.as_str(), state)
    }

    /// [`Authority::set_state`] for a node, which has an id and no code.
    ///
    /// # Errors
    /// As [`Authority::set_state`].
    pub fn set_node_state(
        &mut self,
        node: NodeId,
        state: EntryState,
    ) -> Result<bool, AuthorityError> {
        let id = self.register.node(node).map(|node| node.id.to_bytes());
        self.change_state(id, &node.to_string(), state)
    }

    fn change_state(
        &mut self,
        id: Option<[u8; 16]>,
        party: &str,
        state: EntryState,
    ) -> Result<bool, AuthorityError> {
        let record = id.and_then(|id| self.register.get(id)).cloned();
        let Some(mut record) = record else {
            let party = party.to_owned();
            return Err(AuthorityError::PartyUnknown { party });
        };
        let current = match &mut record.entry {
            Entry::Agency(agency) => &mut agency.state,
            Entry::Node(node) => &mut node.state,
            Entry::Hub(hub) => &mut hub.state,
            _ => return Err(AuthorityError::RequestKind),
        };
        if std::mem::replace(current, state) == state {
            return Ok(false);
        }
        if let Entry::Agency(agency) = &mut record.entry {
            agency.successor = None;
        }
        self.enter(record)?;
        Ok(true)
    }
}
