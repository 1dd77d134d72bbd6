//! The chain of an archive's time-stamps.

use consign_domain::{ErrorCode, Timestamp};
use consign_pki::asic::outer::ArchiveLayer;
use consign_pki::cms::CmsError;
use consign_pki::path::PathError;
use consign_pki::timestamp::TimeStampError;

use super::ArchiveStamp;
use crate::container::{JudgedAt, SealTrust};
use crate::report::{Aspect, Check, CheckName, CheckOutcome, Evidence, NotChecked};
use crate::report::{Reason, Report, SubIndication};
use crate::time_stamp::{self, ProvenTime, TimeStampFault};

const NAME: CheckName = CheckName::ArchiveTimeStamp;

/// What a time-stamp that does not count makes of the whole.
enum Fault {
    /// It is not what was archived.
    Wrong(Reason, TimeStampFault),
    /// It proves nothing, and why.
    ProvesNothing(Reason, Option<TimeStampFault>, Vec<Evidence>),
}

impl Fault {
    /// What is told of it, and what stays undecided where no other time-stamp counts. Where a
    /// newer one does, that proves all that this one would, and needs it for nothing.
    fn checks(self, file: &Evidence, known: Timestamp, is_covered: bool) -> (Check, Option<Check>) {
        let (reason, fault, looked_at) = match self {
            Self::Wrong(reason, fault) if !is_covered => {
                let check = Check::failed(NAME, reason, ErrorCode::ContainerDigest);
                return (check.because(&fault).with(file.clone()), None);
            }
            Self::Wrong(reason, fault) => (reason, Some(fault), Vec::new()),
            Self::ProvesNothing(reason, fault, looked_at) => (reason, fault, looked_at),
        };
        let about = |check: Check| {
            let check = match &fault {
                Some(fault) => check.because(fault),
                None => check,
            };
            let check = check.with(file.clone()).with_all(looked_at.clone());
            check.with(Evidence::judged_at(known))
        };
        let undecided = about(Check::undecided(NAME, reason));
        (about(Check::noted(NAME, reason)), Some(undecided))
    }
}

/// The time-stamps of an archive, and what they prove.
pub(super) struct Chain {
    /// Oldest first.
    pub(super) stamps: Vec<ArchiveStamp>,
    /// The time by which all that each of them is over existed; none for those that do not count.
    proven: Vec<Option<Timestamp>>,
}

impl Chain {
    /// The oldest time that is proven: of the document's container, which every one is over.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.proven.iter().find_map(|proven| *proven)
    }

    /// The oldest time that is proven for some of the files.
    pub(super) fn oldest_of(&self, layers: &[ArchiveLayer], files: &[&str]) -> Option<Timestamp> {
        let names = |layer: &ArchiveLayer, file: &str| {
            let mut named = layer.manifest.references.iter();
            named.any(|one| one.name == file)
        };
        let layers = layers.iter().zip(&self.proven);
        let mut over = layers.filter(|(layer, _)| files.iter().all(|file| names(layer, file)));
        over.find_map(|(_, proven)| *proven)
    }
}

/// Judges the time-stamps, newest first.
pub(super) fn check(
    layers: &[ArchiveLayer],
    trust: &SealTrust<'_>,
    lists: &dyn Fn(Timestamp) -> Vec<Vec<u8>>,
    at: JudgedAt,
    report: &mut Report,
) -> Chain {
    let mut stamps = Vec::with_capacity(layers.len());
    let mut times = Vec::with_capacity(layers.len());
    let mut proven: Option<Timestamp> = None;
    let mut first: Option<Check> = None;
    for layer in layers.iter().rev() {
        let known = proven.unwrap_or(at.time());
        let lists = lists(known);
        let trust = SealTrust {
            lists: &lists,
            ..*trust
        };
        let mut stamp = ArchiveStamp {
            token: layer.token_name.clone(),
            manifest: layer.manifest_name.clone(),
            time: None,
            authority: None,
            until: None,
        };
        let file = Evidence::file(&layer.token_name);
        let mut counts_by = None;
        match judge(layer, &trust, known) {
            Ok(counts) => {
                let ProvenTime { time, until, .. } = counts;
                let check = Check::passed(NAME)
                    .with(file)
                    .with(Evidence::stamp(&counts));
                report.push(check.with(Evidence::judged_at(known)));
                if !counts.revocation_known {
                    report.skip(NotChecked::new(
                        Aspect::StampRevocation,
                        trust.why_unknown(),
                    ));
                }
                counts_by = Some(counts.latest.min(known));
                stamp.time = Some(time);
                stamp.until = Some(until);
                stamp.authority = Some(counts.authority);
            }
            Err(fault) => {
                let (check, undecided) = fault.checks(&file, known, proven.is_some());
                let is_form = check.sub_indication == Some(SubIndication::FormatFailure);
                report.malformed |= check.outcome == CheckOutcome::Failed && is_form;
                report.push(check);
                first = first.or(undecided);
            }
        }
        proven = counts_by.or(proven);
        times.push(counts_by);
        stamps.push(stamp);
    }
    // Who says himself that it existed then needs nothing proven.
    if let (None, Some(check), JudgedAt::Now(_)) = (proven, first, at) {
        report.push(check);
    }
    stamps.reverse();
    times.reverse();
    Chain {
        stamps,
        proven: times,
    }
}

/// Whether a time-stamp counts by what is known at a time: now, or that of the one after it.
fn judge(
    layer: &ArchiveLayer,
    trust: &SealTrust<'_>,
    known: Timestamp,
) -> Result<ProvenTime, Fault> {
    let stamp = time_stamp::judge_lasting(&layer.token, &layer.manifest_bytes, trust, known)
        .map_err(fault_of)?;
    if stamp.time > known {
        let looked_at = vec![Evidence::stamp(&stamp)];
        return Err(Fault::ProvesNothing(
            Reason::StampAfterNext,
            None,
            looked_at,
        ));
    }
    Ok(stamp)
}

fn fault_of(fault: TimeStampFault) -> Fault {
    let reason = match &fault {
        TimeStampFault::Authority(error) => match error {
            PathError::Expired { .. } => Reason::StampNotRenewed,
            PathError::Revoked { .. } => Reason::RevokedUnproven,
            // One signed by another key only shares its issuer's name.
            PathError::Untrusted | PathError::BadSignature => Reason::NoPath,
            PathError::RevocationUnknown { .. } => Reason::RevocationUnknown,
            PathError::TooLong | PathError::TooMuch { .. } => Reason::PathTooLong,
            _ => Reason::WrongUsage,
        },
        // What is not known here may be known elsewhere.
        TimeStampFault::Token(
            TimeStampError::Digest { .. }
            | TimeStampError::Version { .. }
            | TimeStampError::Extension,
        ) => Reason::AlgorithmUnknown,
        TimeStampFault::Token(TimeStampError::Signature(error)) if error.is_weak() => {
            Reason::AlgorithmWeak
        }
        TimeStampFault::Token(TimeStampError::Signature(error)) if error.is_unknown_algorithm() => {
            Reason::AlgorithmUnknown
        }
        TimeStampFault::Token(TimeStampError::Signature(error)) if error.is_unknown_form() => {
            Reason::VersionUnknown
        }
        TimeStampFault::Token(error) => {
            let reason = match error {
                TimeStampError::Imprint
                | TimeStampError::Signature(CmsError::MessageDigestMismatch) => {
                    Reason::ContentChanged
                }
                TimeStampError::Encoding(_)
                | TimeStampError::Signature(CmsError::Encoding(_) | CmsError::NotSignedData) => {
                    Reason::FormatBroken
                }
                _ => Reason::SignatureWrong,
            };
            return Fault::Wrong(reason, fault);
        }
    };
    Fault::ProvesNothing(reason, Some(fault), Vec::new())
}
