//! Checks with an exact reason of their own, made before the validator runs.

use super::candidates::Certificate;
use super::{PathError, PathPurpose, RequiredKeyUsage};
use crate::algorithm::{MAX_RSA_BITS, MIN_RSA_BITS, PublicKey, SignatureError};
use crate::certificate::{CertificateDetails, KeyUsageName};

/// Signature algorithms over MD2, MD5 and SHA-1 (RFC 3279, RFC 5758).
const WEAK_ALGORITHMS: [&str; 6] = [
    "1.2.840.113549.1.1.2",
    "1.2.840.113549.1.1.4",
    "1.2.840.113549.1.1.5",
    "1.2.840.10040.4.3",
    "1.2.840.10045.4.1",
    "1.3.14.3.2.29",
];

/// Whether the end entity is one, is in date, and may be used for the purpose.
pub(super) fn end_entity(
    certificate: &Certificate<'_>,
    at: u64,
    purpose: &PathPurpose,
) -> Result<(), PathError> {
    let details =
        CertificateDetails::from_der(certificate.der).map_err(|_| PathError::Malformed {
            fingerprint: certificate.fingerprint,
            source: None,
        })?;
    dates(certificate, at)?;
    if details.is_authority {
        return Err(PathError::EndEntityIsAuthority);
    }
    if !allows(details.key_usages.as_deref(), purpose.key_usage) {
        return Err(PathError::KeyUsage);
    }
    let Some(required) = &purpose.required_eku else {
        return Ok(());
    };
    if !details.extended_key_usages.contains(required) {
        return Err(PathError::ExtendedKeyUsage {
            required: required.clone(),
        });
    }
    let stands_alone = || {
        let is_critical = certificate.parts.has_critical_extended_usage();
        is_critical.unwrap_or(false) && details.extended_key_usages.len() == 1
    };
    if purpose.only_that_eku && !stands_alone() {
        return Err(PathError::NotOnlyThatUsage {
            required: required.clone(),
        });
    }
    Ok(())
}

pub(super) fn dates(certificate: &Certificate<'_>, at: u64) -> Result<(), PathError> {
    let fingerprint = certificate.fingerprint;
    let (not_before, not_after) = (certificate.parts.not_before, certificate.parts.not_after);
    if at < not_before {
        return Err(PathError::NotYetValid {
            fingerprint,
            not_before,
        });
    }
    if at > not_after {
        return Err(PathError::Expired {
            fingerprint,
            not_after,
        });
    }
    Ok(())
}

/// Whether the key is strong enough.
pub(super) fn key(certificate: &Certificate<'_>) -> Result<(), PathError> {
    let fingerprint = certificate.fingerprint;
    match PublicKey::from_spki(certificate.parts.spki) {
        Ok(PublicKey::Rsa { bits, .. }) if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) => {
            Err(PathError::WeakKey { fingerprint, bits })
        }
        // Other curves are the validator's to accept or refuse.
        Ok(_) | Err(SignatureError::UnsupportedKey { .. }) => Ok(()),
        Err(_) => Err(PathError::Malformed {
            fingerprint,
            source: None,
        }),
    }
}

/// Whether the certificate's signature is made with a digest that still holds.
pub(super) fn algorithm(certificate: &Certificate<'_>) -> Result<(), PathError> {
    let oid = certificate.parts.signature_algorithm.oid.to_string();
    if is_weak(&oid) {
        return Err(PathError::WeakAlgorithm {
            fingerprint: certificate.fingerprint,
            oid,
        });
    }
    Ok(())
}

/// Whether signatures by an algorithm, dotted, prove nothing any more.
pub(crate) fn is_weak(algorithm: &str) -> bool {
    WEAK_ALGORITHMS.contains(&algorithm)
}

fn allows(usages: Option<&[KeyUsageName]>, required: RequiredKeyUsage) -> bool {
    let has = |usage| usages.is_some_and(|usages| usages.contains(&usage));
    let (digital, commitment) = (
        has(KeyUsageName::DigitalSignature),
        has(KeyUsageName::NonRepudiation),
    );
    match required {
        RequiredKeyUsage::Any => true,
        RequiredKeyUsage::DigitalSignature => digital,
        RequiredKeyUsage::DigitalSignatureOrNonRepudiation => digital || commitment,
        RequiredKeyUsage::DigitalSignatureAndNonRepudiation => digital && commitment,
    }
}
