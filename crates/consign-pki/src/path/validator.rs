//! The seam to `certval`: one candidate path in, one verdict out. Nothing of certval's
//! types leaves this file.

use certval::{
    CertificationPath, CertificationPathResults, CertificationPathSettings, Error, PDVCertificate,
    PDVTrustAnchorChoice, PathValidationStatus, PkiEnvironment, TimeOfInterest,
    enforce_trust_anchor_constraints,
};

use super::candidates::{CandidatePath, Certificate};
use super::known::Fact;
use super::revocation::{Answer, Lists, Standing};
use super::{ListUsed, PathError, PathPurpose, checks};
use crate::certificate::CertificateDetails;

/// Whether two DER names are the same name (RFC 5280 §7.1).
pub(super) fn same_name(left: &[u8], right: &[u8]) -> bool {
    use der::Decode;
    use x509_cert::name::Name;
    left == right
        || match (Name::from_der(left), Name::from_der(right)) {
            (Ok(left), Ok(right)) => certval::compare_names(&left, &right),
            _ => false,
        }
}

/// Judges one candidate for the instant `at`; gives the revocation lists that answered.
pub(super) fn validate(
    path: &CandidatePath<'_, '_>,
    at: u64,
    purpose: &PathPurpose,
) -> Result<Vec<ListUsed>, PathError> {
    for certificate in path.below_root().chain([path.root]) {
        checks::dates(certificate, at)?;
        checks::key(certificate)?;
    }
    // A root's signature over itself proves nothing, so its algorithm does not matter.
    path.below_root().try_for_each(checks::algorithm)?;

    let fact = Fact::of(
        "path",
        dependencies(path, purpose).iter().map(Vec::as_slice),
    );
    if !fact.is_known() {
        lead_to_root(path, at, purpose)?;
        readable(path)?;
        fact.remember();
    }
    if purpose.crls.is_empty() {
        return Ok(Vec::new());
    }
    revocation(path, at, &purpose.crls)
}

/// What holds can be shown: `certval` takes certificates that our own reader does not.
fn readable(path: &CandidatePath<'_, '_>) -> Result<(), PathError> {
    for certificate in path.below_root().chain([path.root]) {
        CertificateDetails::from_der(certificate.der).map_err(|_| malformed(certificate))?;
    }
    Ok(())
}

/// All that decides whether a path holds, but for its dates and revocation.
fn dependencies(path: &CandidatePath<'_, '_>, purpose: &PathPurpose) -> Vec<Vec<u8>> {
    let usage = purpose.required_eku.clone().unwrap_or_default();
    let policies = &purpose.policies;
    let flags = [
        policies.require_explicit,
        policies.inhibit_mapping,
        policies.inhibit_any,
    ];
    let asked = [
        usage.into_bytes(),
        policies.accepted.join(" ").into_bytes(),
        flags.map(u8::from).to_vec(),
    ];
    let chain = path.below_root().chain([path.root]);
    let chain = chain.map(|certificate| certificate.fingerprint.to_vec());
    asked.into_iter().chain(chain).collect()
}

/// Signatures, names, constraints, policies and usages from the root downwards (RFC 5280 §6.1).
fn lead_to_root(
    path: &CandidatePath<'_, '_>,
    at: u64,
    purpose: &PathPurpose,
) -> Result<(), PathError> {
    let anchor = PDVTrustAnchorChoice::try_from(path.root.der).map_err(|_| malformed(path.root))?;
    let settings = settings(at, purpose)?;
    let settings =
        enforce_trust_anchor_constraints(&settings, &anchor).map_err(|_| malformed(path.root))?;
    let environment = environment();
    let candidate = certification_path(path, anchor)?;
    let mut results = CertificationPathResults::new();
    environment
        .validate_path(&environment, &settings, &candidate, &mut results)
        .map_err(|error| refusal(&error))
}

/// Every certificate below the root against the lists, from the root downwards: an authority
/// that was revoked answers for nobody. One that is revoked decides, also where nothing is known
/// of those above it.
fn revocation(
    path: &CandidatePath<'_, '_>,
    at: u64,
    lists: &[Vec<u8>],
) -> Result<Vec<ListUsed>, PathError> {
    let lists = Lists::parse(lists);
    let below: Vec<_> = path.below_root().collect();
    let issuers = below.iter().skip(1).copied().chain([path.root]);
    let pairs: Vec<_> = below.iter().zip(issuers).collect();
    let mut issuer_ends = path.root.parts.not_after;
    let (mut used, mut unknown) = (Vec::new(), None);
    for (certificate, issuer) in pairs.into_iter().rev() {
        let fingerprint = certificate.fingerprint;
        let answer = lists.standing(&certificate.parts, &issuer.parts, issuer_ends, at);
        let not_after = certificate.parts.not_after;
        issuer_ends = answer
            .revoked_from
            .map_or(not_after, |from| from.min(not_after));
        match answer.standing {
            Standing::Good => used.push(list_used(certificate, &answer)),
            Standing::Revoked(revoked) => {
                return Err(PathError::Revoked {
                    fingerprint,
                    revoked,
                });
            }
            Standing::Unknown(gap) => {
                unknown.get_or_insert(PathError::RevocationUnknown { fingerprint, gap });
            }
        }
    }
    unknown.map_or(Ok(used), Err)
}

fn list_used(certificate: &Certificate<'_>, answer: &Answer) -> ListUsed {
    let details = CertificateDetails::from_der(certificate.der);
    ListUsed {
        certificate: certificate.fingerprint,
        issuer: details.map(|details| details.issuer).unwrap_or_default(),
        made: answer.made,
        until: answer.until,
    }
}

/// Whether a key (DER) signed a message with an algorithm (DER) that still holds.
pub(super) fn verify(message: &[u8], signature: &[u8], algorithm: &[u8], key: &[u8]) -> bool {
    let fact = Fact::of("signature", [message, signature, algorithm, key]);
    if fact.is_known() {
        return true;
    }
    let holds = verify_anew(message, signature, algorithm, key);
    if holds {
        fact.remember();
    }
    holds
}

fn verify_anew(message: &[u8], signature: &[u8], algorithm: &[u8], key: &[u8]) -> bool {
    use der::Decode;
    use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
    let (Ok(algorithm), Ok(key)) = (
        AlgorithmIdentifierOwned::from_der(algorithm),
        SubjectPublicKeyInfoOwned::from_der(key),
    ) else {
        return false;
    };
    if checks::is_weak(&algorithm.oid.to_string()) {
        return false;
    }
    let Ok(signature) = der::asn1::BitString::from_bytes(signature) else {
        return false;
    };
    let environment = environment();
    let verified =
        environment.verify_signature_message(&environment, message, &signature, &algorithm, &key);
    verified.is_ok()
}

fn settings(at: u64, purpose: &PathPurpose) -> Result<CertificationPathSettings, PathError> {
    let mut settings = CertificationPathSettings::new();
    // Zero would switch certval's own date checks off.
    let instant = TimeOfInterest::from_unix_secs(at.max(1)).map_err(|_| PathError::Refused)?;
    settings.set_time_of_interest(instant);
    settings.set_require_ta_store(false);
    settings.set_enforce_trust_anchor_constraints(true);
    settings.set_extended_key_usage_path(true);
    if let Some(usage) = &purpose.required_eku {
        settings.set_extended_key_usage([usage.clone()].into_iter().collect());
    }
    let policies = &purpose.policies;
    settings.set_initial_explicit_policy_indicator(policies.require_explicit);
    settings.set_initial_policy_mapping_inhibit_indicator(policies.inhibit_mapping);
    settings.set_initial_inhibit_any_policy_indicator(policies.inhibit_any);
    if !policies.accepted.is_empty() {
        settings.set_initial_policy_set(policies.accepted.clone());
    }
    settings.set_check_revocation_status(false);
    settings.set_check_ocsp_from_aia(false);
    settings.set_check_crldp_http(false);
    settings.set_retrieve_from_aia_sia_http(false);
    Ok(settings)
}

fn environment() -> PkiEnvironment {
    let mut environment = PkiEnvironment::new();
    environment.populate_5280_pki_environment();
    environment
}

fn certification_path(
    path: &CandidatePath<'_, '_>,
    anchor: PDVTrustAnchorChoice,
) -> Result<CertificationPath, PathError> {
    let parse = |certificate: &Certificate<'_>| {
        PDVCertificate::try_from(certificate.der).map_err(|_| malformed(certificate))
    };
    // certval wants the authorities from the root downwards.
    let authorities = path
        .authorities
        .iter()
        .rev()
        .map(|certificate| parse(certificate))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(CertificationPath::new(
        anchor,
        authorities,
        parse(path.end_entity)?,
    ))
}

fn malformed(certificate: &Certificate<'_>) -> PathError {
    PathError::Malformed {
        fingerprint: certificate.fingerprint,
        source: None,
    }
}

fn refusal(error: &Error) -> PathError {
    use PathValidationStatus as Status;
    let Error::PathValidation(status) = error else {
        return PathError::Refused;
    };
    match status {
        Status::SignatureVerificationFailure => PathError::BadSignature,
        Status::InvalidPathLength => PathError::TooLong,
        Status::UnprocessedCriticalExtension => PathError::UnknownCriticalExtension,
        Status::MissingBasicConstraints
        | Status::InvalidBasicConstraints
        | Status::InvalidKeyUsage => PathError::AuthorityUsage,
        Status::NameConstraintsViolation | Status::NullPolicySet | Status::InvalidPolicyMapping => {
            PathError::Constraints
        }
        Status::NameChainingFailure
        | Status::MissingTrustAnchor
        | Status::MissingTrustAnchorName
        | Status::NoPathsFound => PathError::Untrusted,
        _ => PathError::Refused,
    }
}
