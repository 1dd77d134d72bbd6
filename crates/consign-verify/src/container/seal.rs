//! Seals: the CAdES signature over a manifest, the certificate behind it, and whether it
//! is the issuer's.

use consign_domain::directory::{AgencyEntry, KeyState};
use consign_domain::document::Document;
use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_pki::asic::SignatureLayer;
use consign_pki::certificate::CertificateDetails;
use consign_pki::cms::{self, CadesSignature, CmsError};
use consign_pki::path::revocation::RevocationReason;
use consign_pki::path::{self, PathError, PathPurpose, RevocationCheck};
use serde::Serialize;

use super::{ORGANIZATION_IDENTIFIER_PREFIX, SEAL_USAGE, with_causes};
use crate::directory::Directory;
use crate::report::{Check, Report};
use crate::time_stamp;

/// Time-stamps of one seal that are looked at.
const MAX_STAMPS: usize = 4;

/// As of when a container is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedAt {
    /// The container is known to have existed then: an acceptance says so, or the one who
    /// asks does. A certificate that had expired by then failed.
    Proven(Timestamp),
    /// The container existed then at the latest: a time-stamp over all of it says so. What was good
    /// then counts; what had ended by then may have been good before.
    By(Timestamp),
    /// Only the present is known: a certificate that has expired since may have been good.
    Now(Timestamp),
}

impl JudgedAt {
    /// The time.
    pub const fn time(self) -> Timestamp {
        match self {
            Self::Proven(time) | Self::By(time) | Self::Now(time) => time,
        }
    }
}

/// What seals are measured against.
#[derive(Debug, Clone, Copy)]
pub struct SealTrust<'a> {
    /// Roots of seals, as DER.
    pub roots: &'a [Vec<u8>],
    /// Who has which seal, and what is revoked. Without it the certificate says whose seal it
    /// is, and revocation lists say whether it was revoked.
    pub directory: Option<&'a Directory>,
    /// Revocation lists, as DER. Beside a directory they may say of more that it is revoked;
    /// without either, nothing is known of revocation.
    pub lists: &'a [Vec<u8>],
    /// Roots of time-stamp authorities besides those of seals, as DER.
    pub time_stamp_roots: &'a [Vec<u8>],
}

impl<'a> SealTrust<'a> {
    /// Pinned roots and the directory.
    pub const fn by_directory(roots: &'a [Vec<u8>], directory: &'a Directory) -> Self {
        Self {
            directory: Some(directory),
            ..Self::by_roots(roots)
        }
    }

    /// Roots alone.
    pub const fn by_roots(roots: &'a [Vec<u8>]) -> Self {
        Self {
            roots,
            directory: None,
            lists: &[],
            time_stamp_roots: &[],
        }
    }
}

/// Who made a seal, by its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealInfo {
    /// The manifest it signs.
    pub manifest: String,
    /// The organisation in the certificate.
    pub organization: Option<String>,
    /// Its identifier, such as `VNGOV-H49.13`.
    pub organization_identifier: Option<String>,
    /// The certificate: SHA-256 of its DER.
    pub certificate: Digest,
    /// Its serial number, hexadecimal.
    pub serial: String,
    /// When the signer says it signed; a claim, not a proof.
    pub claimed_time: Option<Timestamp>,
    /// When time-stamps prove that it was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proven_time: Option<Timestamp>,
    /// The algorithm.
    pub algorithm: &'static str,
}

/// Checks one layer: signature and certificate path.
pub(super) fn check(
    index: usize,
    layer: &SignatureLayer,
    late_stamp: Option<&Vec<u8>>,
    trust: &SealTrust<'_>,
    at: JudgedAt,
    report: &mut Report,
) -> Option<SealInfo> {
    let (name, clause) = ("seal-signature", "EN 319 122-1 §6, RFC 5652 §5.6");
    let signature = match cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes) {
        Ok(signature) => signature,
        Err(error) => {
            report.push(signature_fault(name, clause, &error));
            report.malformed |= matches!(error, CmsError::Encoding(_) | CmsError::NotSignedData);
            return None;
        }
    };
    let mut info = describe(layer, &signature);
    let who = info
        .as_ref()
        .and_then(|info| info.organization.clone())
        .unwrap_or_default();
    report.passed(name, clause, format!("{}: {who}", layer.signature_name));
    let late_stamp = late_stamp.filter(|_| index == 0);
    let proven = proven_time(layer, &signature, late_stamp, trust, at, report);
    if let Some(info) = &mut info {
        info.proven_time = proven;
    }
    let at = proven.map_or(at, JudgedAt::Proven);
    check_claimed_time(info.as_ref(), at, report);
    check_path(index, layer, &signature, trust, at, report);
    info
}

/// The earliest time that a time-stamp on a seal's value proves, if there is one that counts
/// and it is no later than what is known anyhow. One that does not count proves nothing, and
/// makes nothing worse.
fn proven_time(
    layer: &SignatureLayer,
    signature: &CadesSignature,
    late_stamp: Option<&Vec<u8>>,
    trust: &SealTrust<'_>,
    at: JudgedAt,
    report: &mut Report,
) -> Option<Timestamp> {
    let (name, clause) = ("seal-time-stamp", "EN 319 102-1 §5.4, RFC 3161");
    let mut proven: Option<Timestamp> = None;
    let inside = signature.time_stamp_tokens.iter();
    for token in late_stamp.into_iter().chain(inside).take(MAX_STAMPS) {
        let seal = &layer.signature_name;
        match time_stamp::judge(token, &signature.signature_value, trust, at.time()) {
            // It may be a second later than it says, and is no later than what is known.
            Ok(stamp) if stamp.time <= at.time() => {
                let time = stamp.latest.min(at.time());
                let who = stamp.authority;
                report.passed(name, clause, format!("existed at {time}: {who}"));
                proven = Some(proven.map_or(time, |known| known.min(time)));
            }
            Ok(stamp) => {
                let (time, who) = (stamp.time, stamp.authority);
                let detail = format!("{seal}: stamped at {time} by {who}, which is later");
                report.push(Check::noted(name, clause, detail));
            }
            Err(fault) => {
                let detail = format!("{seal}: not counted: {}", with_causes(&fault));
                report.push(Check::noted(name, clause, detail));
            }
        }
    }
    proven
}

/// An algorithm that is not known here may be known elsewhere: doubt, not failure.
fn signature_fault(name: &'static str, clause: &'static str, error: &CmsError) -> Check {
    let detail = with_causes(error);
    let sub_indication = match error {
        CmsError::Algorithms { .. } => {
            let sub_indication = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE";
            return Check::indeterminate(name, clause, sub_indication, detail);
        }
        CmsError::MessageDigestMismatch => "HASH_FAILURE",
        CmsError::Signature(_) => "SIG_CRYPTO_FAILURE",
        _ => "FORMAT_FAILURE",
    };
    Check::failed(
        name,
        clause,
        ErrorCode::SealInvalid,
        Some(sub_indication),
        detail,
    )
}

/// A signer's clock proves nothing, but a time to come is worth a word.
fn check_claimed_time(info: Option<&SealInfo>, at: JudgedAt, report: &mut Report) {
    let Some(claimed) = info.and_then(|info| info.claimed_time) else {
        return;
    };
    if claimed > at.time().plus_seconds(MAX_SKEW_SECONDS) {
        report.push(Check::noted(
            "seal-time",
            "EN 319 122-1 §5.2.1",
            format!(
                "the signer's clock said {claimed}, judged as of {}",
                at.time()
            ),
        ));
    }
}

fn describe(layer: &SignatureLayer, signature: &CadesSignature) -> Option<SealInfo> {
    let details = CertificateDetails::from_der(&signature.signer_certificate).ok()?;
    Some(SealInfo {
        manifest: layer.manifest_name.clone(),
        organization: details.organization,
        organization_identifier: details.organization_identifier,
        certificate: Digest::from_bytes(details.fingerprint),
        serial: details.serial_hex,
        claimed_time: signature.signing_time.map(Timestamp::from_unix_saturating),
        proven_time: None,
        algorithm: signature.algorithm.name(),
    })
}

fn check_path(
    index: usize,
    layer: &SignatureLayer,
    signature: &CadesSignature,
    trust: &SealTrust<'_>,
    at: JudgedAt,
    report: &mut Report,
) {
    let (name, clause) = ("seal-certificate", "RFC 5280 §6, EN 319 102-1 §5.2.6");
    // Only the issuer's seal must be of our making; a further signer may be a person.
    let mut purpose = if index == 0 {
        PathPurpose::seal(SEAL_USAGE)
    } else {
        PathPurpose {
            key_usage: path::RequiredKeyUsage::DigitalSignatureOrNonRepudiation,
            ..PathPurpose::default()
        }
    };
    purpose.crls = trust.lists.to_vec();
    let validate = |purpose: &PathPurpose| {
        path::validate(
            &signature.signer_certificate,
            &signature.other_certificates,
            trust.roots,
            at.time().as_unix(),
            purpose,
        )
    };
    let outcome = match validate(&purpose) {
        // The directory knows what the lists do not say.
        Err(PathError::RevocationUnknown { .. }) if trust.directory.is_some() => {
            purpose.crls.clear();
            validate(&purpose)
        }
        outcome => outcome,
    };
    match outcome {
        Ok(valid) => {
            let length = valid.fingerprints.len();
            let detail = format!(
                "a path of {length} certificates to a pinned root, as of {}",
                at.time()
            );
            report.passed(name, clause, detail);
            check_revocation(valid.revocation, trust, report);
        }
        // Another signer may come from another infrastructure, which nobody here judges.
        Err(PathError::Untrusted) if index > 0 => report.push(Check::noted(
            name,
            clause,
            format!(
                "{}: no path to a pinned root; this signer is not judged",
                layer.signature_name
            ),
        )),
        Err(error) => report.push(path_fault(name, clause, &error, trust, at)),
    }
}

/// What is known of revocation, where no directory says it.
fn check_revocation(known: RevocationCheck, trust: &SealTrust<'_>, report: &mut Report) {
    let (name, clause) = ("seal-revocation", "EN 319 102-1 §5.2.5, RFC 5280 §6.3");
    if trust.directory.is_some() {
        return;
    }
    if known == RevocationCheck::NotRevoked {
        let detail = "no certificate of the path is on its issuer's list".to_owned();
        return report.passed(name, clause, detail);
    }
    let detail = "no directory and no revocation data were given".to_owned();
    report.push(Check::indeterminate(name, clause, "TRY_LATER", detail));
}

/// A path that does not hold fails, unless what was given cannot decide.
pub(crate) fn path_fault(
    name: &'static str,
    clause: &'static str,
    error: &PathError,
    trust: &SealTrust<'_>,
    at: JudgedAt,
) -> Check {
    let unproven = !matches!(at, JudgedAt::Proven(_));
    let undecided = match error {
        PathError::Expired { .. } if unproven => Some("OUT_OF_BOUNDS_NO_POE"),
        // What is held may count again.
        PathError::Revoked { revoked, .. }
            if revoked.reason == RevocationReason::CertificateHold =>
        {
            Some("TRY_LATER")
        }
        PathError::Revoked { .. } if unproven => Some("REVOKED_NO_POE"),
        PathError::Untrusted if trust.directory.is_none() => Some("NO_CERTIFICATE_CHAIN_FOUND"),
        PathError::RevocationUnknown { .. } | PathError::TooMuch { .. } => Some("TRY_LATER"),
        _ => None,
    };
    let detail = with_causes(error);
    if let Some(sub_indication) = undecided {
        return Check::indeterminate(name, clause, sub_indication, detail);
    }
    let sub_indication = match error {
        PathError::Expired { .. } => Some("EXPIRED"),
        PathError::NotYetValid { .. } => Some("NOT_YET_VALID"),
        PathError::Revoked { .. } => Some("REVOKED"),
        PathError::BadSignature => Some("SIG_CRYPTO_FAILURE"),
        // The standard knows these as undecided; this policy decides them.
        _ => None,
    };
    Check::failed(
        name,
        clause,
        ErrorCode::SealCertificateNotValid,
        sub_indication,
        detail,
    )
}

/// The first seal is one that the directory lists for the issuer.
pub(super) fn check_issuer(
    document: &Document,
    seal: Option<&SealInfo>,
    trust: &SealTrust<'_>,
    at: JudgedAt,
    report: &mut Report,
) {
    let (name, clause) = ("seal-issuer", "Decree 30/2020/NĐ-CP, Article 5");
    let code = &document.issuer.code;
    let failed =
        |code, sub_indication, detail| Check::failed(name, clause, code, sub_indication, detail);
    let Some(seal) = seal else {
        let detail = "the issuer's seal could not be read".to_owned();
        return report.push(failed(ErrorCode::SealInvalid, None, detail));
    };
    let Some(directory) = trust.directory else {
        // The authority vouches for the code that it put into the certificate.
        let named = format!("{ORGANIZATION_IDENTIFIER_PREFIX}{code}");
        let found = seal.organization_identifier.as_deref().unwrap_or_default();
        if found == named {
            return report.passed(name, clause, format!("the certificate is that of {code}"));
        }
        let detail = format!("the certificate is that of {found:?} and not of {code}");
        return report.push(failed(ErrorCode::IssuerMismatch, None, detail));
    };
    let Some(agency) = directory.agency_by_code(code) else {
        let detail = format!("the directory does not know the issuer {code}");
        return report.push(failed(ErrorCode::SenderUnknown, None, detail));
    };
    let at = seal.proven_time.map_or(at, JudgedAt::Proven);
    let when = at.time();
    match listed(agency, seal, at) {
        Listing::Counts => {
            let name_at = agency.name_at(when).unwrap_or_default();
            report.passed(name, clause, format!("the seal of {code} {name_at}"));
        }
        Listing::Undecided(sub_indication) => {
            let detail = format!(
                "the directory's span for this seal of {code} excludes {when}; \
                 nothing proves that the document is older"
            );
            report.push(Check::indeterminate(name, clause, sub_indication, detail));
        }
        Listing::Ended(sub_indication) => {
            let detail = format!("the directory's span for this seal of {code} excludes {when}");
            let code = ErrorCode::SealCertificateNotValid;
            report.push(failed(code, Some(sub_indication), detail));
        }
        Listing::Absent => {
            let detail = format!("the directory does not list this seal for {code}");
            report.push(failed(ErrorCode::IssuerMismatch, None, detail));
        }
    }
}

enum Listing {
    Counts,
    Undecided(&'static str),
    Ended(&'static str),
    Absent,
}

/// Whether a seal counts by the agency's entry.
///
/// A retired seal is out of use, not out of trust: with the time proven, what it sealed
/// by its own word within its span stays good, however late it was sent. A revoked one
/// counts only for what is proven to be older than the revocation.
fn listed(agency: &AgencyEntry, seal: &SealInfo, at: JudgedAt) -> Listing {
    let mut listed = agency
        .seals
        .iter()
        .filter(|entry| entry.certificate == seal.certificate);
    let Some(entry) = listed.next() else {
        return Listing::Absent;
    };
    let claimed = seal.claimed_time.unwrap_or(at.time());
    let sealed_within = claimed <= at.time() && entry.validity.contains(claimed);
    let within = entry.validity.contains(at.time());
    match (entry.state, at) {
        (KeyState::Revoked, JudgedAt::Proven(_) | JudgedAt::By(_)) if within => Listing::Counts,
        (KeyState::Revoked, JudgedAt::Proven(_)) => Listing::Ended("REVOKED"),
        (KeyState::Revoked, _) => Listing::Undecided("REVOKED_NO_POE"),
        _ if within => Listing::Counts,
        (KeyState::Retired, JudgedAt::Proven(_)) if sealed_within => Listing::Counts,
        (_, JudgedAt::Proven(time)) if time < entry.validity.from => {
            Listing::Ended("NOT_YET_VALID")
        }
        (_, JudgedAt::Proven(_)) => Listing::Ended("EXPIRED"),
        (_, JudgedAt::By(_) | JudgedAt::Now(_)) => Listing::Undecided("OUT_OF_BOUNDS_NO_POE"),
    }
}
