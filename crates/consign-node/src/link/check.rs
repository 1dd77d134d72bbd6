//! What the hub answers to a submission is believed only after these checks.
//!
//! An answer is evidence by *our* hub about *these* bytes, and an acceptance places exactly the
//! recipients of `to`, each under the id that the directory gives it (ETSI EN 319 522-1 §6).
//! Nothing here does I/O. A fault says whether a newer directory could mend it. What comes
//! through an inbox is checked where it is stored, in [`crate::inbox`].

use consign_domain::directory::Role;
use consign_domain::statement::{Envelope, EnvelopeRef, Event, Evidence};
use consign_domain::{Digest, DirectoryVersion, ErrorCode, HubId, SignedStatement};
use consign_proto::Malformed;
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

#[cfg(test)]
mod tests;
