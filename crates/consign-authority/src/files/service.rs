//! What the authority's service needs of its directory.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use consign_domain::directory::TlsEntry;
use consign_domain::text::Line;
use consign_domain::{Digest, DirectoryVersion, SignedStatement, Timestamp};
use consign_pki::issue::create_request;
use consign_runtime::entropy;
use zeroize::Zeroizing;

use super::layout::Layout;
use super::{Authority, invitations, versions};
use crate::applicant::proven_request;
use crate::error::{AuthorityError, KeyUsage};
use crate::issuance::{IssueOptions, Purpose};
use crate::publication::Version;
use crate::register::CertificateRecord;
use crate::settings::DAY;

/// How long before its end a certificate of the service gives way to the next, in seconds.
const SHOWN_SECONDS: u64 = 30 * DAY;

/// The TLS identity of the authority's service, in PEM.
pub struct ServiceIdentity {
    /// The certificate and its issuer.
    pub chain: String,
    /// The key.
    pub key: Zeroizing<String>,
}

impl std::fmt::Debug for ServiceIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ServiceIdentity(…)")
    }
}

impl Authority {
    /// The identity of the service at an address, renewed when a third of the certificate's
    /// life is left; the next directory says where the service is.
    ///
    /// # Errors
    /// The address is none, or a key, certificate or file cannot be made.
    pub fn service_identity(
        &mut self,
        address: &Line<260>,
        now: Timestamp,
    ) -> Result<ServiceIdentity, AuthorityError> {
        let key = invitations::service_key(&self.layout, &self.keyring)?;
        let party = "the authority";
        let request = create_request(&key, party).map_err(|source| AuthorityError::Proof {
            usage: KeyUsage::Tls,
            party: party.to_owned(),
            source,
        })?;
        let proven = proven_request(&STANDARD.encode(request), KeyUsage::Tls, party)?;
        let (options, none) = (IssueOptions::default(), BTreeMap::new());
        let mut serials = entropy::serial_number;
        let issuance = self.issuance((&options, &none), Purpose::Enrol, now, &mut serials);
        let outcome = match issuance.service(&proven, address) {
            // The directory is handed on under the one that is here, to its last day.
            Err(fault @ AuthorityError::IssuingRevoked { .. }) => {
                let known = self.known_certificate(proven.key, (now, now));
                let known = known.ok_or(fault)?;
                return Ok(ServiceIdentity {
                    chain: self.chain(&known)?,
                    key: key.to_pkcs8_pem(),
                });
            }
            outcome => outcome?,
        };
        let bundle = self.carry_out(outcome)?;
        let lasting = (now, now.plus_seconds(SHOWN_SECONDS));
        Ok(ServiceIdentity {
            chain: match self.known_certificate(proven.key, lasting) {
                Some(known) => self.chain(&known)?,
                None => bundle.tls,
            },
            key: key.to_pkcs8_pem(),
        })
    }

    /// The oldest certificate of the service's key that counts from one moment to another: hubs
    /// know the service by certificates of the directory that they have, and get newer ones from it
    /// alone.
    fn known_certificate(
        &self,
        key: Digest,
        (from, to): (Timestamp, Timestamp),
    ) -> Option<CertificateRecord> {
        let authority = self.settings.authority.to_bytes();
        let record = self.register.get(authority)?;
        let entry = self.register.authority(authority)?;
        let good = |one: &&CertificateRecord| {
            let counts = |tls: &TlsEntry| {
                tls.certificate == one.sha256
                    && tls.validity.contains(from)
                    && tls.validity.contains(to)
            };
            one.key == key && entry.tls.iter().any(counts)
        };
        record.certificates.iter().find(good).cloned()
    }

    /// The newest published version above `have`, without judging it; needs no lock.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn newest_version(
        dir: &Path,
        have: Option<DirectoryVersion>,
    ) -> Result<Option<(SignedStatement, Vec<u8>)>, AuthorityError> {
        let place = Layout::new(dir).directory();
        let newest = versions::newest(&place)?;
        let Some(newest) = newest.filter(|newest| have.is_none_or(|have| have < *newest)) else {
            return Ok(None);
        };
        let Version { head, entries } = versions::read(&place, newest)?;
        Ok(Some((head, entries)))
    }
}
