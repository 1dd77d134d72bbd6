//! Certificates: the ones that are still good, or new ones.

use consign_domain::directory::{self, AgencyEntry};
use consign_domain::enrolment::AgencyRequest;
use consign_domain::{Digest, Timestamp};
use consign_pki::certificate::{CertificateDetails, CertificateError, fingerprint};
use consign_pki::issue::{
    AuthorityName, CertificateAuthority, IssueError, SealSubject, TlsSubject, TlsUsage, Validity,
};
use consign_verify::container::ORGANIZATION_IDENTIFIER_PREFIX;

use super::{Issuance, Issued, Purpose, Signing};
use crate::applicant::ProvenRequest;
use crate::entries::{BACKDATE_SECONDS, Listed};
use crate::error::AuthorityError;
use crate::register::CertificateRecord;
use crate::settings::DAY;

impl<'a> Issuance<'a> {
    pub(super) fn key_differs(&self, id: [u8; 16], proven: &ProvenRequest) -> bool {
        let newest = self.certificates(id).last();
        newest.is_none_or(|certificate| certificate.key != proven.key)
    }

    /// Whether an agency's newest certificate names it as it is called now.
    pub(super) fn is_named_in_seal(&self, agency: &AgencyEntry) -> bool {
        let newest = self.certificates(agency.id.to_bytes()).last();
        let current = |validity: &directory::Validity| validity.contains(self.now);
        let codes = agency.codes.iter().map(|one| one.validity).find(current);
        let names = agency.names.iter().map(|one| one.validity).find(current);
        let named = codes.into_iter().chain(names).map(|one| one.from).max();
        newest
            .zip(named)
            .is_some_and(|(newest, named)| named <= newest.from.plus_seconds(BACKDATE_SECONDS))
    }

    /// What was issued to a party, but to its time-stamp authority.
    fn certificates(&self, id: [u8; 16]) -> &'a [CertificateRecord] {
        let record = self.register.get(id);
        record.map_or(&[], |record| &record.certificates)
    }

    pub(super) fn tls_certificate(
        &mut self,
        id: [u8; 16],
        proven: &ProvenRequest,
        same_subject: bool,
        subject: &TlsSubject,
        usage: TlsUsage,
    ) -> Result<Listed, AuthorityError> {
        let days = self.settings.lives.tls_days;
        let party = subject.common_name.as_str();
        self.certificate(
            self.certificates(id),
            proven,
            same_subject,
            days,
            party,
            |ca, validity, serial| ca.issue_tls(&proven.der, subject, validity, serial, usage),
        )
    }

    pub(super) fn seal_certificate(
        &mut self,
        request: &AgencyRequest,
        proven: &ProvenRequest,
        same_subject: bool,
    ) -> Result<Listed, AuthorityError> {
        let days = self.settings.lives.seal_days;
        let subject = SealSubject {
            organization: request.name.to_string(),
            common_name: request.name.to_string(),
            organization_identifier: format!("{ORGANIZATION_IDENTIFIER_PREFIX}{}", request.code),
        };
        let (id, party) = (request.id.to_bytes(), request.code.as_str());
        let newest = self.register.get(id);
        let newest = newest.and_then(|record| record.certificates.last());
        if let (Purpose::Renew, Some(newest)) = (self.purpose, newest) {
            return Ok(Listed {
                certificate: newest.clone(),
                renewal: true,
            });
        }
        self.certificate(
            self.certificates(id),
            proven,
            same_subject,
            days,
            party,
            |ca, validity, serial| ca.issue_seal(&proven.der, &subject, validity, serial),
        )
    }

    /// The certificate of a hub's time-stamp authority, which is good as long as a seal's. The
    /// directory does not list it: the purpose in the certificate says what it is for.
    pub(super) fn time_stamp_certificate(
        &mut self,
        issued: &[CertificateRecord],
        proven: &ProvenRequest,
        party: &str,
    ) -> Result<Listed, AuthorityError> {
        let days = self.settings.lives.seal_days;
        let subject = AuthorityName {
            organization: self.settings.name.to_string(),
            common_name: format!("{party} time-stamps"),
        };
        self.certificate(issued, proven, true, days, party, |ca, validity, serial| {
            ca.issue_time_stamping(&proven.der, &subject, validity, serial)
        })
    }

    /// The newest of those issued if it is for this key and subject and has more than a third of
    /// its life left, else a new one, if the issuing certificate was not revoked.
    fn certificate(
        &mut self,
        issued: &[CertificateRecord],
        proven: &ProvenRequest,
        same_subject: bool,
        days: u64,
        party: &str,
        issue: impl FnOnce(&CertificateAuthority, Validity, &[u8]) -> Result<Vec<u8>, IssueError>,
    ) -> Result<Listed, AuthorityError> {
        let is_revoked = |one: &CertificateRecord| one.key == proven.key && one.revoked.is_some();
        if issued.iter().any(is_revoked) {
            let party = party.to_owned();
            return Err(AuthorityError::KeyRevoked { party });
        }
        let newest = issued
            .last()
            .filter(|newest| newest.key == proven.key && same_subject);
        if let Some(newest) = newest.filter(|newest| is_young(newest, self.now)) {
            return Ok(Listed {
                certificate: newest.clone(),
                renewal: true,
            });
        }
        if let Some(since) = self.authority_revoked {
            return Err(AuthorityError::IssuingRevoked { since });
        }
        let from = self.now.minus_seconds(BACKDATE_SECONDS).as_unix();
        let until = self.now.plus_seconds(days.saturating_mul(DAY)).as_unix();
        let validity = Validity {
            not_before: from.max(self.authority_validity.not_before),
            not_after: until.min(self.authority_validity.not_after),
        };
        let serial = (self.serials)()?;
        if self.signing == Signing::Withheld {
            let certificate = withheld(&serial, proven.key, validity);
            let renewal = newest.is_some();
            return Ok(Listed {
                certificate,
                renewal,
            });
        }
        let fault = |source| AuthorityError::Issue {
            party: party.to_owned(),
            source,
        };
        let der = issue(self.authority, validity, &serial).map_err(fault)?;
        let certificate = certificate_record(&der, proven.key)
            .map_err(|source| fault(IssueError::AuthorityCertificate(source)))?;
        let serial = certificate.serial.clone();
        self.issued.push(Issued { serial, der });
        Ok(Listed {
            certificate,
            renewal: newest.is_some(),
        })
    }
}

fn is_young(certificate: &CertificateRecord, now: Timestamp) -> bool {
    let third = certificate.until.distance(certificate.from) / 3;
    now < certificate.until.minus_seconds(third)
}

/// What stands for a certificate that is not made.
fn withheld(serial: &[u8], key: Digest, validity: Validity) -> CertificateRecord {
    CertificateRecord {
        serial: hex::encode(serial),
        sha256: Digest::of(b""),
        key,
        from: Timestamp::from_unix_saturating(validity.not_before),
        until: Timestamp::from_unix_saturating(validity.not_after),
        revoked: None,
    }
}

fn certificate_record(der: &[u8], key: Digest) -> Result<CertificateRecord, CertificateError> {
    let details = CertificateDetails::from_der(der)?;
    Ok(CertificateRecord {
        serial: details.serial_hex,
        sha256: Digest::from_bytes(fingerprint(der)),
        key,
        from: Timestamp::from_unix_saturating(details.not_before),
        until: Timestamp::from_unix_saturating(details.not_after),
        revoked: None,
    })
}
