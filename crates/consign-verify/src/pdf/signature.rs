//! One signature of a PDF file: whether it holds, whose it is, and what came after it.

use consign_domain::{Digest, ErrorCode, Timestamp};
use consign_pki::certificate::CertificateDetails;
use consign_pki::cms::{self, CadesSignature};
use consign_pki::path::{self, PathPurpose, RequiredKeyUsage};
use consign_pki::pdf::{Addition, Certification, Changes, History, PdfSignature};
use consign_pki::pdf::{Shown, SignatureKind};
use serde::Serialize;

use super::{Binding, Role, outcome};
use crate::container::{JudgedAt, SealTrust};
use crate::policy::{Policy, Unnamed};
use crate::report::{Aspect, Check, CheckName, Evidence, Indication, NotChecked};
use crate::report::{Quoted, Reason, Report, Why};
use crate::signer::{self, Names};

const NAMES: Names = Names {
    signature: CheckName::PdfSignature,
    algorithm: CheckName::PdfAlgorithm,
    time_stamp: CheckName::PdfTimeStamp,
    claimed_time: CheckName::PdfSigningTime,
    certificate: CheckName::PdfCertificate,
    revocation: CheckName::PdfRevocation,
    code: ErrorCode::SignatureInvalid,
};

/// What was found about one signature.
#[derive(Debug, Clone, Serialize)]
pub struct PdfSignatureJudgement {
    /// Its place among the file's signatures, from 1.
    pub number: usize,
    /// Number of its object in the file.
    pub object: u32,
    /// Whose it is, by the certificate.
    pub role: Role,
    /// Whether the signature says that it is by that certificate.
    pub binding: Binding,
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
            binding: Binding::Unknown,
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

    /// Whether it counts for somebody in a role: it passed, and whose it is, is its own word, or
    /// the policy takes the certificate's.
    pub(super) fn counts_as(&self, role: Role, policy: &Policy) -> bool {
        let is_bound = match self.binding {
            Binding::Signed => true,
            Binding::NotSigned => policy.unnamed == Unnamed::ItsCertificate,
            Binding::Unknown => false,
        };
        is_bound && self.role == role && self.report.is_passed()
    }

    /// The check of what came after it.
    pub(super) fn coverage(&self) -> Option<&Check> {
        let mut checks = self.report.checks.iter();
        checks.find(|check| check.name == CheckName::PdfCoverage)
    }

    /// Signature, time, certificate and role. `stamped`: when a time-stamp over the document
    /// proves that it was there.
    pub(super) fn judge(
        &mut self,
        signature: &PdfSignature,
        signed: &[u8],
        trust: &SealTrust<'_>,
        policy: &Policy,
        at: JudgedAt,
        stamped: Option<Timestamp>,
    ) {
        if signature.is_redefined {
            let number = signature.object;
            let check = Check::undecided(CheckName::PdfObject, Reason::ObjectTwice);
            self.report.push(check.with(Evidence::Object { number }));
        }
        let cms = match verify(signature, signed) {
            Ok(cms) => cms,
            Err(check) => return self.report.push(check),
        };
        let Ok(certificate) = CertificateDetails::from_der(&cms.signer_certificate) else {
            let (reason, code) = (Reason::SignerUnknown, NAMES.code);
            return self
                .report
                .push(Check::failed(NAMES.signature, reason, code));
        };
        self.describe(&cms, certificate.clone());
        self.report.push(
            Check::passed(NAMES.signature)
                .with(Evidence::signed(signed))
                .with(Evidence::certificate(&certificate)),
        );
        let check = signer::check_algorithm(&NAMES, &cms, &certificate, policy);
        self.report.push(check);
        self.check_naming(&certificate);
        self.check_times(&cms, trust, policy, at.time(), stamped);
        // A time-stamp proves that the signature is no later, and not that it is no earlier: of a
        // certificate that had ended by then nothing tells (EN 319 102-1 §5.2.6, §5.4).
        let at = self.proven_time.map_or(at, JudgedAt::Now);
        self.check_certificate(&cms, &certificate, trust, policy, at);
        self.check_role();
    }

    fn describe(&mut self, cms: &CadesSignature, certificate: CertificateDetails) {
        self.role = Role::of(&certificate);
        self.binding = if cms.names_certificate {
            Binding::Signed
        } else {
            Binding::NotSigned
        };
        self.certificate = Some(Digest::from_bytes(certificate.fingerprint));
        self.name = certificate.common_name;
        self.organization = certificate.organization;
        self.organization_identifier = certificate.organization_identifier;
        self.algorithm = Some(cms.algorithm.name());
        self.claimed_time = cms.signing_time.map(Timestamp::from_unix_saturating);
    }

    /// The signer's name by the certificate, with its organisation's where that is another.
    pub fn who(&self) -> Option<Quoted> {
        let name = self.name.as_deref();
        let organization = self.organization.as_deref();
        match (name, organization.filter(|one| Some(*one) != name)) {
            (Some(name), Some(organization)) => Some(format!("{name}, {organization}").into()),
            (Some(one), None) | (None, Some(one)) => Some(one.into()),
            (None, None) => None,
        }
    }

    /// Without the attribute the certificate could be another one of the same key: what names it
    /// in the signature is not signed (RFC 5652 §5.3, `sid`).
    fn check_naming(&mut self, certificate: &CertificateDetails) {
        let (name, reason) = (
            CheckName::PdfSigningCertificate,
            Reason::CertificateNotNamed,
        );
        let check = match (self.binding, &self.kind) {
            (Binding::Signed | Binding::Unknown, _) => Check::passed(name),
            (Binding::NotSigned, SignatureKind::Pkcs7) => Check::noted(name, reason),
            (Binding::NotSigned, _) => Check::undecided(name, reason),
        };
        let sha256 = Digest::from_bytes(certificate.fingerprint);
        self.report
            .push(check.with(Evidence::Fingerprint { sha256 }));
    }

    /// The earliest time that is proven and no later than what is known anyhow; and the time
    /// that the signer says.
    fn check_times(
        &mut self,
        cms: &CadesSignature,
        trust: &SealTrust<'_>,
        policy: &Policy,
        at: Timestamp,
        stamped: Option<Timestamp>,
    ) {
        let report = &mut self.report;
        let own = signer::check_stamps(&NAMES, cms, None, trust, policy, at, report);
        if let (Some(own), Some(stamped)) = (own, stamped)
            && stamped < own.said
        {
            let check = Check::undecided(NAMES.time_stamp, Reason::StampsDisordered);
            let times = [own.said, stamped].map(Evidence::stamped);
            report.push(check.with_all(times));
        }
        let own = own.map(|own| own.proven);
        self.proven_time = own.into_iter().chain(stamped).min();
        let at = self.proven_time.unwrap_or(at);
        signer::check_claimed_time(&NAMES, self.claimed_time, policy, at, report);
    }

    fn check_certificate(
        &mut self,
        cms: &CadesSignature,
        certificate: &CertificateDetails,
        trust: &SealTrust<'_>,
        policy: &Policy,
        at: JudgedAt,
    ) {
        let purpose = PathPurpose {
            key_usage: RequiredKeyUsage::DigitalSignatureOrNonRepudiation,
            crls: trust.lists.to_vec(),
            ..PathPurpose::default()
        };
        let own = &cms.signer_certificate;
        let others = trust.intermediates(&cms.other_certificates);
        let (time, report) = (at.time(), &mut self.report);
        let roots = [trust.roots, trust.document_roots].concat();
        match path::validate(own, &others, &roots, time.as_unix(), &purpose) {
            Ok(path) => {
                let details = Some(certificate);
                signer::check_path(&NAMES, &path, details, trust, policy, time, report);
            }
            Err(error) => report.push(signer::path_fault(&NAMES, &error, cms, trust, at)),
        }
        let listed = &certificate.extended_key_usages;
        if !listed.is_empty()
            && !listed
                .iter()
                .any(|one| policy.document_usages.contains(one))
        {
            let code = ErrorCode::SealCertificateNotValid;
            let check = Check::failed(CheckName::PdfCertificateUsage, Reason::WrongUsage, code);
            let listed = listed.clone();
            report.push(check.with(Evidence::Usages { listed }));
        }
    }

    fn check_role(&mut self) {
        let name = CheckName::PdfRole;
        let check = match self.role {
            Role::Unknown => Check::noted(name, Reason::RoleNotSaid),
            Role::Person | Role::Agency | Role::TimeStamp => Check::passed(name),
        };
        let role = self.role;
        self.report.push(check.with(Evidence::Role { role }));
    }

    /// For the last signer: what follows is nobody's.
    pub(super) fn check_end(&mut self, later: usize, addition: Addition) {
        self.later_bytes = later;
        let name = CheckName::PdfCoverage;
        let check = match addition {
            Addition::Nothing => Check::passed(name),
            Addition::ValidationData => Check::undecided(name, Reason::ValidationDataUnsigned),
            _ => Check::undecided(name, Reason::AddedUnsigned),
        };
        let check = check.with(self.covered());
        self.report.push(check);
    }

    /// For one with others after it: they vouch for what was added, if they pass.
    pub(super) fn check_closed(&mut self, later: usize, (by, verdict): (usize, Indication)) {
        self.later_bytes = later;
        let name = CheckName::PdfCoverage;
        let check = match verdict {
            Indication::TotalPassed => Check::noted(name, Reason::AddedCovered),
            _ => Check::undecided(name, Reason::AddedInDoubt),
        };
        let number = by as u64;
        let check = check
            .with(self.covered())
            .with(Evidence::CoveredBy { number });
        self.report.push(check);
    }

    /// What the signer who certifies the file allowed, against what was changed since.
    pub(super) fn check_certification(&mut self, signature: &PdfSignature, history: &History<'_>) {
        let Some(certification) = signature.certification else {
            return;
        };
        let changes = history.changes_after(signature.end);
        let name = CheckName::PdfCertification;
        let allowed = match certification {
            Certification::Forms => Changes::Forms,
            Certification::Annotations => Changes::Annotations,
            _ => Changes::Nothing,
        };
        let is_unclear = certification == Certification::Unclear || changes == Changes::Unclear;
        let check = if changes <= allowed {
            Check::passed(name)
        } else if is_unclear {
            Check::undecided(name, Reason::ChangesUnclear)
        } else if certification == Certification::Nothing {
            Check::undecided(name, Reason::ChangedThoughFinal)
        } else {
            Check::undecided(name, Reason::ChangedBeyondForms)
        };
        let level = certification.level();
        let check = check.with(Evidence::Allowed { level }).with(self.covered());
        self.report.push(check);
    }

    /// Whether later revisions leave it in its field.
    pub(super) fn check_shown(&mut self, signature: &PdfSignature, history: &History<'_>) {
        let name = CheckName::PdfField;
        let number = self.object;
        let check = match history.shown(signature) {
            Shown::Yes => return,
            Shown::Withdrawn => Check::undecided(name, Reason::Withdrawn),
            Shown::Obscured => Check::undecided(name, Reason::WithdrawalUnclear),
            _ => {
                let skipped = NotChecked::new(Aspect::PdfPackedObjects, Why::NotSupported);
                self.report.skip(skipped);
                Check::noted(name, Reason::WithdrawalUnclear)
            }
        };
        self.report.push(check.with(Evidence::Object { number }));
    }

    fn covered(&self) -> Evidence {
        Evidence::Coverage {
            signed: self.signed_bytes as u64,
            later: self.later_bytes as u64,
        }
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
        let (name, reason) = (CheckName::PdfCoverage, Reason::OtherOrganizationLast);
        self.report.push(Check::undecided(name, reason));
    }

    /// Its verdict as one check of the file's.
    pub(super) fn as_check(&self) -> Check {
        let decisive = self.report.decisive();
        let by = self.who();
        let mut check = Check::passed(NAMES.signature).with(Evidence::Signature {
            number: self.number as u64,
            object: self.object,
            by,
        });
        check.reason = decisive.and_then(|check| check.reason);
        if !self.signs() && !self.report.is_passed() {
            check.outcome = crate::report::CheckOutcome::Noted;
            return check;
        }
        check.outcome = outcome(self.report.indication);
        check.code = self.report.code();
        check.sub_indication = self.report.sub_indication;
        check
    }
}

/// Whether the signature holds over the bytes that it covers.
fn verify(signature: &PdfSignature, signed: &[u8]) -> Result<CadesSignature, Check> {
    let name = NAMES.signature;
    match signature.kind {
        SignatureKind::Cades | SignatureKind::Pkcs7 => {}
        SignatureKind::Sha1 => {
            return Err(Check::failed(name, Reason::AlgorithmWeak, NAMES.code));
        }
        _ => return Err(Check::undecided(name, Reason::VersionUnknown)),
    }
    let verified = cms::parse_and_verify_cms(&signature.cms, signed);
    verified.map_err(|error| signer::signature_fault(&NAMES, &error))
}
