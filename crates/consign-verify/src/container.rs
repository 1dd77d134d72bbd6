//! Judging a document's container: format, files, seals, certificates, fields, issuer.
//!
//! The order is that of EN 319 102-1 §5.2: format, then integrity, then the signer's
//! certificate, then what the policy asks besides. Every check is made that can be made,
//! so that a report names all that is wrong and not only the first fault.
//!
//! Which seals count is decided twice: the certificate must lead to a pinned root, and
//! the directory must list it for the issuer. Revocation is the directory's: a seal that
//! is taken off its entry, or whose span there ended, no longer counts. Without a directory
//! revocation lists decide, and the certificate says whose seal it is; with roots alone,
//! nothing says whether a seal was revoked: INDETERMINATE.

pub(crate) mod seal;

use std::io::{Read, Seek};

use consign_domain::document::{Document, DocumentError};
use consign_domain::limits::MAX_DOCUMENT;
use consign_domain::{ErrorCode, Timestamp};
use consign_pki::asic::{AsicError, Budget, Container, DOCUMENT_NAME, FileHash};
use serde::Serialize;

use crate::Verified;
use crate::report::{Check, Report};

pub use seal::{JudgedAt, SealInfo, SealTrust};

/// Extended key usage that seals of this network carry; a deployment has its own arc.
pub const SEAL_USAGE: &str = consign_pki::issue::PLACEHOLDER_SEAL_EKU;

/// What stands before the code in the organizationIdentifier (X.520) of seals.
pub const ORGANIZATION_IDENTIFIER_PREFIX: &str = "VNGOV-";

/// What [`judge`] does not check: [`crate::pdf`] does, as a verdict of its own.
pub const PDF_SIGNATURES: &str = "signatures inside PDF files";

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
    /// Of nothing yet.
    pub(crate) const fn none(at: JudgedAt) -> Self {
        Self {
            report: Report::new(at.time()),
            document: None,
            files: Vec::new(),
            seals: Vec::new(),
        }
    }

    /// Goes on with the checks of another, and takes its document.
    pub(crate) fn take_in(&mut self, other: Self) {
        self.report.malformed |= other.report.malformed;
        self.report.not_checked.extend(other.report.not_checked);
        for check in other.report.checks {
            self.report.push(check);
        }
        self.document = other.document;
        self.files = other.files;
        self.seals = other.seals;
    }

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
/// By roots without revocation lists it never says TOTAL-PASSED.
pub fn judge<R: Read + Seek>(
    container: R,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
) -> Judgement {
    judge_with(container, trust, policy, at, None)
}

/// The same with a time-stamp of the first seal that came afterwards and lies elsewhere.
pub(crate) fn judge_with<R: Read + Seek>(
    container: R,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
    late_stamp: Option<&Vec<u8>>,
) -> Judgement {
    let mut judgement = Judgement::none(at);
    judgement.report.not_checked.push(PDF_SIGNATURES);
    let report = &mut judgement.report;
    let Some(mut container) = open(container, policy, report) else {
        return judgement;
    };
    judgement.files = check_files(&mut container, report);
    for (index, layer) in container.signatures().iter().enumerate() {
        judgement
            .seals
            .extend(seal::check(index, layer, late_stamp, trust, at, report));
    }
    judgement.document = read_document(&mut container, report);
    if let Some(document) = &judgement.document {
        check_file_list(document, &container, report);
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
                let detail = deviation.to_string();
                report.push(Check::noted("container-profile", clause, detail));
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

pub(crate) fn malformed(
    report: &mut Report,
    name: &'static str,
    clause: &'static str,
    code: ErrorCode,
    error: &dyn std::error::Error,
) {
    report.malformed = true;
    report.push(Check::failed(
        name,
        clause,
        code,
        Some("FORMAT_FAILURE"),
        with_causes(error),
    ));
}

/// An error and what caused it, on one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
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
        report.push(Check::failed(
            name,
            clause,
            ErrorCode::ContainerDigest,
            Some("HASH_FAILURE"),
            with_causes(fault),
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
            report.push(Check::failed(
                name,
                clause,
                ErrorCode::DocumentInvalid,
                Some("FORMAT_FAILURE"),
                with_causes(&error),
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
            let detail = with_causes(&error);
            report.push(match &error {
                DocumentError::Version { .. } => {
                    Check::indeterminate(name, clause, "POLICY_PROCESSING_ERROR", detail)
                }
                DocumentError::StateSecret => {
                    Check::failed(name, clause, error.code(), None, detail)
                }
                _ => Check::failed(name, clause, error.code(), Some("FORMAT_FAILURE"), detail),
            });
            None
        }
    }
}

/// The container holds the files that the document names, in its order, under its media
/// types, and marks the same one as the main file: all readers open the same document.
fn check_file_list<R: Read + Seek>(
    document: &Document,
    container: &Container<R>,
    report: &mut Report,
) {
    let (name, clause) = ("document-files", "document.json");
    let held: Vec<(&str, Option<&str>, bool)> = container
        .entries()
        .iter()
        .filter(|entry| entry.is_document_file && entry.name != DOCUMENT_NAME)
        .map(|entry| {
            (
                entry.name.as_str(),
                entry.media_type.as_deref(),
                entry.is_main_file,
            )
        })
        .collect();
    let named: Vec<(&str, Option<&str>, bool)> = document
        .files()
        .enumerate()
        .map(|(place, file)| {
            (
                file.name.as_str(),
                Some(file.media_type.as_str()),
                place == 0,
            )
        })
        .collect();
    if named == held {
        return report.passed(name, clause, format!("{} files, as named", held.len()));
    }
    let differing: Vec<&str> = named
        .iter()
        .filter(|file| !held.contains(file))
        .chain(held.iter().filter(|file| !named.contains(file)))
        .map(|(name, ..)| *name)
        .take(5)
        .collect();
    let detail = if differing.is_empty() {
        "the files are in another order than the document names them".to_owned()
    } else {
        format!("named and held otherwise: {}", differing.join(", "))
    };
    let code = ErrorCode::DocumentInvalid;
    report.push(Check::failed(
        name,
        clause,
        code,
        Some("FORMAT_FAILURE"),
        detail,
    ));
}

/// A document is not issued in the future (a day's grace for clocks and zones).
fn check_issue_date(document: &Document, at: Timestamp, report: &mut Report) {
    let (name, clause) = ("issue-date", "Decree 30/2020/NĐ-CP, Article 18");
    let issued = document.issued_on;
    if issued <= at.plus_seconds(86_400).date_in_vietnam() {
        return report.passed(name, clause, issued.to_string());
    }
    let detail = format!("issued on {issued}, judged as of {at}");
    report.push(Check::failed(
        name,
        clause,
        ErrorCode::DocumentInvalid,
        None,
        detail,
    ));
}
