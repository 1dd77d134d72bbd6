//! The issuing certificate is revoked by the root, as after a theft of its key.
//!
//! `revoked.json` is the first to say so, and from then on nothing is issued and no list is signed
//! with that key; the root's list says it to others, now and in all that follow. The directory's
//! key is another: its versions go on, and carry that list to every node. A successor of the
//! issuing certificate there is none: whoever goes on founds a network anew.

use consign_domain::{Digest, Timestamp};
use consign_pki::certificate::CertificateDetails;
use consign_pki::path::revocation::RevocationReason;

use super::{Authority, PublishOptions, Published, damaged, lists, newest_directory, store};
use crate::applicant::key_digest;
use crate::error::AuthorityError;
use crate::register::CertificateRecord;
use crate::revocation::{RevocationRecord, RevokeOptions};

/// The issuing certificate that was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedIssuing {
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// From when on nothing that it issued counts.
    pub since: Timestamp,
    /// The directory with which the root's list travels.
    pub published: Published,
}

impl Authority {
    /// Revokes the issuing certificate in a new list of the root's, and publishes that with the
    /// next directory. What is proven to be older stays good. It can be repeated: a compromise,
    /// or an earlier time, that is learnt of later is then said too.
    ///
    /// # Errors
    /// The root's key is not at hand, it is revoked so already, the time is to come, or nothing
    /// can be published; once `revoked.json` is written the same again completes it.
    pub fn revoke_issuing(
        &mut self,
        options: RevokeOptions,
        now: Timestamp,
    ) -> Result<RevokedIssuing, AuthorityError> {
        // Of an authority the standard has another word for it (RFC 5280 §5.3.1).
        let reason = match options.reason {
            RevocationReason::KeyCompromise => RevocationReason::CaCompromise,
            other => other,
        };
        let revocation = RevocationRecord::new(RevokeOptions { reason, ..options }, now)?;
        if store::root_authority(&self.layout, &self.keyring)?.is_none() {
            return Err(AuthorityError::RootAway);
        }
        let before = self.issuing_revoked();
        let revocation = before.map_or(revocation, |before| before.with(revocation));
        if before == Some(revocation) && self.is_revocation_out()? {
            let party = "the issuing certificate".to_owned();
            return Err(AuthorityError::NothingToRevoke { party });
        }
        let issuing = CertificateRecord {
            revoked: Some(revocation),
            ..self.issuing_record()?
        };
        let serial = issuing.serial.clone();
        self.revoked.retain(|one| one.sha256 != issuing.sha256);
        self.revoked.push(issuing);
        let path = self.layout.revoked_authorities();
        store::publish(&path, &store::json(&self.revoked))?;
        let forced = PublishOptions {
            force: true,
            ..PublishOptions::default()
        };
        Ok(RevokedIssuing {
            serial,
            since: revocation.since(),
            published: self.publish(forced, now)?,
        })
    }

    /// How the issuing certificate was revoked, if it was.
    pub(crate) fn issuing_revoked(&self) -> Option<RevocationRecord> {
        let own = Digest::of(self.issuing.certificate_der());
        let mut revoked = self.revoked.iter();
        revoked.find(|one| one.sha256 == own)?.revoked
    }

    /// Whether the root's list says all, and a version of the directory has brought it to others.
    fn is_revocation_out(&self) -> Result<bool, AuthorityError> {
        let Some(newest) = newest_directory(&self.layout, &self.trust)? else {
            return Ok(false);
        };
        Ok(lists::root_says_all(&self.layout, &self.revoked)?
            && self.has_brought_revocations(newest.version())?)
    }

    fn issuing_record(&self) -> Result<CertificateRecord, AuthorityError> {
        let der = self.issuing.certificate_der();
        let details = CertificateDetails::from_der(der)
            .map_err(|source| damaged(&self.layout.issuing_pem(), source))?;
        Ok(CertificateRecord {
            serial: details.serial_hex,
            sha256: Digest::from_bytes(details.fingerprint),
            key: key_digest(&details.public_key_der),
            from: Timestamp::from_unix_saturating(details.not_before),
            until: Timestamp::from_unix_saturating(details.not_after),
            revoked: None,
        })
    }
}
