//! What the hub says is believed only after these checks.
//!
//! - An answer to a submission is evidence by *our* hub about *these* bytes, and an acceptance
//!   places exactly the recipients of `to`, each under the id that the directory gives it.
//! - An item of an inbox is for the agency whose inbox it is: an envelope with the hub's
//!   acceptance that places it at this very sequence; evidence about an envelope the agency
//!   sent, said by whoever may say it ([`Event::said_by`], ETSI EN 319 522-1 §6); or a status
//!   that is addressed to it.
//!
//! Nothing here does I/O. A fault says whether a newer directory could mend it.

use bytes::Bytes;
use consign_domain::directory::Role;
use consign_domain::limits::{MAX_INLINE_PAYLOAD, MAX_STATUS_TEXT};
use consign_domain::statement::{Envelope, EnvelopeRef, Event, Evidence, Statement as _, Status};
use consign_domain::{
    AgencyId, Digest, DirectoryVersion, ErrorCode, HubId, Sequence, SignedStatement,
};
use consign_proto::{Malformed, id16, required, sequence, signed, v1};
use consign_verify::{Directory, StatementRefusal, Verified, verify_statement};
use thiserror::Error;

/// Why something that the hub said is not believed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CheckFault {
    /// The message lacks a field or has one of another form.
    #[error(transparent)]
    Message(#[from] Malformed),
    /// A statement does not verify.
    #[error(transparent)]
    Statement(#[from] StatementRefusal),
    /// A statement is good and says something else than it must here.
    #[error("{rule}")]
    Mismatch {
        /// The rule that is broken.
        rule: &'static str,
        /// The fault's code.
        code: ErrorCode,
    },
}

impl CheckFault {
    /// The code to show.
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Message(_) => ErrorCode::ProtocolViolation,
            Self::Statement(refusal) => refusal.code(),
            Self::Mismatch { code, .. } => *code,
        }
    }

    /// The directory version that may mend it.
    pub(crate) const fn needs_directory(&self) -> Option<DirectoryVersion> {
        match self {
            Self::Statement(StatementRefusal::DirectoryBehind { needed, .. }) => Some(*needed),
            _ => None,
        }
    }
}

/// By whom and for whom something must have been said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The hub that this node is connected to.
    pub(crate) hub: HubId,
    /// The directory to judge by.
    pub(crate) directory: &'a Directory,
}

/// An item of an inbox that was checked.
#[derive(Debug)]
pub(crate) struct CheckedItem {
    pub(crate) sequence: Sequence,
    pub(crate) content: CheckedContent,
}

/// What an item brings.
#[derive(Debug)]
pub(crate) enum CheckedContent {
    Envelope {
        signed: SignedStatement,
        envelope: Box<Verified<Envelope>>,
        acceptance: SignedStatement,
        /// Inline, its size and digest checked.
        payload: Option<Bytes>,
    },
    Evidence {
        signed: SignedStatement,
        evidence: Box<Verified<Evidence>>,
    },
    Status {
        signed: SignedStatement,
        status: Box<Verified<Status>>,
        text: Bytes,
    },
}

const fn mismatch(rule: &'static str, code: ErrorCode) -> CheckFault {
    CheckFault::Mismatch { rule, code }
}

fn rule(holds: bool, rule: &'static str, code: ErrorCode) -> Result<(), CheckFault> {
    if holds {
        Ok(())
    } else {
        Err(mismatch(rule, code))
    }
}

impl Expected<'_> {
    /// Checks the hub's answer to a submission.
    pub(crate) fn answer(
        &self,
        answer: &SignedStatement,
        envelope: &Envelope,
        digest: Digest,
    ) -> Result<Verified<Evidence>, CheckFault> {
        let evidence: Verified<Evidence> = verify_statement(answer, &[Role::Hub], self.directory)?;
        self.by_our_hub(&evidence)?;
        rule(
            evidence.event.is_submission(),
            "the answer to a submission is another event",
            ErrorCode::StatementKind,
        )?;
        about(&evidence.envelope, envelope, digest)?;
        let content = evidence.content.is_none_or(|said| said == envelope.content);
        let code = ErrorCode::ContentMismatch;
        rule(content, "the answer names another content", code)?;
        if evidence.event == Event::SubmissionAcceptance {
            self.places(&evidence, envelope)?;
        } else {
            let named = |code| envelope.to.position(code).is_some();
            let code = ErrorCode::StatementMalformed;
            let refused = evidence.refused.iter().all(named);
            rule(refused, "the refusal names who is no recipient", code)?;
        }
        Ok(evidence)
    }

    /// Checks an item of the inbox of `own`.
    pub(crate) fn item(&self, own: AgencyId, item: v1::Item) -> Result<CheckedItem, CheckFault> {
        let sequence = sequence(item.sequence, "item.sequence")?;
        let content = match required(item.content, "item.content")? {
            v1::item::Content::Envelope(item) => self.envelope_item(own, sequence, item)?,
            v1::item::Content::Evidence(message) => {
                let signed = signed(Some(message), "item.evidence")?;
                let evidence = Box::new(self.evidence(own, &signed)?);
                CheckedContent::Evidence { signed, evidence }
            }
            v1::item::Content::Status(item) => self.status_item(own, item)?,
        };
        Ok(CheckedItem { sequence, content })
    }

    fn envelope_item(
        &self,
        own: AgencyId,
        sequence: Sequence,
        item: v1::EnvelopeItem,
    ) -> Result<CheckedContent, CheckFault> {
        let signed_envelope = signed(item.envelope, "item.envelope")?;
        let acceptance = signed(item.acceptance, "item.acceptance")?;
        let envelope: Verified<Envelope> =
            verify_statement(&signed_envelope, &[Role::Agency], self.directory)?;
        let answer = self.answer(&acceptance, &envelope, signed_envelope.digest())?;
        let placed = answer.event == Event::SubmissionAcceptance
            && (answer.placements.iter()).any(|at| at.id == own && at.sequence == sequence);
        rule(
            placed,
            "the acceptance does not place the envelope here",
            ErrorCode::NotARecipient,
        )?;
        if let Some(payload) = &item.payload {
            let fits = payload.len() as u64 <= MAX_INLINE_PAYLOAD
                && payload.len() as u64 == envelope.payload.size
                && Digest::of(payload) == envelope.payload.sha256;
            let code = ErrorCode::PayloadMismatch;
            rule(fits, "the payload is not the one the envelope names", code)?;
        }
        Ok(CheckedContent::Envelope {
            signed: signed_envelope,
            envelope: Box::new(envelope),
            acceptance,
            payload: item.payload,
        })
    }

    /// Checks evidence for the sender `own`.
    fn evidence(
        &self,
        own: AgencyId,
        signed: &SignedStatement,
    ) -> Result<Verified<Evidence>, CheckFault> {
        // Who may say it depends on what is said; the signature is checked right after.
        let said = Evidence::parse(&signed.statement)
            .map_err(|source| StatementRefusal::Malformed { source })?;
        let role = said.event.said_by();
        let evidence: Verified<Evidence> = verify_statement(signed, &[role], self.directory)?;
        let code = ErrorCode::RoleNotPermitted;
        match role {
            Role::Hub => self.by_our_hub(&evidence)?,
            _ => {
                let own_words = |to: &consign_domain::statement::Placement| {
                    evidence.signer.id == to.id.into() && evidence.hub == self.hub
                };
                let said = evidence.recipient().is_some_and(own_words);
                rule(said, "a receipt is signed by its recipient", code)?;
            }
        }
        let ours = evidence.envelope.sender.id == own;
        rule(
            ours,
            "the evidence is about another sender's envelope",
            ErrorCode::EnvelopeUnknown,
        )?;
        Ok(evidence)
    }

    fn status_item(
        &self,
        own: AgencyId,
        item: v1::StatusItem,
    ) -> Result<CheckedContent, CheckFault> {
        let signed = signed(item.status, "item.status")?;
        let status: Verified<Status> = verify_statement(&signed, &[Role::Agency], self.directory)?;
        let addressee = self.directory.agency_by_code(&status.to);
        rule(
            addressee.is_some_and(|agency| agency.id == own),
            "the status is addressed to another agency",
            ErrorCode::StatusNotPermitted,
        )?;
        let fits =
            item.text.len() <= MAX_STATUS_TEXT && item.text.is_empty() == status.text.is_none();
        rule(
            fits,
            "a status that names a text brings it, and no other does",
            ErrorCode::StatementMalformed,
        )?;
        Ok(CheckedContent::Status {
            signed,
            status: Box::new(status),
            text: item.text,
        })
    }

    fn by_our_hub(&self, evidence: &Evidence) -> Result<(), CheckFault> {
        let ours = evidence.signer.id == self.hub.into() && evidence.hub == self.hub;
        let code = ErrorCode::RoleNotPermitted;
        rule(ours, "the evidence is another hub's", code)
    }

    /// An acceptance places each recipient, and nobody else, under its id.
    fn places(&self, evidence: &Evidence, envelope: &Envelope) -> Result<(), CheckFault> {
        let (to, placed) = (envelope.to.as_slice(), &evidence.placements);
        let each = to.len() == placed.len()
            && to.iter().zip(placed).all(|(code, place)| {
                let known = self.directory.agency_by_code(code);
                // A recipient that joined after our directory is not ours to doubt.
                place.code == *code && known.is_none_or(|agency| agency.id == place.id)
            });
        rule(
            each,
            "the acceptance does not place the envelope's recipients",
            ErrorCode::StatementMalformed,
        )
    }
}

fn about(said: &EnvelopeRef, envelope: &Envelope, digest: Digest) -> Result<(), CheckFault> {
    let same = envelope.reference(digest).is_some_and(|own| own == *said);
    let code = ErrorCode::EnvelopeUnknown;
    rule(same, "the evidence is about another envelope", code)
}

/// Whose inbox an item belongs to.
pub(crate) fn agency_of(item: &v1::Item) -> Result<AgencyId, CheckFault> {
    let bytes = id16(&item.agency, "item.agency")?;
    AgencyId::from_bytes(bytes).map_err(|_| {
        Malformed {
            field: "item.agency",
        }
        .into()
    })
}

#[cfg(test)]
mod tests;
