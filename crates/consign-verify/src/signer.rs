//! What seals and signatures inside PDF files have in common: algorithm, times, and the path from
//! the signer's certificate to a root (EN 319 102-1 §5.2.3 to §5.2.8).

use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_pki::algorithm::PublicKeyKind;
use consign_pki::certificate::{self, CertificateDetails};
use consign_pki::cms::{CadesSignature, CmsError};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::path::{PathError, RevocationCheck, ValidPath};

use crate::container::{JudgedAt, SealTrust};
use crate::policy::Policy;
use crate::report::{Aspect, Check, CheckName, Evidence, NotChecked, Reason, Report, Why};
use crate::time_stamp;

/// Under which names the checks of a signature go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) signature: CheckName,
    pub(crate) algorithm: CheckName,
    pub(crate) time_stamp: CheckName,
    pub(crate) claimed_time: CheckName,
    pub(crate) certificate: CheckName,
    pub(crate) revocation: CheckName,
    /// The code of a signature that does not hold.
    pub(crate) code: ErrorCode,
}

/// Why a signature does not hold (§5.2.2, §5.2.7). An algorithm or a form that is not known here
/// may be known elsewhere: doubt, not failure.
pub(crate) fn signature_fault(names: &Names, error: &CmsError) -> Check {
    let reason = match error {
        _ if error.is_weak() => Reason::AlgorithmWeak,
        _ if error.is_unknown_algorithm() => {
            return Check::undecided(names.signature, Reason::AlgorithmUnknown).because(error);
        }
        _ if error.is_unknown_form() => {
            return Check::undecided(names.signature, Reason::VersionUnknown).because(error);
        }
        CmsError::MessageDigestMismatch => Reason::ContentChanged,
        CmsError::Signature(_) => Reason::SignatureWrong,
        CmsError::SignerCertificateMissing | CmsError::NoCertificates => Reason::SignerUnknown,
        _ => Reason::SignatureMalformed,
    };
    Check::failed(names.signature, reason, names.code).because(error)
}

/// Whether the policy takes the algorithm and the size of the key (§5.2.8, TS 119 312).
pub(crate) fn check_algorithm(
    names: &Names,
    signature: &CadesSignature,
    details: &CertificateDetails,
    policy: &Policy,
) -> Check {
    let (bits, key) = match &details.key {
        PublicKeyKind::Rsa { bits } => (Some(*bits), format!("RSA {bits}")),
        PublicKeyKind::EcdsaP256 => (None, "EC P-256".to_owned()),
        PublicKeyKind::EcdsaP384 => (None, "EC P-384".to_owned()),
        PublicKeyKind::Ed25519 => (None, "Ed25519".to_owned()),
        other => (None, format!("{other:?}")),
    };
    let evidence = Evidence::Algorithm {
        name: signature.algorithm.name().to_owned(),
        key,
    };
    let check = if !policy.algorithms.contains(&signature.algorithm) {
        Check::failed(names.algorithm, Reason::AlgorithmNotAccepted, names.code)
    } else if bits.is_some_and(|bits| bits < policy.minimum_rsa_bits) {
        Check::failed(names.algorithm, Reason::KeyTooShort, names.code)
    } else {
        Check::passed(names.algorithm)
    };
    check.with(evidence)
}

/// A time-stamp of a signature that came afterwards and lies beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LateStamp<'a> {
    /// The token, DER.
    pub(crate) token: &'a [u8],
    /// What is known as of then decides whether it counts: when it is proven to have been there
    /// itself, or now.
    pub(crate) known: Timestamp,
}

/// What a time-stamp says, and what it proves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamped {
    /// The time that it says.
    pub(crate) said: Timestamp,
    /// What it is over existed by then.
    pub(crate) proven: Timestamp,
}

/// The earliest time that time-stamps on a signature's value prove, of those that count and are
/// no later than what is known anyhow. One that does not count proves nothing, and makes
/// nothing worse (§5.4).
pub(crate) fn check_stamps(
    names: &Names,
    signature: &CadesSignature,
    late_stamp: Option<LateStamp<'_>>,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: Timestamp,
    report: &mut Report,
) -> Option<Stamped> {
    let inside = signature.time_stamp_tokens.iter();
    let inside = inside.map(|token| LateStamp { token, known: at });
    let tokens: Vec<_> = late_stamp.into_iter().chain(inside).collect();
    if tokens.len() > policy.time_stamps {
        report.skip(NotChecked::new(Aspect::FurtherTimeStamps, Why::OverBudget));
    }
    let mut earliest: Option<Stamped> = None;
    for LateStamp { token, known } in tokens.into_iter().take(policy.time_stamps) {
        match time_stamp::judge(token, &signature.signature_value, trust, known) {
            Ok(stamp) => {
                if !stamp.revocation_known {
                    report.skip(NotChecked::new(
                        Aspect::StampRevocation,
                        trust.why_unknown(),
                    ));
                }
                let check = if stamp.time <= at {
                    // It may be a second later than it says, and is no later than what is known.
                    let (said, proven) = (stamp.time, stamp.latest.min(at));
                    if earliest.is_none_or(|known| proven < known.proven) {
                        earliest = Some(Stamped { said, proven });
                    }
                    Check::passed(names.time_stamp)
                } else {
                    Check::noted(names.time_stamp, Reason::StampLater)
                };
                report.push(check.with(Evidence::stamp(&stamp)));
            }
            Err(fault) => {
                let check = Check::noted(names.time_stamp, Reason::StampNotCounted);
                report.push(check.because(&fault));
            }
        }
    }
    earliest
}

/// A signer's clock proves nothing, but a time to come is worth a word.
pub(crate) fn check_claimed_time(
    names: &Names,
    claimed: Option<Timestamp>,
    policy: &Policy,
    at: Timestamp,
    report: &mut Report,
) {
    if let Some(claimed) = claimed
        && claimed > at.plus_seconds(policy.clock_skew_seconds)
    {
        let check = Check::noted(names.claimed_time, Reason::ClaimedInFuture);
        report.push(
            check
                .with(Evidence::claimed(claimed))
                .with(Evidence::judged_at(at)),
        );
    }
}

/// A path that holds, and what lists say of its certificates.
pub(crate) fn check_path(
    names: &Names,
    path: &ValidPath,
    details: Option<&CertificateDetails>,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: Timestamp,
    report: &mut Report,
) {
    let check = Check::passed(names.certificate)
        .with_all(details.map(Evidence::certificate))
        .with(Evidence::path(&path.fingerprints))
        .with(Evidence::judged_at(at));
    report.push(check);
    let lists = || path.lists.iter().map(Evidence::list);
    if path.revocation == RevocationCheck::NotRevoked {
        let age = policy.maximum_list_age_seconds;
        let is_old = |made| {
            let made = Timestamp::from_unix_saturating(made);
            age.is_some_and(|age| at > made.plus_seconds(age))
        };
        let check = if path.lists.iter().any(|list| is_old(list.made)) {
            Check::undecided(names.revocation, Reason::ListTooOld)
        } else {
            Check::passed(names.revocation)
        };
        report.push(check.with_all(lists()));
    } else if let Some(directory) = trust.directory_at(at) {
        // Whoever made an archive may have left a newer entry out.
        if directory.is_part() && directory.head().time < at {
            report.skip(NotChecked::new(Aspect::LaterRevocation, Why::NothingGiven));
        }
        // The directory says it of the seal, and of nobody above it.
        report.skip(NotChecked::new(
            Aspect::AuthorityRevocation,
            trust.why_unknown(),
        ));
    } else {
        report.push(Check::undecided(names.revocation, Reason::NoRevocationData));
    }
}

/// A path that does not hold fails, unless what was given cannot decide.
pub(crate) fn path_fault(
    names: &Names,
    error: &PathError,
    signature: &CadesSignature,
    trust: &SealTrust<'_>,
    at: JudgedAt,
) -> Check {
    let unproven = !matches!(at, JudgedAt::Proven(_));
    let (reason, is_undecided) = match error {
        PathError::Expired { .. } if unproven => (Reason::ExpiredUnproven, true),
        PathError::Expired { .. } => (Reason::Expired, false),
        PathError::NotYetValid { .. } => (Reason::NotYetValid, false),
        // What is held may count again.
        PathError::Revoked { revoked, .. }
            if revoked.reason == RevocationReason::CertificateHold =>
        {
            (Reason::OnHold, true)
        }
        PathError::Revoked { fingerprint, .. } if unproven => {
            let own = certificate::fingerprint(&signature.signer_certificate);
            let is_own = own == *fingerprint;
            let authority = Reason::AuthorityRevokedUnproven;
            (
                if is_own {
                    Reason::RevokedUnproven
                } else {
                    authority
                },
                true,
            )
        }
        PathError::Revoked { .. } => (Reason::Revoked, false),
        PathError::RevocationUnknown { .. } => (Reason::RevocationUnknown, true),
        // One signed by another key only shares its issuer's name, and may be of a generation of
        // which nothing is here; whoever lists the certificate knows the authority.
        PathError::BadSignature if !is_listed(signature, trust) => (Reason::NoPath, true),
        PathError::Untrusted => (Reason::NoPath, trust.directory_at(at.time()).is_none()),
        // Of an authority that cannot be read here, others may read more.
        PathError::Malformed { fingerprint, .. }
            if *fingerprint != certificate::fingerprint(&signature.signer_certificate) =>
        {
            (Reason::NoPath, true)
        }
        PathError::TooMuch { .. } => (Reason::PathTooLong, true),
        PathError::TooLong => (Reason::PathTooLong, false),
        PathError::BadSignature => (Reason::PathBroken, false),
        PathError::WeakKey { .. } | PathError::WeakAlgorithm { .. } => {
            (Reason::AlgorithmWeak, false)
        }
        PathError::EndEntityIsAuthority
        | PathError::KeyUsage
        | PathError::ExtendedKeyUsage { .. }
        | PathError::NotOnlyThatUsage { .. }
        | PathError::AuthorityUsage
        | PathError::Constraints => (Reason::WrongUsage, false),
        _ => (Reason::PathRefused, false),
    };
    let is_revocation = matches!(
        error,
        PathError::Revoked { .. } | PathError::RevocationUnknown { .. }
    );
    let name = if is_revocation {
        names.revocation
    } else {
        names.certificate
    };
    let check = if is_undecided {
        Check::undecided(name, reason)
    } else {
        Check::failed(name, reason, ErrorCode::SealCertificateNotValid)
    };
    let check = check
        .because(error)
        .with_all(concerned(error, signature, trust))
        .with(Evidence::judged_at(at.time()));
    match error {
        PathError::Revoked { revoked, .. } => check.with(Evidence::revocation(*revoked)),
        _ => check,
    }
}

/// Whether the directory lists the signer's certificate as a seal.
pub(crate) fn is_listed(signature: &CadesSignature, trust: &SealTrust<'_>) -> bool {
    let own = certificate::fingerprint(&signature.signer_certificate);
    let own = Digest::from_bytes(own);
    trust
        .directory
        .is_some_and(|directory| directory.lists_seal(own))
}

/// The certificate that a fault is about: the signer's, where the fault names none.
fn concerned(
    error: &PathError,
    signature: &CadesSignature,
    trust: &SealTrust<'_>,
) -> Option<Evidence> {
    let own = &signature.signer_certificate;
    let named = match error {
        PathError::Malformed { fingerprint, .. }
        | PathError::NotYetValid { fingerprint, .. }
        | PathError::Expired { fingerprint, .. }
        | PathError::WeakKey { fingerprint, .. }
        | PathError::WeakAlgorithm { fingerprint, .. }
        | PathError::Revoked { fingerprint, .. }
        | PathError::RevocationUnknown { fingerprint, .. } => *fingerprint,
        _ => certificate::fingerprint(own),
    };
    let mut known = [own]
        .into_iter()
        .chain(&signature.other_certificates)
        .chain(trust.certificates)
        .chain(trust.roots);
    let der = known.find(|der| certificate::fingerprint(der) == named);
    let details = der.and_then(|der| CertificateDetails::from_der(der).ok());
    let sha256 = Digest::from_bytes(named);
    Some(details.map_or(Evidence::Fingerprint { sha256 }, |details| {
        Evidence::certificate(&details)
    }))
}
