//! Where an agency belongs: the hub that holds its inbox, the agency above it.

use std::collections::BTreeMap;

use consign_domain::directory::AgencyEntry;
use consign_domain::enrolment::AgencyRequest;
use consign_domain::limits::MAX_ENTRIES;
use consign_domain::{AgencyId, HubId};

use super::Issuance;
use crate::error::AuthorityError;

impl Issuance<'_> {
    /// The hub of an agency.
    pub(super) fn hub_for(
        &self,
        agency: AgencyId,
        before: Option<&AgencyEntry>,
    ) -> Result<HubId, AuthorityError> {
        let named = self.options_for(agency).hub.as_ref();
        if let (None, Some(before)) = (named, before) {
            return Ok(before.hub);
        }
        if let Some(code) = named.or(self.settings.hub.as_ref()) {
            let mut hubs = self.register.active_hubs();
            let found = hubs.find(|hub| hub.code == *code).map(|hub| hub.id);
            return found.ok_or_else(|| AuthorityError::HubUnknown { code: code.clone() });
        }
        let hubs: Vec<_> = self.register.active_hubs().collect();
        match hubs.as_slice() {
            [] => Err(AuthorityError::NoHub),
            [only] => Ok(only.id),
            several => {
                let names: Vec<&str> = several.iter().map(|hub| hub.code.as_str()).collect();
                Err(AuthorityError::HubAmbiguous {
                    hubs: names.join(", "),
                })
            }
        }
    }

    /// The agencies above those of a request, in its order: found in the request or the register.
    pub(super) fn parents(
        &self,
        agencies: &[AgencyRequest],
    ) -> Result<Vec<Option<AgencyId>>, AuthorityError> {
        let inside: BTreeMap<&str, AgencyId> = agencies
            .iter()
            .map(|agency| (agency.code.as_str(), agency.id))
            .collect();
        let find = |agency: &AgencyRequest| match &agency.parent {
            None => Ok(None),
            Some(parent) => inside
                .get(parent.as_str())
                .copied()
                .or_else(|| Some(self.register.agency_by_code(parent, self.now)?.id))
                .map(Some)
                .ok_or_else(|| AuthorityError::ParentUnknown {
                    code: agency.code.clone(),
                    parent: parent.clone(),
                }),
        };
        let parents: Vec<Option<AgencyId>> = agencies.iter().map(find).collect::<Result<_, _>>()?;
        let above: BTreeMap<AgencyId, Option<AgencyId>> = agencies
            .iter()
            .map(|agency| agency.id)
            .zip(parents.iter().copied())
            .collect();
        match agencies
            .iter()
            .find(|agency| self.is_above_itself(agency.id, &above))
        {
            Some(agency) => Err(AuthorityError::ParentCycle {
                code: agency.code.clone(),
            }),
            None => Ok(parents),
        }
    }

    fn is_above_itself(
        &self,
        start: AgencyId,
        above: &BTreeMap<AgencyId, Option<AgencyId>>,
    ) -> bool {
        let mut at = start;
        for _ in 0..=MAX_ENTRIES {
            let registered = || self.register.agency(at).and_then(|agency| agency.parent);
            match above.get(&at).copied().unwrap_or_else(registered) {
                None => return false,
                Some(parent) if parent == start => return true,
                Some(parent) => at = parent,
            }
        }
        true
    }
}
