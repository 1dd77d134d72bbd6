//! The chain of an archive's time-stamps.

use consign_domain::{ErrorCode, Timestamp};
use consign_pki::asic::outer::ArchiveLayer;
use consign_pki::cms::CmsError;
use consign_pki::path::PathError;
use consign_pki::timestamp::TimeStampError;

use super::ArchiveStamp;
use crate::container::{JudgedAt, SealTrust, with_causes};
use crate::report::{Check, Report};
use crate::time_stamp::{self, ProvenTime, TimeStampFault};

const NAME: &str = "archive-time-stamp";
const CLAUSE: &str = "EN 319 102-1 §5.6, EN 319 162-1 §A.7";

/// What a time-stamp that does not count makes of the whole.
enum Fault {
    /// It is not what was archived.
    Wrong(Check),
    /// It proves nothing; the sub-indication and why.
    Proves(&'static str, String),
}

/// Judges the time-stamps, newest first; gives them oldest first, and the oldest time that they
/// prove.
pub(super) fn check(
    layers: &[ArchiveLayer],
    trust: &SealTrust<'_>,
    lists: &dyn Fn(Timestamp) -> Vec<Vec<u8>>,
    at: JudgedAt,
    report: &mut Report,
) -> (Vec<ArchiveStamp>, Option<Timestamp>) {
    let mut stamps = Vec::with_capacity(layers.len());
    let mut proven: Option<Timestamp> = None;
    let mut reason = None;
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
        match judge(layer, &trust, known) {
            Ok(counts) => {
                let ProvenTime { time, until, .. } = counts;
                let detail = format!(
                    "{}: all before it existed at {time}: {}, as of {known}",
                    layer.token_name, counts.authority
                );
                report.passed(NAME, CLAUSE, detail);
                proven = Some(counts.latest.min(known));
                stamp.time = Some(time);
                stamp.until = Some(until);
                stamp.authority = Some(counts.authority);
            }
            Err(Fault::Wrong(check)) => {
                report.malformed |= check.sub_indication == Some("FORMAT_FAILURE");
                report.push(check);
            }
            Err(Fault::Proves(sub_indication, why)) => {
                let detail = format!("{}: not counted: {why}", layer.token_name);
                report.push(Check::noted(NAME, CLAUSE, detail.clone()));
                reason.get_or_insert((sub_indication, detail));
            }
        }
        stamps.push(stamp);
    }
    // Who says himself that it existed then needs nothing proven.
    if let (None, Some((sub_indication, detail)), JudgedAt::Now(_)) = (proven, reason, at) {
        report.push(Check::indeterminate(NAME, CLAUSE, sub_indication, detail));
    }
    stamps.reverse();
    (stamps, proven)
}

/// Whether a time-stamp counts by what is known at a time: now, or that of the one after it.
fn judge(
    layer: &ArchiveLayer,
    trust: &SealTrust<'_>,
    known: Timestamp,
) -> Result<ProvenTime, Fault> {
    let stamp = time_stamp::judge_lasting(&layer.token, &layer.manifest_bytes, trust, known)
        .map_err(|fault| fault_of(layer, &fault))?;
    if stamp.time > known {
        let why = format!("it says {}, and was there at {known}", stamp.time);
        return Err(Fault::Proves("TIMESTAMP_ORDER_FAILURE", why));
    }
    Ok(stamp)
}

fn fault_of(layer: &ArchiveLayer, fault: &TimeStampFault) -> Fault {
    let why = with_causes(fault);
    let sub_indication = match fault {
        TimeStampFault::Authority(PathError::Expired { not_after, .. }) => {
            let ended = Timestamp::from_unix_saturating(*not_after);
            let why = format!(
                "its authority's certificate ended at {ended}, and no time-stamp that counts was \
                 added before"
            );
            return Fault::Proves("OUT_OF_BOUNDS_NO_POE", why);
        }
        TimeStampFault::Authority(PathError::Revoked { .. }) => "REVOKED_NO_POE",
        // One signed by another key only shares its issuer's name.
        TimeStampFault::Authority(PathError::Untrusted | PathError::BadSignature) => {
            "NO_CERTIFICATE_CHAIN_FOUND"
        }
        TimeStampFault::Authority(PathError::RevocationUnknown { .. }) => "TRY_LATER",
        TimeStampFault::Authority(_) => "CHAIN_CONSTRAINTS_FAILURE",
        // What is not known here may be known elsewhere.
        TimeStampFault::Token(
            TimeStampError::Digest { .. }
            | TimeStampError::Version { .. }
            | TimeStampError::Extension
            | TimeStampError::Signature(CmsError::Algorithms { .. }),
        ) => "CRYPTO_CONSTRAINTS_FAILURE_NO_POE",
        TimeStampFault::Token(error) => {
            let sub_indication = match error {
                TimeStampError::Imprint
                | TimeStampError::Signature(CmsError::MessageDigestMismatch) => "HASH_FAILURE",
                TimeStampError::Encoding(_)
                | TimeStampError::Signature(CmsError::Encoding(_) | CmsError::NotSignedData) => {
                    "FORMAT_FAILURE"
                }
                _ => "SIG_CRYPTO_FAILURE",
            };
            let detail = format!("{}: {why}", layer.token_name);
            let code = ErrorCode::ContainerDigest;
            return Fault::Wrong(Check::failed(
                NAME,
                CLAUSE,
                code,
                Some(sub_indication),
                detail,
            ));
        }
    };
    Fault::Proves(sub_indication, why)
}
