//! The authority's own place in the directory: where it answers, and its TLS certificate.

use consign_domain::directory::{AuthorityEntry, Entry};
use consign_domain::text::Line;
use consign_pki::issue::{TlsSubject, TlsUsage};

use super::{Issuance, Outcome, hub_subject};
use crate::address::host;
use crate::applicant::ProvenRequest;
use crate::entries;
use crate::error::{AuthorityError, KeyUsage};

impl Issuance<'_> {
    /// A certificate for the authority's service, and its entry. The key stays the same for
    /// ever: invitations name it.
    pub(crate) fn service(
        mut self,
        key: &ProvenRequest,
        address: &Line<260>,
    ) -> Result<Outcome, AuthorityError> {
        let (id, party) = (self.settings.authority.to_bytes(), "the authority");
        self.claim(key.key, KeyUsage::Tls, id, party)?;
        let code = self.settings.code.as_str();
        let subject: TlsSubject =
            hub_subject(self.settings.name.as_str(), code, host(address.as_str())?);
        let before = self.register.authority(id);
        let same_subject = before.is_some_and(|before| before.address == *address);
        let mut listed = self.tls_certificate(id, key, same_subject, &subject, TlsUsage::Server)?;
        // One key may have certificates for several addresses, and hubs know it by older ones.
        let record = self.register.get(id);
        let newest = record.and_then(|record| record.certificates.last());
        listed.renewal |= newest.is_some_and(|newest| newest.key == key.key);
        let mut entry = before.cloned().unwrap_or_else(|| AuthorityEntry {
            id: self.settings.authority,
            address: address.clone(),
            tls: Vec::new(),
        });
        entry.address = address.clone();
        entries::list_certificate(&mut entry.tls, &listed, self.moment());
        let record = self.record(Entry::Authority(entry), &listed)?;
        Ok(self.outcome(id, vec![record], listed.certificate, Vec::new()))
    }
}
