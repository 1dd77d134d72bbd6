//! Seals: the CAdES signature over a manifest, the certificate behind it, and whether it
//! is the issuer's.

use consign_domain::directory::{AgencyEntry, KeyState, Validity};
use consign_domain::document::Document;
use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_pki::asic::SignatureLayer;
use consign_pki::certificate::CertificateDetails;
use consign_pki::cms::{self, CadesSignature, CmsError};
use consign_pki::path::{self, MAX_INTERMEDIATES, PathError, PathPurpose};
use serde::Serialize;

use super::Policy;
use crate::directory::Directory;
use crate::report::{Aspect, Check, CheckName, CheckOutcome};
use crate::report::{Evidence, NotChecked, Reason, Report, Why};
use crate::signer::{self, LateStamp, Names};

const NAMES: Names = Names {
    signature: CheckName::SealSignature,
    algorithm: CheckName::SealAlgorithm,
    time_stamp: CheckName::SealTimeStamp,
    claimed_time: CheckName::SealTime,
    certificate: CheckName::SealCertificate,
    revocation: CheckName::SealRevocation,
    code: ErrorCode::SealInvalid,
};

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

    /// The time, where it is known that what is judged existed then.
    pub const fn proven(self) -> Option<Timestamp> {
        match self {
            Self::Proven(time) | Self::By(time) => Some(time),
            Self::Now(_) => None,
        }
    }

    /// With a time by which a time-stamp says that it existed. That it did not exist long before
    /// no time-stamp says; whoever judges as of a proven time asks for no more.
    const fn stamped(self, time: Timestamp) -> Self {
        match self {
            Self::Proven(_) => Self::Proven(time),
            Self::By(_) | Self::Now(_) => Self::By(time),
        }
    }
}

/// What seals are measured against.
#[derive(Debug, Clone, Copy)]
pub struct SealTrust<'a> {
    /// Roots of the network, for seals and time-stamp authorities, as DER.
    pub roots: &'a [Vec<u8>],
    /// Who has which seal, and what is revoked. Without it the certificate says whose seal it
    /// is, and revocation lists say whether it was revoked. A directory says what was revoked
    /// until it expires, as a list does.
    pub directory: Option<&'a Directory>,
    /// Revocation lists, as DER. Beside a directory they may say of more that it is revoked;
    /// without either, nothing is known of revocation.
    pub lists: &'a [Vec<u8>],
    /// Roots of time-stamp authorities besides the network's, as DER.
    pub time_stamp_roots: &'a [Vec<u8>],
    /// Roots of those who sign PDF files besides the network's, as DER. They vouch for nothing
    /// else.
    pub document_roots: &'a [Vec<u8>],
    /// Certificates of authorities that signatures need not carry themselves, as DER. Nobody
    /// trusts them: they may stand between a signer and a root.
    pub certificates: &'a [Vec<u8>],
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
            document_roots: &[],
            certificates: &[],
        }
    }

    /// What may stand between a signer and a root: what the signature carries, and of what is
    /// given besides as much as a path looks at.
    pub(crate) fn intermediates(&self, carried: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let room = MAX_INTERMEDIATES.saturating_sub(carried.len());
        let others = self
            .certificates
            .iter()
            .filter(|one| !carried.contains(one));
        carried.iter().chain(others.take(room)).cloned().collect()
    }

    /// Why it is not known whether somebody was revoked.
    pub(crate) const fn why_unknown(&self) -> Why {
        if self.lists.is_empty() {
            Why::NothingGiven
        } else {
            Why::GivenSaysNothing
        }
    }

    /// The directory, where it says what was revoked as of a time, and who was a member: one that
    /// had expired by then does not know what came since.
    pub(crate) fn directory_at(&self, at: Timestamp) -> Option<&'a Directory> {
        self.directory.filter(|directory| directory.is_fresh(at))
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

/// Checks one layer: signature, algorithm, times and certificate path.
///
/// # Errors
/// Nothing can be said of who made it; how the check of the signature came out.
pub(super) fn check(
    index: usize,
    layer: &SignatureLayer,
    late_stamp: Option<LateStamp<'_>>,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
    report: &mut Report,
) -> Result<SealInfo, CheckOutcome> {
    let file = Evidence::file(&layer.signature_name);
    let signature = match cms::parse_and_verify(&layer.signature_bytes, &layer.manifest_bytes) {
        Ok(signature) => signature,
        Err(error) => {
            let check = signer::signature_fault(&NAMES, &error).with(file);
            let outcome = check.outcome;
            report.push(check);
            report.malformed |= matches!(error, CmsError::Encoding(_) | CmsError::NotSignedData);
            return Err(outcome);
        }
    };
    let details = CertificateDetails::from_der(&signature.signer_certificate).ok();
    report.push(
        Check::passed(NAMES.signature)
            .with(file)
            .with(Evidence::signed(&layer.manifest_bytes))
            .with_all(details.as_ref().map(Evidence::certificate)),
    );
    if let Some(details) = &details {
        report.push(signer::check_algorithm(&NAMES, &signature, details, policy));
    }
    let mut info = details
        .clone()
        .map(|details| info(layer, &signature, details));
    let time = at.time();
    let stamped = signer::check_stamps(&NAMES, &signature, late_stamp, trust, policy, time, report);
    let proven = stamped.map(|stamped| stamped.proven);
    if let Some(info) = &mut info {
        info.proven_time = proven;
    }
    let at = proven.map_or(at, |proven| at.stamped(proven));
    let claimed = info.as_ref().and_then(|info| info.claimed_time);
    signer::check_claimed_time(&NAMES, claimed, policy, at.time(), report);
    let purpose = purpose(index, trust, policy);
    match validate(&signature, trust, purpose, at.time()) {
        Ok(path) => {
            let (details, at) = (details.as_ref(), at.time());
            signer::check_path(&NAMES, &path, details, trust, policy, at, report);
        }
        // Another signer may come from another infrastructure, which nobody here judges.
        Err(error)
            if index > 0
                && (error == PathError::Untrusted
                    || error == PathError::BadSignature
                        && !signer::is_listed(&signature, trust)) =>
        {
            let who = layer.signature_name.as_str().into();
            let skipped = NotChecked::new(Aspect::FurtherSigners, Why::OtherInfrastructure);
            report.skip(skipped.of([who]));
            let check = Check::noted(NAMES.certificate, Reason::SignerNotJudged);
            report.push(check.with(Evidence::file(&layer.signature_name)));
        }
        Err(error) => report.push(signer::path_fault(&NAMES, &error, &signature, trust, at)),
    }
    info.ok_or(CheckOutcome::Failed)
}

fn info(
    layer: &SignatureLayer,
    signature: &CadesSignature,
    details: CertificateDetails,
) -> SealInfo {
    SealInfo {
        manifest: layer.manifest_name.clone(),
        organization: details.organization,
        organization_identifier: details.organization_identifier,
        certificate: Digest::from_bytes(details.fingerprint),
        serial: details.serial_hex,
        claimed_time: signature.signing_time.map(Timestamp::from_unix_saturating),
        proven_time: None,
        algorithm: signature.algorithm.name(),
    }
}

/// Only the issuer's seal must be of our making; a further signer may be a person.
fn purpose(index: usize, trust: &SealTrust<'_>, policy: &Policy) -> PathPurpose {
    let mut purpose = if index == 0 {
        PathPurpose::seal(&policy.seal_usage)
    } else {
        PathPurpose {
            key_usage: path::RequiredKeyUsage::DigitalSignatureOrNonRepudiation,
            ..PathPurpose::default()
        }
    };
    purpose.crls = trust.lists.to_vec();
    purpose
}

fn validate(
    signature: &CadesSignature,
    trust: &SealTrust<'_>,
    mut purpose: PathPurpose,
    at: Timestamp,
) -> Result<path::ValidPath, PathError> {
    let own = &signature.signer_certificate;
    let others = trust.intermediates(&signature.other_certificates);
    let validate =
        |purpose: &PathPurpose| path::validate(own, &others, trust.roots, at.as_unix(), purpose);
    match validate(&purpose) {
        // The directory knows what the lists do not say, or what they are too many to be asked.
        Err(PathError::RevocationUnknown { .. } | PathError::TooMuch { .. })
            if trust.directory_at(at).is_some() =>
        {
            purpose.crls.clear();
            validate(&purpose)
        }
        outcome => outcome,
    }
}

/// The first seal is one that the directory lists for the issuer.
pub(super) fn check_issuer(
    document: &Document,
    seal: Result<&SealInfo, CheckOutcome>,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
) -> Check {
    let name = CheckName::SealIssuer;
    let code = &document.issuer.code;
    let issuer = |name: &str| Evidence::Agency {
        code: code.to_string(),
        name: name.into(),
    };
    let claimed = issuer(document.issuer.name.as_str());
    let failed = |reason, code| Check::failed(name, reason, code);
    let seal = match seal {
        Ok(seal) => seal,
        Err(CheckOutcome::Indeterminate) => {
            return Check::undecided(name, Reason::SignerUnknown).with(claimed);
        }
        Err(_) => {
            return failed(Reason::SignerUnknown, ErrorCode::SealInvalid).with(claimed);
        }
    };
    let Some(directory) = trust.directory else {
        // The authority vouches for the code that it put into the certificate.
        let expected = format!("{}{code}", policy.organization_prefix);
        let found = seal.organization_identifier.clone().unwrap_or_default();
        let check = if found == expected {
            Check::passed(name)
        } else {
            failed(Reason::SealOfAnother, ErrorCode::IssuerMismatch)
        };
        let (found, expected) = (found.into(), expected.into());
        return check
            .with(claimed)
            .with(Evidence::Found { found, expected });
    };
    let looked_at = Evidence::directory(directory);
    let at = seal.proven_time.map_or(at, |proven| at.stamped(proven));
    let may_be_newer = trust.directory_at(at.time()).is_none();
    let Some(agency) = directory.agency_by_code(code) else {
        // The whole of which this is a part may know it, or one of later.
        let check = if directory.is_part() || may_be_newer {
            Check::undecided(name, Reason::IssuerUnknown)
        } else {
            failed(Reason::IssuerUnknown, ErrorCode::SenderUnknown)
        };
        return check.with(claimed).with(looked_at);
    };
    let (listing, validity) = listed(agency, seal, at);
    let sha256 = seal.certificate;
    let check = match listing {
        Listing::Counts => Check::passed(name),
        Listing::Undecided(reason) => Check::undecided(name, reason),
        Listing::Ended(reason) => failed(reason, ErrorCode::SealCertificateNotValid),
        // It may have been listed since.
        Listing::Absent if may_be_newer => Check::undecided(name, Reason::SealOfAnother),
        Listing::Absent => failed(Reason::SealOfAnother, ErrorCode::IssuerMismatch),
    };
    let span = validity.map(|validity| Evidence::Span {
        from: validity.from,
        until: validity.until,
    });
    check
        .with(issuer(agency.name_at(at.time()).unwrap_or_default()))
        .with(Evidence::Fingerprint { sha256 })
        .with_all(span)
        .with(looked_at)
        .with(Evidence::judged_at(at.time()))
}

enum Listing {
    Counts,
    Undecided(Reason),
    Ended(Reason),
    Absent,
}

/// Whether a seal counts by the agency's entry, and the span that the entry gives it.
///
/// A retired seal is out of use, not out of trust: with a time by which it was there, what it
/// sealed by its own word within its span stays good, however late it was sent. A revoked one
/// counts only for what is proven to be older than the revocation.
fn listed<'a>(
    agency: &'a AgencyEntry,
    seal: &SealInfo,
    at: JudgedAt,
) -> (Listing, Option<&'a Validity>) {
    let mut listed = agency
        .seals
        .iter()
        .filter(|entry| entry.certificate == seal.certificate);
    let Some(entry) = listed.next() else {
        return (Listing::Absent, None);
    };
    let claimed = seal.claimed_time.unwrap_or(at.time());
    let sealed_within = claimed <= at.time() && entry.validity.contains(claimed);
    let within = entry.validity.contains(at.time());
    let listing = match (entry.state, at) {
        (KeyState::Revoked, JudgedAt::Proven(_) | JudgedAt::By(_)) if within => Listing::Counts,
        (KeyState::Revoked, JudgedAt::Proven(_)) => Listing::Ended(Reason::Revoked),
        (KeyState::Revoked, JudgedAt::By(_) | JudgedAt::Now(_)) => {
            Listing::Undecided(Reason::RevokedUnproven)
        }
        _ if within => Listing::Counts,
        (KeyState::Retired, JudgedAt::Proven(_) | JudgedAt::By(_)) if sealed_within => {
            Listing::Counts
        }
        (_, JudgedAt::Proven(time)) if time < entry.validity.from => {
            Listing::Ended(Reason::NotYetValid)
        }
        (_, JudgedAt::Proven(_)) => Listing::Ended(Reason::Expired),
        (_, JudgedAt::By(_) | JudgedAt::Now(_)) => Listing::Undecided(Reason::ExpiredUnproven),
    };
    (listing, Some(&entry.validity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_never_crowds_out_what_a_signature_carries() {
        let certificates: Vec<Vec<u8>> = (10..30).map(|number| vec![number]).collect();
        let trust = SealTrust {
            certificates: &certificates,
            ..SealTrust::by_roots(&[])
        };
        let carried: Vec<Vec<u8>> = vec![vec![1], vec![10]];
        let found = trust.intermediates(&carried);
        assert_eq!(found.len(), MAX_INTERMEDIATES);
        assert_eq!(found[..3], [vec![1], vec![10], vec![11]]);
        let many: Vec<Vec<u8>> = (1..=20).map(|number| vec![number]).collect();
        assert_eq!(trust.intermediates(&many), many);
    }
}
