//! What became of a sent envelope at each recipient, by the evidence in its folder, with
//! the machine of [`consign_domain::delivery`].

use std::collections::BTreeMap;

use consign_domain::delivery::{DeliveryState, Progress, StatusEffect};
use consign_domain::statement::{BusinessStatus, Envelope, EnvelopeRef, Event, Evidence, Status};
use consign_domain::{AgencyCode, ErrorCode, PartyId, SignedStatement, Timestamp};
use consign_verify::Directory;

use super::RecordError;
use crate::error::NodeError;
use crate::folder::{ACCEPTANCE, EVIDENCE, Folder, REJECTION, STATUS};

/// Longest text of a status read back.
const MAX_TEXT: usize = 64 * 1024;

/// What became of it at one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Track {
    pub(crate) state: DeliveryState,
    pub(crate) reason: Option<ErrorCode>,
    pub(crate) since: Timestamp,
}

/// Every recipient by its code.
pub(crate) type Tracks = BTreeMap<AgencyCode, Track>;

/// The status to show for a recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ShownStatus {
    pub(crate) status: BusinessStatus,
    pub(crate) reason: Option<ErrorCode>,
    pub(crate) text: String,
}

/// Follows all evidence in a folder.
pub(crate) fn read(folder: &Folder) -> Result<Tracks, NodeError> {
    let compose = folder.compose()?.ok_or(NodeError::UnknownEnvelope)?;
    let sealed = Track {
        state: DeliveryState::Sealed,
        reason: None,
        since: compose.composed,
    };
    let codes = compose
        .recipients
        .into_iter()
        .map(|recipient| recipient.code);
    let mut tracks: Tracks = codes.map(|code| (code, sealed)).collect();
    for name in [ACCEPTANCE, REJECTION] {
        if let Some((_, evidence)) = folder.statement::<Evidence>(name)? {
            apply(&mut tracks, &evidence);
        }
    }
    for stem in folder.stems(EVIDENCE)? {
        let name = format!("{EVIDENCE}/{stem}");
        if let Some((_, evidence)) = folder.statement::<Evidence>(&name)? {
            apply(&mut tracks, &evidence);
        }
    }
    Ok(tracks)
}

/// Follows one statement. What may not follow stays evidence and changes nothing.
pub(crate) fn apply(tracks: &mut Tracks, evidence: &Evidence) {
    let code = evidence.recipient().map(|recipient| &recipient.code);
    for (_, track) in tracks
        .iter_mut()
        .filter(|(own, _)| code.is_none_or(|code| code == *own))
    {
        // Evidence from the inbox may overtake the answer to the submission.
        let overtaken = track.state == DeliveryState::Sealed && !evidence.event.is_submission();
        let from = if overtaken {
            DeliveryState::Consigned
        } else {
            track.state
        };
        if let Ok(state) = from.after(evidence.event) {
            *track = Track {
                state,
                reason: evidence.reason,
                since: evidence.time,
            };
        }
    }
}

/// Whether nothing more can come.
pub(crate) fn all_final(tracks: &Tracks) -> bool {
    tracks.values().all(|track| track.state.is_final())
}

/// The last status of a recipient that changed its state.
pub(crate) fn shown_status(
    folder: &Folder,
    code: &AgencyCode,
) -> Result<Option<ShownStatus>, NodeError> {
    let (mut progress, mut shown) = (Progress::default(), None);
    for stem in folder.stems(STATUS)? {
        let mut parts = stem.splitn(3, '-').skip(1);
        let status = parts.next().and_then(BusinessStatus::from_code);
        let (Some(status), Some(who)) = (status, parts.next()) else {
            continue;
        };
        if who == code.as_str() && progress.apply(status) == Ok(StatusEffect::Advances) {
            shown = Some((stem, status));
        }
    }
    let Some((stem, status)) = shown else {
        return Ok(None);
    };
    let statement = folder.statement::<Status>(&format!("{STATUS}/{stem}"))?;
    let text = folder.optional(&format!("{STATUS}/{stem}.txt"), MAX_TEXT)?;
    Ok(Some(ShownStatus {
        status,
        reason: statement.and_then(|(_, status)| status.reason),
        text: text
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default(),
    }))
}

/// An answer to the submission of this very envelope, which places each recipient.
pub(super) fn check_answer(
    evidence: &Evidence,
    signed: &SignedStatement,
    envelope: &Envelope,
) -> Result<(), RecordError> {
    check_reference(&evidence.envelope, signed)?;
    let placed = match evidence.event {
        Event::SubmissionAcceptance => evidence
            .placements
            .iter()
            .map(|placement| &placement.code)
            .eq(envelope.to.as_slice()),
        Event::SubmissionRejection => true,
        _ => return mismatch(ErrorCode::ProtocolViolation),
    };
    if placed {
        Ok(())
    } else {
        mismatch(ErrorCode::ReceiptMismatch)
    }
}

/// Evidence about one recipient of this very envelope; gives the code that it was sent under.
pub(super) fn check_evidence(
    evidence: &Evidence,
    signed: &SignedStatement,
    envelope: &Envelope,
    directory: &Directory,
) -> Result<AgencyCode, RecordError> {
    check_reference(&evidence.envelope, signed)?;
    let Some(recipient) = evidence.recipient() else {
        return mismatch(ErrorCode::ProtocolViolation);
    };
    let handover = evidence.event == Event::ContentHandover;
    // By id: the recipient may have another code by now than it was sent under. That the
    // code was its own says the directory, not the signer.
    let by_recipient = evidence.signer.id == recipient.id.into()
        && is_under(directory, &recipient.code, evidence.signer.id);
    if envelope.to.position(&recipient.code).is_none() {
        return mismatch(ErrorCode::NotARecipient);
    }
    if handover && !(by_recipient && evidence.content == Some(envelope.content)) {
        return mismatch(ErrorCode::ReceiptMismatch);
    }
    Ok(recipient.code.clone())
}

/// A status said by a recipient of this very envelope; gives the code that it was sent under.
pub(super) fn check_status(
    status: &Status,
    signed: &SignedStatement,
    envelope: &Envelope,
    directory: &Directory,
) -> Result<AgencyCode, RecordError> {
    check_reference(&status.envelope, signed)?;
    let mut to = envelope.to.as_slice().iter();
    match to.find(|code| is_under(directory, code, status.signer.id)) {
        Some(code) => Ok(code.clone()),
        None => mismatch(ErrorCode::NotARecipient),
    }
}

/// Whether a code is, or once was, this agency's.
fn is_under(directory: &Directory, code: &AgencyCode, party: PartyId) -> bool {
    let agency = directory.agency_by_code(code);
    agency.is_some_and(|agency| party == agency.id.into())
}

fn check_reference(about: &EnvelopeRef, signed: &SignedStatement) -> Result<(), RecordError> {
    if about.sha256 == signed.digest() {
        Ok(())
    } else {
        mismatch(ErrorCode::ReceiptMismatch)
    }
}

const fn mismatch<T>(code: ErrorCode) -> Result<T, RecordError> {
    Err(RecordError::Mismatch { code })
}
