//! Judging a document's container: format, files, seals, certificates, fields, issuer.
//!
//! The order is that of EN 319 102-1 §5.2: format, then integrity, then the signer's
//! certificate, then what the policy asks besides. Every check is made that can be made,
//! so that a report names all that is wrong and not only the first fault.
//!
//! Which seals count is decided twice: the certificate must lead to a pinned root, and
//! the directory must list it for the issuer. Revocation is the directory's: a seal that
//! is taken off its entry, or whose span there ended, no longer counts. With roots alone
//! and no directory, nothing says whether a seal was revoked: INDETERMINATE.

mod seal;

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use consign_domain::document::{Document, DocumentError};
use consign_domain::limits::MAX_DOCUMENT;
use consign_domain::{ErrorCode, Timestamp};
use consign_pki::asic::{AsicError, Budget, Container, DOCUMENT_NAME, FileHash};
use serde::Serialize;

use crate::Verified;
use crate::directory::Directory;
use crate::report::{Check, CheckOutcome, Report};

pub use seal::{JudgedAt, SealInfo, SealTrust};

/// Extended key usage that seals of this network carry; a deployment has its own arc.
pub const SEAL_USAGE: &str = consign_pki::issue::PLACEHOLDER_SEAL_EKU;

/// Which zip profile a container must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// Ours, byte for byte.
    #[default]
    Canonical,
    /// Any ASiC-E container that all readers see alike; deviations are noted.
    Lenient,
}

/// What a verdict asks for.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The zip profile.
    pub profile: Profile,
    /// What reading may cost.
    pub budget: Budget,
}

/// The verdict and what it was reached about.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    /// Every check and the verdict.
    pub report: Report,
    /// The document's fields, where they could be read.
    pub document: Option<Document>,
    /// The document's files.
    #[serde(skip)]
    pub files: Vec<FileHash>,
    /// Who sealed it, the issuer first.
    pub seals: Vec<SealInfo>,
}

/// A document whose container passed every check.
#[derive(Debug, Clone)]
pub struct SealedDocument {
    /// Its fields.
    pub document: Document,
    /// Its files.
    pub files: Vec<FileHash>,
    /// Who sealed it.
    pub seals: Vec<SealInfo>,
}

impl Judgement {
    /// The document, if the verdict is TOTAL-PASSED.
    ///
    /// # Errors
    /// The report, if it is not.
    pub fn into_verified(self) -> Result<Verified<SealedDocument>, Report> {
        match (self.report.is_passed(), self.document) {
            (true, Some(document)) => {
                let (files, seals) = (self.files, self.seals);
                Ok(Verified::new(SealedDocument {
                    document,
                    files,
                    seals,
                }))
            }
            _ => Err(self.report),
        }
    }
}

/// Judges a container. Reads it once from end to end; memory does not grow with its files.
///
/// `directory` is absent for a check by roots alone, which never says TOTAL-PASSED.
pub fn judge<R: Read + Seek>(
    container: R,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
) -> Judgement {
    let mut judgement = Judgement {
        report: Report::new(at.time()),
        document: None,
        files: Vec::new(),
        seals: Vec::new(),
    };
    judgement
        .report
        .not_checked
        .push("signatures inside PDF files");
    judgement
        .report
        .not_checked
        .push("time-stamps: none are asked for by this policy");
    let report = &mut judgement.report;
    let Some(mut container) = open(container, policy, report) else {
        return judgement;
    };
    judgement.files = check_files(&mut container, report);
    for (index, layer) in container.signatures().iter().enumerate() {
        judgement
            .seals
            .extend(seal::check(index, layer, trust, at, report));
    }
    judgement.document = read_document(&mut container, report);
    if let Some(document) = &judgement.document {
        check_file_list(document, &judgement.files, report);
        check_issue_date(document, at.time(), report);
        seal::check_issuer(document, judgement.seals.first(), trust, at, report);
    }
    judgement
}

fn open<R: Read + Seek>(reader: R, policy: &Policy, report: &mut Report) -> Option<Container<R>> {
    let clause = "EN 319 162-1 §4.4";
    let opened = match policy.profile {
        Profile::Canonical => {
            Container::open_canonical(reader, &policy.budget).map(|opened| (opened, Vec::new()))
        }
        Profile::Lenient => Container::open_lenient(reader, &policy.budget),
    };
    match opened {
        Ok((container, deviations)) => {
            let entries = container.entries().len();
            report.passed("container-format", clause, format!("{entries} entries"));
            for deviation in deviations {
                report.push(Check {
                    name: "container-profile",
                    clause,
                    outcome: CheckOutcome::Noted,
                    code: None,
                    sub_indication: None,
                    detail: deviation.to_string(),
                });
            }
            Some(container)
        }
        Err(error) => {
            malformed(
                report,
                "container-format",
                clause,
                ErrorCode::ContainerMalformed,
                &error,
            );
            None
        }
    }
}

fn malformed(
    report: &mut Report,
    name: &'static str,
    clause: &'static str,
    code: ErrorCode,
    error: &dyn std::error::Error,
) {
    report.malformed = true;
    report.push(failed(name, clause, code, "FORMAT_FAILURE", error));
}

fn failed(
    name: &'static str,
    clause: &'static str,
    code: ErrorCode,
    sub_indication: &'static str,
    error: &dyn std::error::Error,
) -> Check {
    Check {
        name,
        clause,
        outcome: CheckOutcome::Failed,
        code: Some(code),
        sub_indication: Some(sub_indication),
        detail: with_causes(error),
    }
}

/// An error and what caused it, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

/// Every file against every manifest, in one pass.
fn check_files<R: Read + Seek>(container: &mut Container<R>, report: &mut Report) -> Vec<FileHash> {
    let (name, clause) = ("file-digests", "EN 319 162-1 §A.4");
    let digests = match container.check_digests() {
        Ok(digests) => digests,
        Err(error) => {
            malformed(report, name, clause, ErrorCode::ContainerMalformed, &error);
            return Vec::new();
        }
    };
    let faults: Vec<AsicError> = digests
        .layers
        .iter()
        .filter_map(consign_pki::asic::LayerDigests::first_fault)
        .collect();
    for fault in &faults {
        report.push(failed(
            name,
            clause,
            ErrorCode::ContainerDigest,
            "HASH_FAILURE",
            fault,
        ));
    }
    if faults.is_empty() {
        let count = digests.files.len();
        report.passed(
            name,
            clause,
            format!("{count} files are those that were signed"),
        );
    }
    digests.files
}

fn read_document<R: Read + Seek>(
    container: &mut Container<R>,
    report: &mut Report,
) -> Option<Document> {
    let (name, clause) = ("document-fields", "Decree 30/2020/NĐ-CP, Annex VI");
    let bytes = match container.read(DOCUMENT_NAME, MAX_DOCUMENT as u64) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.push(failed(
                name,
                clause,
                ErrorCode::DocumentInvalid,
                "FORMAT_FAILURE",
                &error,
            ));
            return None;
        }
    };
    match Document::parse(&bytes) {
        Ok(document) => {
            report.passed(name, clause, document.symbol());
            Some(document)
        }
        Err(error) => {
            let sub_indication = match &error {
                DocumentError::StateSecret => "SIG_CONSTRAINTS_FAILURE",
                _ => "FORMAT_FAILURE",
            };
            report.push(failed(name, clause, error.code(), sub_indication, &error));
            None
        }
    }
}

/// The files that the document names are those that the container holds.
fn check_file_list(document: &Document, files: &[FileHash], report: &mut Report) {
    let (name, clause) = ("document-files", "document.json");
    let named: BTreeSet<&str> = document
        .files()
        .map(|file| file.name.as_str())
        .chain(std::iter::once(DOCUMENT_NAME))
        .collect();
    let held: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    if named == held {
        return report.passed(name, clause, format!("{} files", held.len()));
    }
    let differing: Vec<&str> = named.symmetric_difference(&held).copied().take(5).collect();
    report.push(Check {
        name,
        clause,
        outcome: CheckOutcome::Failed,
        code: Some(ErrorCode::DocumentInvalid),
        sub_indication: Some("FORMAT_FAILURE"),
        detail: format!("named or held, but not both: {}", differing.join(", ")),
    });
}

/// A document is not issued in the future (a day's grace for clocks and zones).
fn check_issue_date(document: &Document, at: Timestamp, report: &mut Report) {
    let (name, clause) = ("issue-date", "Decree 30/2020/NĐ-CP, Article 18");
    let issued = document.issued_on;
    if issued <= at.plus_seconds(86_400).date_in_vietnam() {
        return report.passed(name, clause, issued.to_string());
    }
    report.push(Check {
        name,
        clause,
        outcome: CheckOutcome::Failed,
        code: Some(ErrorCode::DocumentInvalid),
        sub_indication: Some("SIG_CONSTRAINTS_FAILURE"),
        detail: format!("issued on {issued}, judged as of {at}"),
    });
}

/// The directory that a judgement rests on, if there is one.
impl SealTrust<'_> {
    const fn directory(&self) -> Option<&Directory> {
        match self {
            Self::Directory { directory, .. } => Some(directory),
            Self::Roots { .. } => None,
        }
    }
}
