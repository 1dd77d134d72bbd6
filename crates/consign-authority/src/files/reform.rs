//! What reforms of the administration bring: agencies get other codes and names, move to another
//! node, and are merged into others. Keys stay, and so does what is on its way or archived.
//!
//! A move to another node is one of the agency's own directory at the node, which holds its keys:
//! stop the old node, copy `agencies/CODE` to the new one, publish the move, start the new node.
//! Envelopes on their way are encrypted to those keys, and no others open them.

use consign_domain::directory::{AgencyEntry, CodeEntry, Entry, EntryState, NameEntry};
use consign_domain::limits::MAX_LIFE_SECONDS;
use consign_domain::text::Line;
use consign_domain::{AgencyCode, NodeId, Timestamp};
use uuid::Uuid;

use super::Authority;
use crate::entries::{end_all, validity};
use crate::error::AuthorityError;
use crate::register::Record;

/// What an agency is called from now on; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rename {
    /// Its new code, which nobody else ever had.
    pub code: Option<AgencyCode>,
    /// Its new name.
    pub name: Option<Line<200>>,
    /// Its code of the older form, where that is not the one that its code is converted to.
    pub old: Option<Line<35>>,
}

impl Authority {
    /// Gives an agency another code, name or code of the older form, for the next directory; says
    /// whether that changed anything. What was sealed and sent under the old ones stays its own, and what
    /// it signs under its old code counts as long as an envelope may be on its way. Its seal
    /// certificate names the old ones until it is renewed; within the network the directory counts.
    ///
    /// # Errors
    /// Nobody has the code now, it is closed, or the new one is or was another's.
    pub fn rename(
        &mut self,
        code: &AgencyCode,
        rename: &Rename,
        now: Timestamp,
    ) -> Result<bool, AuthorityError> {
        let mut record = self.agency_record(code, now)?;
        let agency = open_agency(&mut record, code)?;
        let before = agency.clone();
        if let Some(new) = &rename.code
            && agency.code_at(now) != Some(new)
        {
            AgencyCode::strict(new.as_str()).map_err(|source| {
                let code = new.clone();
                AuthorityError::CodeGrammar { code, source }
            })?;
            let holder = agency.id.to_bytes();
            self.register.check_code(&new.clone().into(), holder)?;
            // What a node still signs under the old code, because it has not heard, counts; the
            // code is the new one, which stands first.
            let ends = now.plus_seconds(MAX_LIFE_SECONDS);
            end_all(agency.codes.iter_mut().map(|one| &mut one.validity), ends);
            let renamed = CodeEntry {
                code: new.clone(),
                old: self.register.old_form(new, agency.id),
                validity: validity(false, now),
            };
            agency.codes.insert(0, renamed);
        }
        if let Some(new) = &rename.name
            && agency.name_at(now) != Some(new.as_str())
        {
            end_all(agency.names.iter_mut().map(|one| &mut one.validity), now);
            agency.names.push(NameEntry {
                name: new.clone(),
                validity: validity(false, now),
            });
        }
        if let Some(old) = &rename.old {
            let own = AgencyCode::lenient(old.as_str());
            let own = own.and_then(|own| AgencyCode::check_old(old.as_str()).map(|()| own));
            let own = own.map_err(|source| AuthorityError::OldCodeGrammar {
                old: old.to_string(),
                source,
            })?;
            let holder = self.register.old_code_holder(old.as_str());
            if let Some(holder) = holder.filter(|holder| *holder != agency.id.to_bytes()) {
                return Err(AuthorityError::CodeTaken {
                    code: own.into(),
                    holder: Uuid::from_bytes(holder),
                });
            }
            let mut codes = agency.codes.iter_mut();
            if let Some(current) = codes.find(|one| one.validity.contains(now)) {
                current.old = Some(old.clone());
            }
        }
        let changed = *agency != before;
        self.enter_if(changed, record)
    }

    /// Lets another node serve an agency, with the keys that it has, for the next directory; says
    /// whether that changed anything.
    ///
    /// # Errors
    /// Nobody has the code now, it is closed, or the node is not enrolled or not active.
    pub fn move_to(
        &mut self,
        code: &AgencyCode,
        node: NodeId,
        now: Timestamp,
    ) -> Result<bool, AuthorityError> {
        let listed = self.register.node(node);
        if listed.is_none_or(|listed| listed.state != EntryState::Active) {
            let party = node.to_string();
            return Err(AuthorityError::PartyUnknown { party });
        }
        let mut record = self.agency_record(code, now)?;
        let changed = match &mut record.entry {
            // One that was merged may move too: what is on its way is collected elsewhere.
            Entry::Agency(agency) if agency.is_served() => {
                std::mem::replace(&mut agency.node, node) != node
            }
            _ => return Err(closed(code)),
        };
        self.enter_if(changed, record)
    }

    /// Closes an agency because it was merged into another, for the next directory; says whether
    /// that changed anything. It is sent nothing more, what is on its way is still received by
    /// its node, and its signatures still count.
    ///
    /// # Errors
    /// Nobody has one of the codes now, one of the agencies is closed, or both are one.
    pub fn merge(
        &mut self,
        code: &AgencyCode,
        into: &AgencyCode,
        now: Timestamp,
    ) -> Result<bool, AuthorityError> {
        let successor = open_agency(&mut self.agency_record(into, now)?, into)?.id;
        let mut record = self.agency_record(code, now)?;
        if let Entry::Agency(agency) = &record.entry
            && agency.successor == Some(successor)
        {
            return Ok(false);
        }
        let agency = open_agency(&mut record, code)?;
        if agency.id == successor {
            let code = code.clone();
            return Err(AuthorityError::MergedIntoItself { code });
        }
        agency.state = EntryState::Closed;
        agency.successor = Some(successor);
        self.enter_if(true, record)
    }

    fn agency_record(&self, code: &AgencyCode, now: Timestamp) -> Result<Record, AuthorityError> {
        let agency = self.register.agency_by_code(code, now);
        let record = agency.and_then(|agency| self.register.get(agency.id.to_bytes()));
        record.cloned().ok_or_else(|| AuthorityError::PartyUnknown {
            party: code.to_string(),
        })
    }

    fn enter_if(&mut self, changed: bool, record: Record) -> Result<bool, AuthorityError> {
        if changed {
            self.enter(record)?;
        }
        Ok(changed)
    }
}

fn open_agency<'a>(
    record: &'a mut Record,
    code: &AgencyCode,
) -> Result<&'a mut AgencyEntry, AuthorityError> {
    match &mut record.entry {
        Entry::Agency(agency) if agency.state != EntryState::Closed => Ok(agency),
        _ => Err(closed(code)),
    }
}

fn closed(code: &AgencyCode) -> AuthorityError {
    AuthorityError::Closed {
        party: code.to_string(),
    }
}
