//! Groups of agencies, which documents are sent to together.

use consign_domain::directory::{Entry, GroupEntry, Validity};
use consign_domain::limits::{MAX_ENTRIES, MAX_RECIPIENTS};
use consign_domain::text::Line;
use consign_domain::{AgencyCode, AgencyId, GroupId, PartyCode, Timestamp};

use super::{Authority, store};
use crate::error::AuthorityError;
use crate::register::Record;

impl Authority {
    /// Puts agencies into a group, for the next directory; says whether that changed anything. A
    /// group that is not there is made, and then needs a name; a name that is given counts from now
    /// on. One that had ended begins anew, with these.
    ///
    /// # Errors
    /// The short name is none or another's, the name is another group's, an agency is not registered, a name is missing, or
    /// there would be too many.
    pub fn add_to_group(
        &mut self,
        code: &PartyCode,
        name: Option<&Line<200>>,
        agencies: &[AgencyCode],
        now: Timestamp,
    ) -> Result<bool, AuthorityError> {
        let members = self.members(agencies, now)?;
        let before = self.register.group_by_code(code).cloned();
        let mut group = match before.clone() {
            Some(group) => group,
            None => self.new_group(code, name, now)?,
        };
        if !group.validity.contains(now) {
            (group.members, group.validity) = (Vec::new(), begins(now));
        }
        group.name = name.cloned().unwrap_or(group.name);
        self.check_group_name(&group, now)?;
        group.members.extend(members);
        group.members.sort_unstable();
        group.members.dedup();
        if group.members.len() > MAX_RECIPIENTS {
            let limit = MAX_RECIPIENTS;
            return Err(AuthorityError::GroupFull { limit });
        }
        self.enter_group(before.as_ref(), group)
    }

    /// Takes agencies out of a group, or ends it where none is named, for the next directory; says
    /// whether that changed anything. Its short name stays its own.
    ///
    /// # Errors
    /// There is no such group, or an agency is not registered.
    pub fn remove_from_group(
        &mut self,
        code: &PartyCode,
        agencies: &[AgencyCode],
        now: Timestamp,
    ) -> Result<bool, AuthorityError> {
        let members = self.members(agencies, now)?;
        let before = self.register.group_by_code(code).cloned();
        let before = before.ok_or_else(|| AuthorityError::GroupUnknown { code: code.clone() })?;
        let mut group = before.clone();
        if agencies.is_empty() {
            let until = group.validity.until.map_or(now, |until| until.min(now));
            group.validity.until = Some(until);
        }
        group.members.retain(|member| !members.contains(member));
        self.enter_group(Some(&before), group)
    }

    fn new_group(
        &self,
        code: &PartyCode,
        name: Option<&Line<200>>,
        now: Timestamp,
    ) -> Result<GroupEntry, AuthorityError> {
        let id = store::id(GroupId::from_bytes)?;
        self.register.check_code(code, id.to_bytes())?;
        if self.register.len() >= MAX_ENTRIES {
            return Err(AuthorityError::Full { limit: MAX_ENTRIES });
        }
        let name = name
            .cloned()
            .ok_or_else(|| AuthorityError::InviteIncomplete {
                code: code.clone(),
                what: "its name: --name NAME",
            })?;
        Ok(GroupEntry {
            id,
            code: code.clone(),
            name,
            members: Vec::new(),
            validity: begins(now),
        })
    }

    /// What people call a group means no other.
    fn check_group_name(&self, group: &GroupEntry, now: Timestamp) -> Result<(), AuthorityError> {
        let mut others = self.register.groups();
        let other = others.find(|other| {
            let is_called = other.name == group.name
                || other.name.as_str() == group.code.as_str()
                || other.code.as_str() == group.name.as_str();
            other.id != group.id && other.validity.contains(now) && is_called
        });
        match other {
            Some(other) => Err(AuthorityError::GroupNameTaken {
                name: group.name.clone(),
                holder: other.code.clone(),
            }),
            None => Ok(()),
        }
    }

    /// The ids of agencies by the codes that they have now; all that are unknown are named.
    fn members(
        &self,
        agencies: &[AgencyCode],
        now: Timestamp,
    ) -> Result<Vec<AgencyId>, AuthorityError> {
        let (mut members, mut unknown) = (Vec::with_capacity(agencies.len()), Vec::new());
        for code in agencies {
            match self.register.agency_by_code(code, now) {
                Some(agency) => members.push(agency.id),
                None => unknown.push(code.to_string()),
            }
        }
        if unknown.is_empty() {
            return Ok(members);
        }
        let party = unknown.join(", ");
        Err(AuthorityError::PartyUnknown { party })
    }

    fn enter_group(
        &mut self,
        before: Option<&GroupEntry>,
        group: GroupEntry,
    ) -> Result<bool, AuthorityError> {
        if before == Some(&group) {
            return Ok(false);
        }
        let (party, entry) = (format!("group {}", group.code), Entry::Group(group));
        Entry::parse(&entry.to_bytes())
            .map_err(|source| AuthorityError::Entry { party, source })?;
        self.enter(Record {
            entry,
            certificates: Vec::new(),
            time_stamps: Vec::new(),
        })?;
        Ok(true)
    }
}

fn begins(now: Timestamp) -> Validity {
    Validity {
        from: now,
        until: None,
    }
}
