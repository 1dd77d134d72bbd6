//! Judging an outer container: the long-term archive of one document (EN 319 102-1 §5.6).
//!
//! Its time-stamps are taken from the newest to the oldest. The newest has to count now; what it
//! counts for, all before it, is then proven to have existed at its time, and so the one before
//! need only have counted then; and so on. The document's container is judged as of the oldest
//! time that is proven: keys that ended and authorities that are gone since do not matter. A
//! time-stamp that nobody renewed while its authority's certificate was good proves nothing any
//! more, and where none is left that does, the verdict is INDETERMINATE.
//!
//! What else is needed lies in the archive, and proves itself: revocation lists that their
//! authorities signed, directory entries under a head that the trust file's key signed. Neither
//! can make good what the caller's own lists and directory say is not. Of several directories
//! the newest counts that knows whom it is asked for. Whoever makes an archive chooses what
//! lies in it, and may leave out what is newer: so entries say what was revoked only until
//! their head expires, as a list does, and after that only whose a seal is.

mod chain;
mod contents;
mod statements;

use std::io::{BufReader, Read, Seek};

use consign_domain::{ErrorCode, Timestamp};
use consign_pki::asic::outer::{INNER_NAME, OuterContainer};
use consign_pki::asic::{AsicError, Budget, FileHash};
use consign_pki::path::MAX_REVOCATION_LISTS;
use serde::Serialize;

use crate::container::{self, Beside, JudgedAt, Judgement, Policy, SealTrust, malformed};
use crate::report::{Check, CheckName, Counted, Evidence, Reason, Report};
use crate::signer::LateStamp;
use crate::trust::TrustStore;

use contents::Contents;

pub use contents::{CERTIFICATES, DIRECTORY, ENVELOPE, LISTS, SALT, SEAL_TIME_STAMP};

/// The verdict on an archive and on the document in it, which are one.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveJudgement {
    /// Every check, of the archive first; the document and its seals.
    #[serde(flatten)]
    pub document: Judgement,
    /// The archive's time-stamps, oldest first.
    pub stamps: Vec<ArchiveStamp>,
    /// As of when the document was judged, where it could be.
    pub as_of: Option<Timestamp>,
    /// Its files besides the document's container.
    #[serde(skip)]
    pub archived: Vec<FileHash>,
    /// The revocation lists that the document was judged by: the caller's, and those in it.
    #[serde(skip)]
    pub lists: Vec<Vec<u8>>,
}

/// One time-stamp of an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ArchiveStamp {
    /// The token's entry.
    pub token: String,
    /// The manifest that it is over.
    pub manifest: String,
    /// What it says, where it counts.
    pub time: Option<Timestamp>,
    /// Whose it is, where it counts.
    pub authority: Option<String>,
    /// When the first certificate of that authority's path ends.
    pub until: Option<Timestamp>,
}

/// Judges an archive. Reads it twice from end to end; memory does not grow with the document.
///
/// `store` is the trust file, if there is one: by its directory key the archive's directory entries
/// prove themselves. A directory in `trust` comes before them.
pub fn judge<R: Read + Seek>(
    archive: R,
    trust: &SealTrust<'_>,
    store: Option<&TrustStore>,
    policy: &Policy,
    at: JudgedAt,
) -> ArchiveJudgement {
    let mut judgement = ArchiveJudgement {
        document: Judgement::none(at),
        stamps: Vec::new(),
        as_of: None,
        archived: Vec::new(),
        lists: Vec::new(),
    };
    let mut archive = match OuterContainer::open(archive, &Budget::outer()) {
        Ok(archive) => archive,
        Err(error) => {
            let report = &mut judgement.document.report;
            malformed(report, CheckName::ArchiveFormat, &error);
            return judgement;
        }
    };
    let report = &mut judgement.document.report;
    let stamps = Evidence::count(Counted::TimeStamps, archive.layers().len());
    report.push(Check::passed(CheckName::ArchiveFormat).with(stamps));
    let Some(files) = check_files(&mut archive, report) else {
        return judgement;
    };
    let contents = Contents::read(&mut archive, &files, store, report);
    let lists = |near: Timestamp| contents.lists_near(near, trust.lists);
    let chain = chain::check(archive.layers(), trust, &lists, at, report);
    let proven = |files: &[&str]| {
        let stamped = chain.oldest_of(archive.layers(), files);
        stamped.or(at.proven())
    };
    statements::check(&contents, trust.directory, &proven, report);
    let late_stamp = contents.late_stamp.as_ref().map(|token| LateStamp {
        token,
        known: proven(&[SEAL_TIME_STAMP]).unwrap_or(at.time()),
    });
    let as_of = chain.oldest().map_or(at, JudgedAt::By);
    judgement.stamps = chain.stamps;
    judgement.as_of = Some(as_of.time());
    let lists = lists(as_of.time());
    let trust = SealTrust {
        lists: &lists,
        ..*trust
    };
    let mut inside = match archive.inner() {
        Ok(inside) => BufReader::new(inside),
        Err(error) => {
            malformed(report, CheckName::ArchiveFormat, &error);
            return judgement;
        }
    };
    let beside = Beside {
        late_stamp,
        directories: &contents.directories,
    };
    let inner = container::judge_with(&mut inside, &trust, policy, as_of, beside);
    judgement.document.take_in(inner);
    judgement.lists = lists;
    judgement.archived = files;
    judgement.archived.retain(|file| file.name != INNER_NAME);
    judgement
}

/// All that the manifests cover, in one pass.
fn check_files<R: Read + Seek>(
    archive: &mut OuterContainer<R>,
    report: &mut Report,
) -> Option<Vec<FileHash>> {
    let name = CheckName::ArchiveDigests;
    match archive.check_digests() {
        Ok(files) => {
            let count = Evidence::count(Counted::Files, files.len());
            report.push(Check::passed(name).with(count));
            Some(files)
        }
        Err(error @ AsicError::DigestMismatch { .. }) => {
            let (reason, code) = (Reason::ContentChanged, ErrorCode::ContainerDigest);
            report.push(Check::failed(name, reason, code).because(&error));
            None
        }
        Err(error) => {
            malformed(report, name, &error);
            None
        }
    }
}

/// Those of the lists that are made nearest to a time, as many as are looked at, after the
/// caller's own.
fn nearest(lists: &[(u64, Vec<u8>)], time: Timestamp, own: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut sorted: Vec<&(u64, Vec<u8>)> = lists.iter().collect();
    sorted.sort_by_key(|(made, _)| made.abs_diff(time.as_unix()));
    let room = MAX_REVOCATION_LISTS.saturating_sub(own.len());
    let near = sorted.into_iter().take(room).map(|(_, list)| list.clone());
    own.iter().cloned().chain(near).collect()
}
