//! Seals: the CAdES signature over a manifest, the certificate behind it, and whether it
//! is the issuer's.

use consign_domain::directory::AgencyEntry;
use consign_domain::document::Document;
use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_pki::asic::SignatureLayer;
use consign_pki::certificate::CertificateDetails;
use consign_pki::cms::{self, CadesSignature, CmsError};
use consign_pki::path::{self, PathError, PathPurpose};
use serde::Serialize;

use super::{SEAL_USAGE, failed, with_causes};
use crate::directory::Directory;
use crate::report::{Check, CheckOutcome, Report};

/// As of when a container is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JudgedAt {
    /// The container is known to have existed then: an acceptance says so, or the one who
    /// asks does. A certificate that had expired by then failed.
    Proven(Timestamp),
    /// Only the present is known: a certificate that has expired since may have been good.
    Now(Timestamp),
}

impl JudgedAt {
    /// The time.
    pub const fn time(self) -> Timestamp {
        match self {
            Self::Proven(time) | Self::Now(time) => time,
        }
    }
}

/// What seals are measured against.
#[derive(Debug, Clone, Copy)]
pub enum SealTrust<'a> {
    /// Pinned roots and the directory: decides.
    Directory {
        /// Roots, as DER.
        roots: &'a [Vec<u8>],
        /// The directory.
        directory: &'a Directory,
    },
    /// Roots alone: cannot know of revocation, nor whose seal it is.
    Roots {
        /// Roots, as DER.
        roots: &'a [Vec<u8>],
    },
}

impl SealTrust<'_> {
    const fn roots(&self) -> &[Vec<u8>] {
        match self {
            Self::Directory { roots, .. } | Self::Roots { roots } => roots,
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
    /// The algorithm.
    pub algorithm: &'static str,
}

/// Checks one layer: signature and certificate path.
pub(super) fn check(
    index: usize,
    layer: &SignatureLayer,
    trust: &SealTrust<'_>,
    at: JudgedAt,
    report: &mut Report,
) -> Option<SealInfo> {
    let (name, clause) = ("seal-signature", "EN 319 122-1 §6, RFC 5652 §5.6");
    let signature = match cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes) {
        Ok(signature) => signature,
        Err(error) => {
            let sub_indication = match &error {
                CmsError::MessageDigestMismatch => "HASH_FAILURE",
                CmsError::Signature(_) => "SIG_CRYPTO_FAILURE",
                CmsError::Algorithms { .. } => "CRYPTO_CONSTRAINTS_FAILURE",
                _ => "FORMAT_FAILURE",
            };
            report.malformed |= matches!(error, CmsError::Encoding(_) | CmsError::NotSignedData);
            report.push(failed(
                name,
                clause,
                ErrorCode::SealInvalid,
                sub_indication,
                &error,
            ));
            return None;
        }
    };
    let info = describe(layer, &signature);
    let who = info
        .as_ref()
        .and_then(|info| info.organization.clone())
        .unwrap_or_default();
    report.passed(name, clause, format!("{}: {who}", layer.signature_name));
    check_path(index, &signature, trust, at, report);
    info
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
        algorithm: signature.algorithm.name(),
    })
}

fn check_path(
    index: usize,
    signature: &CadesSignature,
    trust: &SealTrust<'_>,
    at: JudgedAt,
    report: &mut Report,
) {
    let (name, clause) = ("seal-certificate", "RFC 5280 §6, EN 319 102-1 §5.2.6");
    // Only the issuer's seal must be of our making; a further signer may be a person.
    let purpose = if index == 0 {
        PathPurpose::seal(SEAL_USAGE)
    } else {
        PathPurpose {
            key_usage: path::RequiredKeyUsage::DigitalSignatureOrNonRepudiation,
            ..PathPurpose::default()
        }
    };
    let outcome = path::validate(
        &signature.signer_certificate,
        &signature.other_certificates,
        trust.roots(),
        at.time().as_unix(),
        &purpose,
    );
    match outcome {
        Ok(valid) => {
            let length = valid.fingerprints.len();
            let detail = format!(
                "a path of {length} certificates to a pinned root, as of {}",
                at.time()
            );
            report.passed(name, clause, detail);
            if trust.directory().is_none() {
                report.push(Check {
                    name: "seal-revocation",
                    clause: "EN 319 102-1 §5.2.5",
                    outcome: CheckOutcome::Indeterminate,
                    code: Some(ErrorCode::VerdictIndeterminate),
                    sub_indication: Some("TRY_LATER"),
                    detail: "no directory and no revocation data were given".to_owned(),
                });
            }
        }
        Err(error) => report.push(path_fault(name, clause, &error, trust, at)),
    }
}

/// A path that does not hold fails, unless what was given cannot decide.
fn path_fault(
    name: &'static str,
    clause: &'static str,
    error: &PathError,
    trust: &SealTrust<'_>,
    at: JudgedAt,
) -> Check {
    let unproven = matches!(at, JudgedAt::Now(_));
    let (undecided, sub_indication) = match error {
        PathError::Expired { .. } => (unproven, "OUT_OF_BOUNDS_NO_POE"),
        PathError::NotYetValid { .. } => (false, "NOT_YET_VALID"),
        PathError::Untrusted => (trust.directory().is_none(), "NO_CERTIFICATE_CHAIN_FOUND"),
        PathError::RevocationUnknown => (true, "TRY_LATER"),
        PathError::Revoked => (false, "REVOKED"),
        PathError::WeakKey { .. } | PathError::WeakAlgorithm { .. } => {
            (false, "CRYPTO_CONSTRAINTS_FAILURE")
        }
        _ => (false, "CHAIN_CONSTRAINTS_FAILURE"),
    };
    let (outcome, code) = if undecided {
        (CheckOutcome::Indeterminate, ErrorCode::VerdictIndeterminate)
    } else {
        (CheckOutcome::Failed, ErrorCode::SealCertificateNotValid)
    };
    let detail = with_causes(error);
    Check {
        name,
        clause,
        outcome,
        code: Some(code),
        sub_indication: Some(sub_indication),
        detail,
    }
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
    let (Some(directory), Some(seal)) = (trust.directory(), seal) else {
        return;
    };
    let push = |report: &mut Report, code, sub_indication, detail| {
        let outcome = CheckOutcome::Failed;
        let (code, sub_indication) = (Some(code), Some(sub_indication));
        report.push(Check {
            name,
            clause,
            outcome,
            code,
            sub_indication,
            detail,
        });
    };
    let Some(agency) = directory.agency_by_code(code) else {
        let detail = format!("the directory does not know the issuer {code}");
        return push(
            report,
            ErrorCode::SenderUnknown,
            "SIG_CONSTRAINTS_FAILURE",
            detail,
        );
    };
    match listed(agency, seal, at.time()) {
        Listing::Counts => {
            let name_at = agency.name_at(at.time()).unwrap_or_default();
            report.passed(name, clause, format!("the seal of {code} {name_at}"));
        }
        Listing::OutsideItsDates => {
            let detail = format!(
                "the directory's dates for this seal of {code} exclude {}",
                at.time()
            );
            push(
                report,
                ErrorCode::SealCertificateNotValid,
                "REVOKED",
                detail,
            );
        }
        Listing::Absent => {
            let detail = format!("the directory does not list this seal for {code}");
            push(
                report,
                ErrorCode::IssuerMismatch,
                "SIG_CONSTRAINTS_FAILURE",
                detail,
            );
        }
    }
}

enum Listing {
    Counts,
    OutsideItsDates,
    Absent,
}

fn listed(agency: &AgencyEntry, seal: &SealInfo, at: Timestamp) -> Listing {
    match agency
        .seals
        .iter()
        .find(|entry| entry.certificate == seal.certificate)
    {
        Some(entry) if entry.validity.contains(at) => Listing::Counts,
        Some(_) => Listing::OutsideItsDates,
        None => Listing::Absent,
    }
}
