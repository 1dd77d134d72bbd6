//! One signature of a PDF file: whether it holds, whose it is, and what came after it.

use consign_domain::limits::MAX_SKEW_SECONDS;
use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_pki::certificate::CertificateDetails;
use consign_pki::cms::{self, CadesSignature, CmsError};
use consign_pki::path::{self, PathPurpose, RequiredKeyUsage, RevocationCheck};
use consign_pki::pdf::{Addition, PdfSignature, SignatureKind};
use serde::Serialize;

use super::{CLAUSE, Role, outcome};
use crate::container::seal::path_fault;
use crate::container::{JudgedAt, SEAL_USAGE, SealTrust, with_causes};
use crate::report::{Check, Indication, Report};
use crate::time_stamp;

/// Time-stamps of one signature that are looked at.
const MAX_STAMPS: usize = 4;

/// Extended key usages under which documents are signed: this network's seals, document
/// signing (RFC 9336, and two older ones), protection of mail, and any.
const SIGNING_USAGES: [&str; 6] = [
    SEAL_USAGE,
    "1.3.6.1.5.5.7.3.36",
    "1.3.6.1.4.1.311.10.3.12",
    "1.2.840.113583.1.1.5",
    "1.3.6.1.5.5.7.3.4",
    "2.5.29.37.0",
];

/// What was found about one signature.
#[derive(Debug, Clone, Serialize)]
pub struct PdfSignatureJudgement {
    /// Its place among the file's signatures, from 1.
    pub number: usize,
    /// Number of its object in the file.
    pub object: u32,
    /// Whose it is, by the certificate.
    pub role: Role,
    /// The name in the certificate.
    pub name: Option<String>,
    /// The organisation in the certificate.
    pub organization: Option<String>,
    /// Its identifier.
    pub organization_identifier: Option<String>,
    /// The certificate: SHA-256 of its DER.
    pub certificate: Option<Digest>,
    /// The algorithm.
    pub algorithm: Option<&'static str>,
    /// When the signer says it signed; a claim, not a proof.
    pub claimed_time: Option<Timestamp>,
    /// When time-stamps prove that it was there.
    pub proven_time: Option<Timestamp>,
    /// How many bytes from the begin of the file it signs.
    pub signed_bytes: usize,
    /// How many bytes follow them.
    pub later_bytes: usize,
    /// The checks and the verdict.
    pub report: Report,
    #[serde(skip)]
    pub(super) kind: SignatureKind,
    #[serde(skip)]
    pub(super) end: usize,
}

impl PdfSignatureJudgement {
    pub(super) fn new(index: usize, signature: &PdfSignature, at: Timestamp) -> Self {
        Self {
            number: index.saturating_add(1),
            object: signature.object,
            role: Role::Unknown,
            name: None,
            organization: None,
            organization_identifier: None,
            certificate: None,
            algorithm: None,
            claimed_time: None,
            proven_time: None,
            signed_bytes: signature.end,
            later_bytes: 0,
            report: Report::new(at),
            kind: signature.kind.clone(),
            end: signature.end,
        }
    }

    /// Whether somebody signs by it; a time-stamp does not.
    pub(super) fn signs(&self) -> bool {
        self.kind != SignatureKind::TimeStamp
    }

    /// The check of what came after it.
    pub(super) fn coverage(&self) -> Option<&Check> {
        let mut checks = self.report.checks.iter();
        checks.find(|check| check.name == "pdf-coverage")
    }

    /// Signature, time, certificate and role. `stamped`: when a time-stamp over the document
    /// proves that it was there.
    pub(super) fn judge(
        &mut self,
        signature: &PdfSignature,
        signed: &[u8],
        trust: &SealTrust<'_>,
        at: JudgedAt,
        stamped: Option<Timestamp>,
    ) {
        if signature.is_redefined {
            let detail = format!("object {} stands in the file twice", signature.object);
            self.undecided("pdf-object", CLAUSE, detail);
        }
        let cms = match verify(signature, signed) {
            Ok(cms) => cms,
            Err(check) => return self.report.push(check),
        };
        let Ok(certificate) = CertificateDetails::from_der(&cms.signer_certificate) else {
            let detail = "the signer's certificate cannot be read".to_owned();
            let sub_indication = Some("FORMAT_FAILURE");
            let code = ErrorCode::SignatureInvalid;
            let check = Check::failed("pdf-signature", CLAUSE, code, sub_indication, detail);
            return self.report.push(check);
        };
        self.describe(&cms, certificate.clone());
        let detail = format!("{} signed these bytes", self.who());
        self.report.passed("pdf-signature", CLAUSE, detail);
        self.check_naming(&cms);
        self.check_stamps(&cms, trust, at, stamped);
        let at = self.proven_time.map_or(at, JudgedAt::Proven);
        self.check_claimed_time(at);
        self.check_certificate(&cms, &certificate, trust, at);
        self.check_role();
    }

    fn describe(&mut self, cms: &CadesSignature, certificate: CertificateDetails) {
        self.role = Role::of(&certificate);
        self.certificate = Some(Digest::from_bytes(certificate.fingerprint));
        self.name = certificate.common_name;
        self.organization = certificate.organization;
        self.organization_identifier = certificate.organization_identifier;
        self.algorithm = Some(cms.algorithm.name());
        self.claimed_time = cms.signing_time.map(Timestamp::from_unix_saturating);
    }

    /// The signer's name, with its organisation's where that is another.
    /// Whose it is, by the certificate.
    pub fn who(&self) -> String {
        let name = self.name.as_deref();
        let organization = self.organization.as_deref();
        match (name, organization.filter(|one| Some(*one) != name)) {
            (Some(name), Some(organization)) => format!("{name}, {organization}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => "an unnamed signer".to_owned(),
        }
    }

    /// Without the attribute the certificate could be another one of the same key and number.
    fn check_naming(&mut self, cms: &CadesSignature) {
        let (name, clause) = ("pdf-signing-certificate", "EN 319 142-1 §6.3, RFC 5035");
        if cms.names_certificate {
            return;
        }
        let detail = "the signature does not say which certificate it is by".to_owned();
        if self.kind == SignatureKind::Pkcs7 {
            self.report.push(Check::noted(name, clause, detail));
        } else {
            self.undecided(name, clause, detail);
        }
    }

    /// The earliest time that is proven and no later than what is known anyhow.
    fn check_stamps(
        &mut self,
        cms: &CadesSignature,
        trust: &SealTrust<'_>,
        at: JudgedAt,
        stamped: Option<Timestamp>,
    ) {
        let (name, clause) = ("pdf-time-stamp", "EN 319 102-1 §5.4, RFC 3161");
        let mut proven: Vec<Timestamp> = stamped.into_iter().collect();
        for token in cms.time_stamp_tokens.iter().take(MAX_STAMPS) {
            match time_stamp::judge(token, &cms.signature_value, trust, at.time()) {
                Ok(stamp) if stamp.time <= at.time() => {
                    let (time, who) = (stamp.latest.min(at.time()), stamp.authority);
                    let detail = format!("existed at {time}: {who}");
                    self.report.passed(name, clause, detail);
                    proven.push(time);
                }
                Ok(stamp) => {
                    let (time, who) = (stamp.time, stamp.authority);
                    let detail = format!("stamped at {time} by {who}, which is later");
                    self.report.push(Check::noted(name, clause, detail));
                }
                Err(fault) => {
                    let detail = format!("not counted: {}", with_causes(&fault));
                    self.report.push(Check::noted(name, clause, detail));
                }
            }
        }
        self.proven_time = proven.into_iter().min();
    }

    /// A signer's clock proves nothing, but a time to come is worth a word.
    fn check_claimed_time(&mut self, at: JudgedAt) {
        let Some(claimed) = self.claimed_time else {
            return;
        };
        if claimed > at.time().plus_seconds(MAX_SKEW_SECONDS) {
            let detail = format!(
                "the signer's clock said {claimed}, judged as of {}",
                at.time()
            );
            let check = Check::noted("pdf-signing-time", "EN 319 122-1 §5.2.1", detail);
            self.report.push(check);
        }
    }

    fn check_certificate(
        &mut self,
        cms: &CadesSignature,
        certificate: &CertificateDetails,
        trust: &SealTrust<'_>,
        at: JudgedAt,
    ) {
        let (name, clause) = ("pdf-certificate", "RFC 5280 §6, EN 319 102-1 §5.2.6");
        let purpose = PathPurpose {
            key_usage: RequiredKeyUsage::DigitalSignatureOrNonRepudiation,
            crls: trust.lists.to_vec(),
            ..PathPurpose::default()
        };
        let (own, others) = (&cms.signer_certificate, &cms.other_certificates);
        let time = at.time();
        match path::validate(own, others, trust.roots, time.as_unix(), &purpose) {
            Ok(valid) => {
                let length = valid.fingerprints.len();
                let detail = format!("a path of {length} certificates to a root, as of {time}");
                self.report.passed(name, clause, detail);
                self.check_revocation(valid.revocation);
            }
            Err(error) => self
                .report
                .push(path_fault(name, clause, &error, trust, at)),
        }
        let usages = &certificate.extended_key_usages;
        let fits = |usage: &String| SIGNING_USAGES.contains(&usage.as_str());
        if !usages.is_empty() && !usages.iter().any(fits) {
            let detail = format!("its certificate is for {} alone", usages.join(", "));
            let code = ErrorCode::SealCertificateNotValid;
            let check = Check::failed("pdf-certificate-usage", clause, code, None, detail);
            self.report.push(check);
        }
    }

    fn check_revocation(&mut self, known: RevocationCheck) {
        let (name, clause) = ("pdf-revocation", "EN 319 102-1 §5.2.5, RFC 5280 §6.3");
        if known == RevocationCheck::NotRevoked {
            let detail = "no certificate of the path is on its issuer's list".to_owned();
            return self.report.passed(name, clause, detail);
        }
        let detail = "no revocation lists were given".to_owned();
        let check = Check::indeterminate(name, clause, "TRY_LATER", detail);
        self.report.push(check);
    }

    fn check_role(&mut self) {
        let (name, clause) = ("pdf-role", "EN 319 412-2 §4.2.4, EN 319 412-3 §4.2.1");
        match self.role {
            Role::Unknown => {
                let detail = format!(
                    "the certificate of {} does not say whether it is a person's or an agency's",
                    self.who()
                );
                self.report.push(Check::noted(name, clause, detail));
            }
            role => self.report.passed(name, clause, role.as_str().to_owned()),
        }
    }

    /// For the last signer: what follows is nobody's.
    pub(super) fn check_end(&mut self, (bytes, addition): (usize, Addition)) {
        self.later_bytes = bytes;
        let seem = match addition {
            Addition::Nothing => {
                let detail = "it covers the whole file".to_owned();
                return self.report.passed("pdf-coverage", CLAUSE, detail);
            }
            Addition::ValidationData => "seem to be validation data",
            _ => "may change what is seen",
        };
        let (signed, name) = (self.signed_bytes, "pdf-coverage");
        let detail = format!(
            "changed after signing: it covers the first {signed} bytes, and {bytes} more were \
             added that no signature covers; they {seem}"
        );
        self.undecided(name, CLAUSE, detail);
    }

    /// For one with others after it: they vouch for what was added, if they pass.
    pub(super) fn check_closed(&mut self, bytes: usize, (by, verdict): (usize, Indication)) {
        self.later_bytes = bytes;
        let (signed, name) = (self.signed_bytes, "pdf-coverage");
        let added = format!("it covers the first {signed} bytes; of {bytes} more");
        if verdict == Indication::TotalPassed {
            let detail = format!("{added}, signature {by} covers what came next");
            return self.report.push(Check::noted(name, CLAUSE, detail));
        }
        let detail = format!("{added}, signature {by} covers what came next, and is {verdict}");
        self.undecided(name, CLAUSE, detail);
    }

    /// The organisation that the certificate names.
    pub(super) fn signing_organization(&self) -> (Option<String>, Option<String>) {
        (
            self.organization_identifier.clone(),
            self.organization.clone(),
        )
    }

    /// For an agency whose file another organisation signed last.
    pub(super) fn check_other_organization(&mut self) {
        let detail = "another organisation signed last, and may have changed what this one signed";
        self.undecided("pdf-coverage", CLAUSE, detail.to_owned());
    }

    /// What the standard calls so: the signature holds, and something about it does not fit.
    fn undecided(&mut self, name: &'static str, clause: &'static str, detail: String) {
        let check = Check::indeterminate(name, clause, "SIG_CONSTRAINTS_FAILURE", detail);
        self.report.push(check);
    }

    /// Its verdict as one check of the file's.
    pub(super) fn as_check(&self) -> Check {
        let (number, role) = (self.number, self.role.as_str());
        let decisive = self.report.decisive();
        let why = decisive.map(|check| format!(": {}", check.detail));
        let (verdict, why) = (self.report.indication, why.unwrap_or_default());
        let who = self.who();
        let detail = format!("signature {number}, {who} ({role}): {verdict}{why}");
        let name = "pdf-signature";
        if !self.signs() && !self.report.is_passed() {
            return Check::noted(name, CLAUSE, detail);
        }
        Check {
            name,
            clause: CLAUSE,
            outcome: outcome(verdict),
            code: self.report.code(),
            sub_indication: decisive.and_then(|check| check.sub_indication),
            detail,
        }
    }
}

/// Whether the signature holds over the bytes that it covers.
fn verify(signature: &PdfSignature, signed: &[u8]) -> Result<CadesSignature, Check> {
    let name = "pdf-signature";
    let failed = |sub_indication, detail| {
        let code = ErrorCode::SignatureInvalid;
        Check::failed(name, CLAUSE, code, Some(sub_indication), detail)
    };
    match signature.kind {
        SignatureKind::Cades | SignatureKind::Pkcs7 => {}
        SignatureKind::Sha1 => {
            let detail = "its form rests on SHA-1, which proves nothing any more".to_owned();
            return Err(failed("CRYPTO_CONSTRAINTS_FAILURE", detail));
        }
        _ => {
            let detail = "a signature of a form that is not known here".to_owned();
            let sub_indication = "POLICY_PROCESSING_ERROR";
            return Err(Check::indeterminate(name, CLAUSE, sub_indication, detail));
        }
    }
    cms::parse_and_verify_cms(&signature.cms, signed).map_err(|error| {
        let detail = with_causes(&error);
        match error {
            _ if error.is_weak() => failed("CRYPTO_CONSTRAINTS_FAILURE", detail),
            CmsError::Algorithms { .. } => {
                let sub_indication = "CRYPTO_CONSTRAINTS_FAILURE_NO_POE";
                Check::indeterminate(name, CLAUSE, sub_indication, detail)
            }
            CmsError::MessageDigestMismatch => failed("HASH_FAILURE", detail),
            CmsError::Signature(_) => failed("SIG_CRYPTO_FAILURE", detail),
            _ => failed("FORMAT_FAILURE", detail),
        }
    })
}
