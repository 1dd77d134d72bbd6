//! Judging the signatures inside a PDF file: a verdict of its own, never merged with that of
//! a container the file lies in.
//!
//! Each signature has a report: whether it holds (EN 319 142-1, ISO 32000-2 §12.8), who made
//! it and whether the certificate leads to a trusted root and was not revoked, at the time
//! that time-stamps prove, and what came after it. Revocation lists say what is revoked;
//! without them nothing does: INDETERMINATE. Signers of PDF files come from infrastructures
//! of their own, so the network's directory says nothing here, and a certificate that leads
//! to none of the roots is undecided.
//!
//! **What came after a signature.** Each revision must be closed by a signature that passes.
//! So whoever signed last vouches for the whole file: between the leader's signature and the
//! agency's, clerks add number, date and seal to the page, and what was added is told with its
//! size. Bytes after the last signature are nobody's. Whatever they seem to be, validation data
//! included, the verdict is INDETERMINATE then (`SIG_CONSTRAINTS_FAILURE`): the file is not
//! what was signed, and the signature itself holds for what was. Time-stamps over the document
//! prove times and close nothing.
//!
//! Whoever certifies a file says what may be changed after (`/DocMDP`), and what was changed is
//! compared with it, so far as it stands in the open. A signature that a later revision takes
//! out of its field counts no more.
//!
//! **Roles.** See [`Role`]. A signature that does not say which certificate it is by counts for
//! nobody ([`crate::policy::Unnamed`]). An original needs one person's and one agency's signature; a
//! scanned copy (*sao y*) the agency's alone (Decree 30/2020/NĐ-CP). The agency's comes last,
//! or a person could change what the agency signed and sign that.

mod role;
mod signature;

use std::io::{Read, Seek};

use consign_domain::{ErrorCode, Timestamp};
use consign_pki::asic::{AsicError, Container, Entry};
use consign_pki::pdf::{self, Pdf, PdfError, PdfSignature, SignatureKind};
use serde::Serialize;

use crate::container::{JudgedAt, SealTrust};
use crate::policy::{Policy, Profile};
use crate::report::{
    Aspect, Check, CheckName, CheckOutcome, Counted, Evidence, Indication, NotChecked, Reason,
    Report, Why,
};
use crate::time_stamp;

pub use role::{Binding, Role, Standing};
pub use signature::PdfSignatureJudgement;

/// Largest file read, in bytes, unless a policy says less.
pub const MAX_PDF: usize = 64 * 1024 * 1024;

/// What a PDF file begins with.
pub const PDF_BEGIN: &[u8] = b"%PDF-";

/// The verdict about a file's signatures, and each of them.
#[derive(Debug, Clone, Serialize)]
pub struct PdfJudgement {
    /// The verdict: the worst of the signatures' and that of the roles. A time-stamp that does
    /// not count makes nothing worse.
    pub report: Report,
    /// What the signatures that passed make of the file.
    pub standing: Standing,
    /// The signatures, in the order in which they were made.
    pub signatures: Vec<PdfSignatureJudgement>,
}

/// A PDF file in a container.
#[derive(Debug, Clone, Serialize)]
pub struct ContainedPdf {
    /// Its name in the container.
    pub name: String,
    /// The verdict about its signatures; nothing where it has none.
    pub judgement: Option<PdfJudgement>,
}

/// The PDF files in a container, and which of them were not judged.
#[derive(Debug, Clone, Default)]
pub struct ContainedPdfs {
    /// The files.
    pub files: Vec<ContainedPdf>,
    /// Those that were not judged to their end.
    pub not_checked: Option<NotChecked>,
}

/// Judges the signatures of a file, of which the caller read at most [`MAX_PDF`] bytes.
///
/// Of `trust` the directory is not used.
pub fn judge(file: &[u8], trust: &SealTrust<'_>, policy: &Policy, at: JudgedAt) -> PdfJudgement {
    judge_within(file, trust, policy, at, &mut Work::of(policy))
}

/// What may still be read.
struct Work(u64);

impl Work {
    const fn of(policy: &Policy) -> Self {
        Self(policy.pdf.work_bytes)
    }

    /// Whether so much may be read; it is taken as read.
    const fn spend(&mut self, bytes: u64, times: u64) -> bool {
        match self.0.checked_sub(bytes.saturating_mul(times)) {
            Some(left) => {
                self.0 = left;
                true
            }
            None => false,
        }
    }
}

fn judge_within(
    file: &[u8],
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
    work: &mut Work,
) -> PdfJudgement {
    let mut judgement = PdfJudgement::new(at.time());
    let size = file.len() as u64;
    if file.len() > policy.pdf.file_bytes || !work.spend(size, 1) {
        return judgement.over_budget();
    }
    let report = &mut judgement.report;
    let found = match pdf::find(file) {
        Ok(found) => found,
        Err(error) => {
            report.malformed = true;
            report.push(malformed(&error));
            return judgement;
        }
    };
    let count = found.signatures().len();
    if !work.spend(size, count as u64) {
        return judgement.over_budget();
    }
    let fields = Evidence::count(Counted::Signatures, count);
    report.push(Check::passed(CheckName::PdfFormat).with(fields));
    for what in [Aspect::PdfPages, Aspect::PdfRevocationData] {
        report.skip(NotChecked::new(what, Why::NotSupported));
    }
    let trust = SealTrust {
        directory: None,
        ..*trust
    };
    judgement.signatures = judge_all(file, &found, &trust, policy, at);
    judgement.conclude(policy);
    judgement
}

/// Judges the PDF files in a container, one after the other, as far as the policy's budget goes:
/// what calls itself a PDF file by its name or media type, and what begins as one.
///
/// # Errors
/// The container cannot be opened, so nobody looked.
pub fn judge_contained<R: Read + Seek>(
    container: R,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
) -> Result<ContainedPdfs, AsicError> {
    let mut container = match policy.profile {
        Profile::Canonical => Container::open_canonical(container, &policy.budget)?,
        Profile::Lenient => Container::open_lenient(container, &policy.budget)?.0,
    };
    let mut work = Work::of(policy);
    let mut skipped = NotChecked::new(Aspect::PdfSignatures, Why::OverBudget);
    let mut contained = ContainedPdfs::default();
    let documents = container.entries().iter();
    let documents: Vec<Entry> = documents
        .filter(|entry| entry.is_document_file)
        .cloned()
        .collect();
    for entry in documents {
        if !is_pdf(&mut container, &entry) {
            continue;
        }
        let name = entry.name;
        let limit = policy.pdf.file_bytes as u64;
        let judgement = if entry.size > limit.min(work.0) {
            Some(PdfJudgement::new(at.time()).over_budget())
        } else {
            match container.read(&name, limit) {
                Ok(file) => Some(judge_within(&file, trust, policy, at, &mut work))
                    .filter(PdfJudgement::has_something_to_say),
                Err(error) => Some(PdfJudgement::new(at.time()).unread(&error)),
            }
        };
        if judgement.as_ref().is_some_and(PdfJudgement::is_over_budget) {
            skipped = skipped.of([name.as_str().into()]);
        }
        contained.files.push(ContainedPdf { name, judgement });
    }
    contained.not_checked = Some(skipped).filter(|skipped| !skipped.of.is_empty());
    Ok(contained)
}

/// By name, by the media type in the manifest, or by its first bytes: whoever opens it goes by
/// one of them.
fn is_pdf<R: Read + Seek>(container: &mut Container<R>, entry: &Entry) -> bool {
    let media_type = entry.media_type.as_deref().unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let ending = entry.name.rsplit_once('.').map(|(_, ending)| ending);
    media_type.eq_ignore_ascii_case("application/pdf")
        || ending.is_some_and(|ending| ending.eq_ignore_ascii_case("pdf"))
        || container
            .begin(&entry.name, PDF_BEGIN.len())
            .is_ok_and(|begin| begin == PDF_BEGIN)
}

fn malformed(error: &PdfError) -> Check {
    let (reason, code) = (Reason::FormatBroken, ErrorCode::SignatureInvalid);
    Check::failed(CheckName::PdfFormat, reason, code).because(error)
}

impl PdfJudgement {
    const fn new(at: Timestamp) -> Self {
        Self {
            report: Report::new(at),
            standing: Standing::None,
            signatures: Vec::new(),
        }
    }

    /// What the signatures together come to.
    fn conclude(&mut self, policy: &Policy) {
        let report = &mut self.report;
        let mut signers = self.signatures.iter().filter(|one| one.signs());
        let coverage = signers
            .next_back()
            .and_then(PdfSignatureJudgement::coverage);
        for check in coverage.into_iter().cloned() {
            report.push(check);
        }
        for signature in &self.signatures {
            report.push(signature.as_check());
            for skipped in &signature.report.not_checked {
                report.skip(skipped.clone());
            }
            let remarks = signature.report.checks.iter();
            // What a person should know of the whole file.
            let remarks = remarks.filter(|check| {
                check.outcome == CheckOutcome::Noted
                    && matches!(
                        check.reason,
                        Some(Reason::AddedCovered | Reason::CertificateNotNamed)
                    )
            });
            if signature.signs() && signature.report.is_passed() {
                remarks.for_each(|check| report.push(check.clone()));
            }
        }
        self.standing = Standing::of(&self.signatures, policy);
        report.push(self.standing.as_check(&self.signatures, policy));
    }

    /// Whether there is anything that claims to be a signature, or nobody looked.
    fn has_something_to_say(&self) -> bool {
        self.report.malformed || self.is_over_budget() || !self.signatures.is_empty()
    }

    fn is_over_budget(&self) -> bool {
        let mut skipped = self.report.not_checked.iter();
        skipped
            .any(|skipped| skipped.why == Why::OverBudget && skipped.what == Aspect::PdfSignatures)
    }

    fn over_budget(mut self) -> Self {
        let check = Check::undecided(CheckName::PdfFormat, Reason::TooLarge);
        self.report.push(check);
        let skipped = NotChecked::new(Aspect::PdfSignatures, Why::OverBudget);
        self.report.skip(skipped);
        self
    }

    fn unread(mut self, error: &AsicError) -> Self {
        let check = Check::undecided(CheckName::PdfFormat, Reason::Unreadable);
        self.report.push(check.because(error));
        self
    }
}

/// A time that a time-stamp over the document proves for all that it covers.
struct DocumentStamp {
    end: usize,
    time: Timestamp,
}

fn judge_all(
    file: &[u8],
    found: &Pdf<'_>,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
) -> Vec<PdfSignatureJudgement> {
    let mut stamps = Vec::new();
    let mut judged = Vec::new();
    // Whoever signs later may prove the time of those before.
    for (index, signature) in found.signatures().iter().enumerate().rev() {
        let mut one = PdfSignatureJudgement::new(index, signature, at.time());
        let signed = signature.signed(file);
        if signature.kind == SignatureKind::TimeStamp {
            stamps.extend(judge_document_stamp(
                signature, &signed, trust, at, &mut one,
            ));
        } else {
            let covering = stamps.iter().filter(|stamp| stamp.end > signature.end);
            let proven = covering.map(|stamp| stamp.time).min();
            one.judge(signature, &signed, trust, policy, at, proven);
        }
        judged.push(one);
    }
    judge_revisions(found, &mut judged);
    judge_coverage(found, &mut judged);
    judged.reverse();
    judged
}

fn judge_document_stamp(
    signature: &PdfSignature,
    signed: &[u8],
    trust: &SealTrust<'_>,
    at: JudgedAt,
    judgement: &mut PdfSignatureJudgement,
) -> Option<DocumentStamp> {
    let name = CheckName::PdfDocumentTimeStamp;
    judgement.role = Role::TimeStamp;
    let report = &mut judgement.report;
    match time_stamp::judge(&signature.cms, signed, trust, at.time()) {
        Ok(stamp) => {
            if !stamp.revocation_known {
                report.skip(NotChecked::new(
                    Aspect::StampRevocation,
                    trust.why_unknown(),
                ));
            }
            let counts = stamp.time <= at.time();
            let check = if counts {
                Check::passed(name)
            } else {
                Check::undecided(name, Reason::StampLater)
            };
            report.push(
                check
                    .with(Evidence::stamp(&stamp))
                    .with(Evidence::signed(signed)),
            );
            let (end, time) = (signature.end, stamp.latest.min(at.time()));
            judgement.proven_time = Some(time).filter(|_| counts);
            judgement.name = Some(stamp.authority);
            counts.then_some(DocumentStamp { end, time })
        }
        Err(fault) => {
            let check = Check::undecided(name, Reason::StampNotCounted);
            report.push(check.because(&fault));
            None
        }
    }
}

/// What later revisions do to each signature, of those that lie in `judged` from the last one
/// back: only what is not at the end, or certifies, has any.
fn judge_revisions(found: &Pdf<'_>, judged: &mut [PdfSignatureJudgement]) {
    let signatures = found.signatures();
    let is_at_end = |one: &PdfSignature| found.length_after(one.end) == 0;
    let concerned = |one: &PdfSignature| one.kind != SignatureKind::TimeStamp && !is_at_end(one);
    if !signatures.iter().any(concerned) {
        return;
    }
    let history = found.history();
    for (signature, one) in signatures.iter().rev().zip(judged) {
        if concerned(signature) {
            one.later_bytes = found.length_after(one.end);
            one.check_certification(signature, &history);
            one.check_shown(signature, &history);
        }
    }
}

/// What came after each signature, of those that lie in `judged` from the last one back.
fn judge_coverage(found: &Pdf<'_>, judged: &mut [PdfSignatureJudgement]) {
    let mut closed_by: Option<(usize, Indication)> = None;
    let mut last: Option<(Role, Organization)> = None;
    for one in judged.iter_mut().filter(|one| one.signs()) {
        match closed_by {
            None => one.check_end(found.length_after(one.end), found.addition_after(one.end)),
            Some(later) => one.check_closed(found.length_after(one.end), later),
        }
        let organization = one.signing_organization();
        match &last {
            None => last = Some((one.role, organization)),
            // What another agency added, this one did not see.
            Some((Role::Agency, last)) if one.role == Role::Agency && *last != organization => {
                one.check_other_organization();
            }
            Some(_) => {}
        }
        closed_by = Some((one.number, one.report.indication));
    }
}

/// An organisation as a certificate names it: identifier and name.
type Organization = (Option<String>, Option<String>);

/// The outcome that a verdict is for the whole.
const fn outcome(indication: Indication) -> CheckOutcome {
    match indication {
        Indication::TotalPassed => CheckOutcome::Passed,
        Indication::TotalFailed => CheckOutcome::Failed,
        Indication::Indeterminate => CheckOutcome::Indeterminate,
    }
}
