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
use consign_domain::{AgencyCode, Digest, ErrorCode, Timestamp};
use consign_pki::asic::{AsicError, Container, DOCUMENT_NAME, FileHash};
use serde::Serialize;

use crate::report::{Aspect, Check, CheckName, CheckOutcome, Counted};
use crate::report::{Evidence, NotChecked, Reason, Report, Why};
use crate::signer::LateStamp;
use crate::{Directory, Verified};

pub use crate::policy::{ORGANIZATION_IDENTIFIER_PREFIX, Policy, Profile, SEAL_USAGE};
pub use seal::{JudgedAt, SealInfo, SealTrust};

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
        for skipped in other.report.not_checked {
            self.report.skip(skipped);
        }
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
    judge_with(container, trust, policy, at, Beside::default())
}

/// What lies beside a container in its archive.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Beside<'a> {
    /// A time-stamp of the first seal that came afterwards.
    pub(crate) late_stamp: Option<LateStamp<'a>>,
    /// Parts of directories, oldest first.
    pub(crate) directories: &'a [Directory],
}

impl<'a> Beside<'a> {
    /// The newest directory that knows an issuer. The caller's own is set aside only by a newer
    /// part, and where there is none, any part is better than nothing.
    fn directory_of(
        &self,
        issuer: Option<&AgencyCode>,
        own: Option<&'a Directory>,
    ) -> Option<&'a Directory> {
        let is_newer = |part: &&Directory| own.is_none_or(|own| part.version() > own.version());
        let knows =
            |part: &&Directory| issuer.is_some_and(|code| part.agency_by_code(code).is_some());
        let mut parts = self.directories.iter().rev().filter(is_newer);
        parts.clone().find(knows).or(own).or_else(|| parts.next())
    }
}

/// The same with what lies beside the container.
pub(crate) fn judge_with<R: Read + Seek>(
    container: R,
    trust: &SealTrust<'_>,
    policy: &Policy,
    at: JudgedAt,
    beside: Beside<'_>,
) -> Judgement {
    let mut judgement = Judgement::none(at);
    let report = &mut judgement.report;
    // `pdf` does it.
    report.skip(NotChecked::new(Aspect::PdfSignatures, Why::OwnVerdict));
    let Some(mut container) = open(container, policy, report) else {
        return judgement;
    };
    judgement.files = check_files(&mut container, report);
    let (document, fields) = read_document(&mut container);
    let issuer = document.as_ref().map(|document| &document.issuer.code);
    let trust = &SealTrust {
        directory: beside.directory_of(issuer, trust.directory),
        ..*trust
    };
    let mut first = Err(CheckOutcome::Failed);
    for (index, layer) in container.signatures().iter().enumerate() {
        let late_stamp = beside.late_stamp.filter(|_| index == 0);
        let seal = seal::check(index, layer, late_stamp, trust, policy, at, report);
        if index == 0 {
            first = seal.clone();
        }
        judgement.seals.extend(seal);
    }
    report.push(fields);
    if let Some(document) = &document {
        report.push(check_file_list(document, &container));
        report.push(check_issue_date(document, policy, at.time()));
        let first = first.as_ref().map_err(|outcome| *outcome);
        report.push(seal::check_issuer(document, first, trust, policy, at));
    }
    judgement.document = document;
    judgement
}

fn open<R: Read + Seek>(reader: R, policy: &Policy, report: &mut Report) -> Option<Container<R>> {
    let opened = match policy.profile {
        Profile::Canonical => {
            Container::open_canonical(reader, &policy.budget).map(|opened| (opened, Vec::new()))
        }
        Profile::Lenient => Container::open_lenient(reader, &policy.budget),
    };
    match opened {
        Ok((container, deviations)) => {
            let entries = Evidence::count(Counted::Entries, container.entries().len());
            report.push(Check::passed(CheckName::ContainerFormat).with(entries));
            for deviation in deviations {
                let mut check = Check::noted(CheckName::ContainerProfile, Reason::ProfileDeviates);
                check.cause = Some(deviation.to_string().into());
                report.push(check);
            }
            Some(container)
        }
        Err(error) => {
            malformed(report, CheckName::ContainerFormat, &error);
            None
        }
    }
}

pub(crate) fn malformed(report: &mut Report, name: CheckName, error: &AsicError) {
    let code = ErrorCode::ContainerMalformed;
    report.malformed = true;
    report.push(Check::failed(name, Reason::FormatBroken, code).because(error));
}

/// Every file against every manifest, in one pass.
fn check_files<R: Read + Seek>(container: &mut Container<R>, report: &mut Report) -> Vec<FileHash> {
    let name = CheckName::FileDigests;
    let digests = match container.check_digests() {
        Ok(digests) => digests,
        Err(error) => {
            malformed(report, name, &error);
            return Vec::new();
        }
    };
    let faults: Vec<AsicError> = digests
        .layers
        .iter()
        .filter_map(consign_pki::asic::LayerDigests::first_fault)
        .collect();
    for fault in &faults {
        let code = ErrorCode::ContainerDigest;
        report.push(Check::failed(name, Reason::ContentChanged, code).because(fault));
    }
    if faults.is_empty() {
        let files = digests.files.iter().map(|file| Evidence::File {
            name: file.name.as_str().into(),
            sha256: Some(Digest::from_bytes(file.sha256)),
        });
        report.push(Check::passed(name).with_all(files));
    }
    digests.files
}

fn read_document<R: Read + Seek>(container: &mut Container<R>) -> (Option<Document>, Check) {
    let name = CheckName::DocumentFields;
    let bytes = match container.read(DOCUMENT_NAME, MAX_DOCUMENT as u64) {
        Ok(bytes) => bytes,
        Err(error) => {
            let code = ErrorCode::DocumentInvalid;
            let check = Check::failed(name, Reason::FormatBroken, code).because(&error);
            return (None, check.with(Evidence::file(DOCUMENT_NAME)));
        }
    };
    match Document::parse(&bytes) {
        Ok(document) => {
            let text = document.symbol().into();
            let check = Check::passed(name).with(Evidence::Subject { text });
            (Some(document), check)
        }
        Err(error) => {
            let failed = |reason| Check::failed(name, reason, error.code());
            let check = match &error {
                DocumentError::Version { .. } => Check::undecided(name, Reason::VersionUnknown),
                DocumentError::StateSecret => failed(Reason::StateSecret),
                _ => failed(Reason::FormatBroken),
            };
            let check = check.because(&error);
            (None, check.with(Evidence::file(DOCUMENT_NAME)))
        }
    }
}

/// The container holds the files that the document names, in its order, under its media
/// types, and marks the same one as the main file: all readers open the same document.
fn check_file_list<R: Read + Seek>(document: &Document, container: &Container<R>) -> Check {
    let name = CheckName::DocumentFiles;
    let held: Vec<(&str, Option<&str>, bool)> = container
        .entries()
        .iter()
        .filter(|entry| entry.is_document_file && entry.name != DOCUMENT_NAME)
        .map(|entry| {
            let media_type = entry.media_type.as_deref();
            (entry.name.as_str(), media_type, entry.is_main_file)
        })
        .collect();
    let named: Vec<(&str, Option<&str>, bool)> = document
        .files()
        .enumerate()
        .map(|(place, file)| {
            let media_type = Some(file.media_type.as_str());
            (file.name.as_str(), media_type, place == 0)
        })
        .collect();
    if named == held {
        return Check::passed(name).with(Evidence::count(Counted::Files, held.len()));
    }
    // Those that differ; where there are none, it is their order.
    let differing = named
        .iter()
        .filter(|file| !held.contains(file))
        .chain(held.iter().filter(|file| !named.contains(file)))
        .map(|(name, ..)| Evidence::file(name))
        .take(5);
    Check::failed(name, Reason::FilesDiffer, ErrorCode::DocumentInvalid).with_all(differing)
}

/// A document is not issued in the future, but for clocks and zones.
fn check_issue_date(document: &Document, policy: &Policy, at: Timestamp) -> Check {
    let name = CheckName::IssueDate;
    let issued = document.issued_on;
    let latest = at.plus_seconds(policy.issue_grace_seconds);
    let check = if issued <= latest.date_in_vietnam() {
        Check::passed(name)
    } else {
        Check::failed(name, Reason::IssuedInFuture, ErrorCode::DocumentInvalid)
    };
    let text = issued.to_string().into();
    check
        .with(Evidence::Subject { text })
        .with(Evidence::judged_at(at))
}
