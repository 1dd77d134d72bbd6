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
//! **Roles.** See [`Role`]. An original needs one person's and one agency's signature; a
//! scanned copy (*sao y*) the agency's alone (Decree 30/2020/NĐ-CP). The agency's comes last,
//! or a person could change what the agency signed and sign that.

mod role;
mod signature;

use std::io::{Read, Seek};

use consign_domain::{ErrorCode, Timestamp};
use consign_pki::asic::Container;
use consign_pki::pdf::{self, Pdf, PdfSignature, SignatureKind};
use serde::Serialize;

use crate::container::{JudgedAt, Policy, Profile, SealTrust, with_causes};
use crate::report::{Check, CheckOutcome, Indication, Report};
use crate::time_stamp;

pub use role::{Role, Standing};
pub use signature::PdfSignatureJudgement;

/// Largest file read, in bytes.
pub const MAX_PDF: usize = 64 * 1024 * 1024;

/// What a PDF file begins with.
pub const PDF_BEGIN: &[u8] = b"%PDF-";

const CLAUSE: &str = "EN 319 142-1 §5, ISO 32000-2 §12.8";

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

/// Judges the signatures of a file, of which the caller read at most [`MAX_PDF`] bytes.
///
/// Of `trust` the directory is not used.
pub fn judge(file: &[u8], trust: &SealTrust<'_>, at: JudgedAt) -> PdfJudgement {
    let mut judgement = PdfJudgement {
        report: Report::new(at.time()),
        standing: Standing::None,
        signatures: Vec::new(),
    };
    let report = &mut judgement.report;
    let found = match read(file) {
        Ok(found) => found,
        Err(check) => {
            report.malformed = true;
            report.push(check);
            return judgement;
        }
    };
    let count = found.signatures().len();
    report.passed("pdf-format", CLAUSE, format!("{count} signature fields"));
    report.not_checked = vec![
        "what pages look like, and what was changed on them between two signatures",
        "revocation data carried inside the PDF file",
    ];
    let trust = SealTrust {
        directory: None,
        ..*trust
    };
    judgement.signatures = judge_all(file, &found, &trust, at);
    let mut signers = judgement.signatures.iter().filter(|one| one.signs());
    let coverage = signers
        .next_back()
        .and_then(PdfSignatureJudgement::coverage);
    for check in coverage.into_iter().cloned() {
        judgement.report.push(check);
    }
    let report = &mut judgement.report;
    for signature in &judgement.signatures {
        report.push(signature.as_check());
        if signature.signs() && signature.later_bytes > 0 && signature.report.is_passed() {
            let (number, bytes) = (signature.number, signature.later_bytes);
            let detail = format!("{bytes} bytes were added after signature {number}");
            report.push(Check::noted("pdf-coverage", CLAUSE, detail));
        }
    }
    judgement.standing = Standing::of(&judgement.signatures);
    judgement.report.push(judgement.standing.as_check(count));
    judgement
}

/// Judges the PDF files in a container, one after the other. A container that cannot be opened
/// has none.
pub fn judge_contained<R: Read + Seek>(
    container: R,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
) -> Vec<ContainedPdf> {
    let opened = match policy.profile {
        Profile::Canonical => Container::open_canonical(container, &policy.budget),
        Profile::Lenient => {
            Container::open_lenient(container, &policy.budget).map(|(container, _)| container)
        }
    };
    let Ok(mut container) = opened else {
        return Vec::new();
    };
    let names: Vec<String> = container
        .entries()
        .iter()
        .filter(|entry| entry.is_document_file && is_pdf(&entry.name, entry.media_type.as_deref()))
        .map(|entry| entry.name.clone())
        .collect();
    let mut contained = Vec::new();
    for name in names {
        let judgement = match container.read(&name, MAX_PDF as u64) {
            Ok(file) => Some(judge(&file, trust, at)).filter(PdfJudgement::has_signatures),
            Err(error) => Some(PdfJudgement::unread(at.time(), with_causes(&error))),
        };
        contained.push(ContainedPdf { name, judgement });
    }
    contained
}

fn is_pdf(name: &str, media_type: Option<&str>) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    media_type == Some("application/pdf")
        || ending.is_some_and(|ending| ending.eq_ignore_ascii_case("pdf"))
}

impl PdfJudgement {
    /// Whether there is anything that claims to be a signature.
    fn has_signatures(&self) -> bool {
        self.report.malformed || !self.signatures.is_empty()
    }

    fn unread(at: Timestamp, detail: String) -> Self {
        let mut report = Report::new(at);
        let sub_indication = "SIGNED_DATA_NOT_FOUND";
        let check = Check::indeterminate("pdf-format", CLAUSE, sub_indication, detail);
        report.push(check);
        Self {
            report,
            standing: Standing::None,
            signatures: Vec::new(),
        }
    }
}

fn read(file: &[u8]) -> Result<Pdf<'_>, Check> {
    let failed = |detail| {
        let (code, sub_indication) = (ErrorCode::SignatureInvalid, Some("FORMAT_FAILURE"));
        Check::failed("pdf-format", CLAUSE, code, sub_indication, detail)
    };
    if file.len() > MAX_PDF {
        return Err(failed(format!("more than {MAX_PDF} bytes")));
    }
    pdf::find(file).map_err(|error| failed(with_causes(&error)))
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
            one.judge(signature, &signed, trust, at, proven);
        }
        judged.push(one);
    }
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
    let (name, clause) = ("pdf-time-stamp", "EN 319 142-1 §5.4.3, RFC 3161");
    judgement.role = Role::TimeStamp;
    let report = &mut judgement.report;
    match time_stamp::judge(&signature.cms, signed, trust, at.time()) {
        Ok(stamp) if stamp.time <= at.time() => {
            let (time, who) = (stamp.latest.min(at.time()), stamp.authority);
            report.passed(name, clause, format!("all before existed at {time}: {who}"));
            judgement.name = Some(who);
            judgement.proven_time = Some(time);
            let end = signature.end;
            Some(DocumentStamp { end, time })
        }
        Ok(stamp) => {
            let (time, who) = (stamp.time, stamp.authority);
            let detail = format!("stamped at {time} by {who}, which is later");
            report.push(Check::indeterminate(name, clause, "NO_POE", detail));
            None
        }
        Err(fault) => {
            let detail = format!("not counted: {}", with_causes(&fault));
            report.push(Check::indeterminate(name, clause, "NO_POE", detail));
            None
        }
    }
}

/// What came after each signature, of those that lie in `judged` from the last one back.
fn judge_coverage(found: &Pdf<'_>, judged: &mut [PdfSignatureJudgement]) {
    let mut closed_by: Option<(usize, Indication)> = None;
    let mut last: Option<(Role, Organization)> = None;
    for one in judged.iter_mut().filter(|one| one.signs()) {
        match closed_by {
            None => one.check_end(found.after(one.end)),
            Some(later) => one.check_closed(found.after(one.end).0, later),
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
