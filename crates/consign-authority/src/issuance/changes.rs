//! What a request would change of what is registered: refused unless it is meant.

use consign_domain::Timestamp;
use consign_domain::directory::AgencyEntry;
use consign_domain::enrolment::AgencyRequest;

use super::Purpose;
use crate::entries::Place;
use crate::error::AuthorityError;

/// What renews itself.
const RENEWED: [&str; 3] = [TLS_KEY, STATEMENT_KEY, ENCRYPTION_KEY];
pub(super) const TLS_KEY: &str = "TLS key";
pub(super) const STATEMENT_KEY: &str = "statement key";
const ENCRYPTION_KEY: &str = "encryption key";

/// What a request would change of what is registered.
pub(super) struct Changes<'a> {
    party: &'a str,
    fields: Vec<&'static str>,
}

impl<'a> Changes<'a> {
    pub(super) const fn of(party: &'a str) -> Self {
        let fields = Vec::new();
        Self { party, fields }
    }

    pub(super) fn note(&mut self, field: &'static str, differs: bool) {
        if differs {
            self.fields.push(field);
        }
    }

    pub(super) fn agency(
        &mut self,
        before: &AgencyEntry,
        request: &AgencyRequest,
        place: Place,
        now: Timestamp,
    ) {
        let statement = before.statement_keys.last();
        let encryption = before.encryption_keys.last();
        self.note("code", before.code_at(now) != Some(&request.code));
        self.note("name", before.name_at(now) != Some(request.name.as_str()));
        self.note("parent", before.parent != place.parent);
        self.note("node", before.node != place.node);
        self.note("hub", before.hub != place.hub);
        self.note(
            STATEMENT_KEY,
            statement.is_none_or(|key| key.public.as_str() != request.statement.to_string()),
        );
        self.note(
            ENCRYPTION_KEY,
            encryption.is_none_or(|key| key.public.as_str() != request.encryption.as_str()),
        );
    }

    /// Refuses what may not change: all of it, unless it is meant; in a renewal all but the
    /// keys that renew themselves.
    pub(super) fn settle(mut self, replace: bool, purpose: Purpose) -> Result<(), AuthorityError> {
        match purpose {
            Purpose::Enrol if replace => return Ok(()),
            Purpose::Enrol => {}
            Purpose::Renew => self.fields.retain(|field| !RENEWED.contains(field)),
        }
        if self.fields.is_empty() {
            return Ok(());
        }
        Err(AuthorityError::Changed {
            party: self.party.to_owned(),
            fields: self.fields.join(", "),
        })
    }
}
