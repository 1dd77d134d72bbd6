//! What is revoked, and the lists that say so to everybody who reads X.509.
//!
//! The directory says it to this network: a revoked seal or statement key counts for what is
//! proven to be older than the revocation, and for nothing later.

use consign_domain::directory::{Entry, KeyState, TlsEntry, Validity};
use consign_domain::{Digest, Timestamp};
use consign_pki::issue::Revocation;
use consign_pki::path::revocation::RevocationReason;
use serde::{Deserialize, Serialize};

use crate::error::{AuthorityError, DamageError};
use crate::register::{CertificateRecord, Record, Register};

/// Why and since when a party's keys no longer count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevokeOptions {
    /// Why.
    pub reason: RevocationReason,
    /// From when on; now, if it is left out.
    pub at: Option<Timestamp>,
    /// Since when others may have had the keys: nothing signed from then on counts.
    pub invalid_from: Option<Timestamp>,
}

/// What was revoked of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RevokedParty {
    /// From when on nothing of it counts.
    pub since: Timestamp,
    /// Certificates: seals of an agency; of a hub those for TLS and for time-stamps; of a node those
    /// for TLS.
    pub certificates: usize,
    /// Statement keys.
    pub statement_keys: usize,
}

/// How a certificate was revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevocationRecord {
    pub(crate) at: Timestamp,
    #[serde(with = "word")]
    pub(crate) reason: RevocationReason,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) invalid_from: Option<Timestamp>,
}

impl RevocationRecord {
    /// A revocation from now, or from earlier.
    pub(crate) fn new(options: RevokeOptions, now: Timestamp) -> Result<Self, AuthorityError> {
        let at = options.at.unwrap_or(now);
        if at > now || options.invalid_from.is_some_and(|from| from > now) {
            return Err(AuthorityError::RevokedLater { now });
        }
        Ok(Self {
            at,
            reason: options.reason,
            invalid_from: options.invalid_from,
        })
    }

    /// From when on nothing counts.
    pub(crate) fn since(&self) -> Timestamp {
        let invalid = self.invalid_from.unwrap_or(self.at);
        invalid.min(self.at)
    }

    /// Both revocations of one certificate: a compromise outweighs every other reason, and the
    /// earlier time counts.
    pub(crate) fn with(self, other: Self) -> Self {
        let is_graver = other.reason.is_compromise() && !self.reason.is_compromise();
        let invalid = [self.invalid_from, other.invalid_from];
        Self {
            at: self.at.min(other.at),
            reason: if is_graver { other.reason } else { self.reason },
            invalid_from: invalid.into_iter().flatten().min(),
        }
    }
}

/// Revokes what of a record still counts; `None` if nothing does. After a compromise that is
/// also what was replaced or revoked before: whoever has an old key could say that it was used
/// earlier. What was revoked for another reason or from later is then listed as compromised, and
/// from the earlier time.
pub(crate) fn revoke(record: &mut Record, revocation: RevocationRecord) -> Option<RevokedParty> {
    let (since, all) = (revocation.since(), revocation.reason.is_compromise());
    let affects = |state: KeyState, validity: &Validity| match state {
        KeyState::Active => true,
        KeyState::Retired => all,
        _ => all && validity.until.is_none_or(|until| until > since),
    };
    let mut revoked = Vec::new();
    let keys = match &mut record.entry {
        Entry::Agency(agency) => {
            let seals = agency.seals.iter_mut();
            for seal in seals.filter(|seal| affects(seal.state, &seal.validity)) {
                seal.state = KeyState::Revoked;
                end(&mut seal.validity, since);
                revoked.push(seal.certificate);
            }
            let keys = agency.encryption_keys.iter_mut();
            for key in keys.filter(|key| key.state == KeyState::Active) {
                key.state = KeyState::Retired;
                end(&mut key.validity, since);
            }
            &mut agency.statement_keys[..]
        }
        Entry::Hub(hub) => {
            revoked.extend(end_certificates(&mut hub.tls, since));
            &mut hub.statement_keys[..]
        }
        // It says nothing of its own: its agencies have keys, which are revoked by their codes.
        Entry::Node(node) => {
            revoked.extend(end_certificates(&mut node.tls, since));
            &mut []
        }
        _ => return None,
    };
    let mut statement_keys = 0;
    for key in keys
        .iter_mut()
        .filter(|key| affects(key.state, &key.validity))
    {
        key.state = KeyState::Revoked;
        end(&mut key.validity, since);
        statement_keys += 1;
    }
    let mut certificates = 0;
    let mut list = |certificate: &mut CertificateRecord, is_affected: bool| {
        let both = match certificate.revoked {
            None if is_affected => revocation,
            Some(before) if is_affected || all => before.with(revocation),
            _ => return,
        };
        certificates += usize::from(certificate.revoked != Some(both));
        certificate.revoked = Some(both);
    };
    for certificate in &mut record.certificates {
        let is_affected = revoked.contains(&certificate.sha256);
        list(certificate, is_affected);
    }
    for certificate in &mut record.time_stamps {
        let counts = certificate.revoked.is_none() && certificate.until > since;
        list(certificate, counts);
    }
    (certificates + statement_keys > 0).then_some(RevokedParty {
        since,
        certificates,
        statement_keys,
    })
}

/// Ends the TLS certificates that still count; gives them.
fn end_certificates(certificates: &mut [TlsEntry], since: Timestamp) -> Vec<Digest> {
    let counts = |tls: &&mut TlsEntry| tls.validity.until.is_none_or(|until| until > since);
    let ended = certificates.iter_mut().filter(counts).map(|tls| {
        end(&mut tls.validity, since);
        tls.certificate
    });
    ended.collect()
}

fn end(validity: &mut Validity, at: Timestamp) {
    validity.until = Some(validity.until.map_or(at, |until| until.min(at)));
}

/// Every certificate of a party that was ever revoked: an entry stays also when the certificate
/// has expired.
pub(crate) fn revoked(register: &Register) -> Result<Vec<Revocation>, DamageError> {
    listed(register.records().flat_map(Record::all_certificates))
}

/// What a list says of certificates: of those that are revoked.
pub(crate) fn listed<'a>(
    certificates: impl Iterator<Item = &'a CertificateRecord>,
) -> Result<Vec<Revocation>, DamageError> {
    let revoked = certificates.filter_map(|certificate| Some((certificate, certificate.revoked?)));
    revoked
        .map(|(certificate, revocation)| {
            Ok(Revocation {
                serial: hex::decode(&certificate.serial).map_err(|_| DamageError::Serial)?,
                at: revocation.at.as_unix(),
                reason: revocation.reason,
                invalid_from: revocation.invalid_from.map(Timestamp::as_unix),
            })
        })
        .collect()
}

/// The standard's word for a reason.
mod word {
    use consign_pki::path::revocation::RevocationReason;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(
        reason: &RevocationReason,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(reason.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<RevocationReason, D::Error> {
        let text = String::deserialize(deserializer)?;
        let unknown = || D::Error::custom(format!("{text} is no reason"));
        RevocationReason::from_name(&text).ok_or_else(unknown)
    }
}
