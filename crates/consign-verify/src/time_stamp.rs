//! Whether a time-stamp counts: what it is over, and whose it is (EN 319 102-1 §5.4, RFC 3161).
//!
//! An authority counts when a path leads from its certificate, whose only purpose is
//! time-stamping, to a root of seals or of time-stamp authorities, as of the stamp's own time.
//! Roots of those who sign documents vouch for no time.

use consign_domain::{Digest, Timestamp};
use consign_pki::certificate::{self, CertificateDetails};
use consign_pki::path::{self, PathError, PathPurpose, RevocationCheck};
use consign_pki::timestamp::{self, TimeStampError};

use crate::container::SealTrust;

/// A time-stamp that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenTime {
    /// The time that the authority says.
    pub time: Timestamp,
    /// What is stamped existed by then: the authority may be off, and says by how much.
    pub latest: Timestamp,
    /// The authority's name, as its certificate has it.
    pub authority: String,
    /// The certificate: SHA-256 of its DER.
    pub certificate: Digest,
    /// The token's serial number, hexadecimal.
    pub serial: String,
    /// When the first certificate of its path ends.
    pub until: Timestamp,
    /// Whether lists say that it was not revoked.
    pub revocation_known: bool,
    /// Whether the token names that certificate by SHA-1 alone, as older authorities do.
    pub named_by_sha1: bool,
}

/// Why a time-stamp proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TimeStampFault {
    /// The token itself.
    #[error("the time-stamp does not hold")]
    Token(#[from] TimeStampError),
    /// The authority is not one that is trusted.
    #[error("the time-stamp authority is not accepted")]
    Authority(#[from] PathError),
}

/// Judges a token over the bytes that it is said to stamp, with what is known at a time.
/// Revocation lists that say nothing of the authority leave it as it is; one that says that
/// others may have had its key ends all its tokens, since they could have been dated back.
///
/// # Errors
/// [`TimeStampFault`].
pub fn judge(
    token: &[u8],
    stamped: &[u8],
    trust: &SealTrust<'_>,
    at: Timestamp,
) -> Result<ProvenTime, TimeStampFault> {
    let stamp = timestamp::verify(token, stamped)?;
    let roots = [trust.roots, trust.time_stamp_roots].concat();
    let own = &stamp.signature.signer_certificate;
    let others = trust.intermediates(&stamp.signature.other_certificates);
    let validate = |crls: &[Vec<u8>], time: u64| {
        let purpose = PathPurpose {
            crls: crls.to_vec(),
            ..PathPurpose::time_stamping()
        };
        path::validate(own, &others, &roots, time, &purpose)
    };
    let path = match validate(trust.lists, stamp.time) {
        Err(PathError::RevocationUnknown { .. } | PathError::TooMuch { .. }) => {
            validate(&[], stamp.time)
        }
        valid => valid,
    }?;
    let until = path.not_after;
    // What was known of the key when its path ended stays known.
    let last = at.as_unix().min(until);
    for lists in trust.lists.chunks(path::MAX_REVOCATION_LISTS) {
        if let Err(fault @ PathError::Revoked { revoked, .. }) = validate(lists, last)
            && revoked.reason.is_compromise()
        {
            return Err(fault.into());
        }
    }
    let details = CertificateDetails::from_der(own).ok();
    let name = details.and_then(|details| details.common_name);
    let latest = stamp.time.saturating_add(stamp.accuracy_ms.div_ceil(1_000));
    Ok(ProvenTime {
        time: Timestamp::from_unix_saturating(stamp.time),
        latest: Timestamp::from_unix_saturating(latest),
        authority: name.unwrap_or_default(),
        certificate: Digest::from_bytes(certificate::fingerprint(own)),
        serial: stamp.serial_hex.clone(),
        revocation_known: path.revocation == RevocationCheck::NotRevoked,
        until: Timestamp::from_unix_saturating(until),
        named_by_sha1: stamp.signature.names_by_sha1,
    })
}

/// As [`judge`], for a token that must still count at a time: a path from its authority has to
/// hold then, since nothing protects the token but itself (EN 319 102-1 §5.6). What is known of
/// the token then is the caller's: now, or the time of the stamp that covers it.
///
/// # Errors
/// [`TimeStampFault`].
pub fn judge_lasting(
    token: &[u8],
    stamped: &[u8],
    trust: &SealTrust<'_>,
    at: Timestamp,
) -> Result<ProvenTime, TimeStampFault> {
    let proven = judge(token, stamped, trust, at)?;
    let signature = timestamp::verify(token, stamped)?.signature;
    let roots = [trust.roots, trust.time_stamp_roots].concat();
    path::validate(
        &signature.signer_certificate,
        &trust.intermediates(&signature.other_certificates),
        &roots,
        at.max(proven.time).as_unix(),
        &PathPurpose::time_stamping(),
    )?;
    Ok(proven)
}
