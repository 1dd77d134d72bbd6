//! Envelopes: what can be said of one, and how its upload begins; [`super::decision`]
//! goes on to the one answer that its (sender, id) ever gets.
//!
//! Order of the checks: the signature and who calls; the answer given before, which
//! needs no clock, so that a retry gets it even after the expiry; what holds for now
//! only; what is wrong for ever. That the key was revoked is wrong for ever, and so is
//! said last and with evidence: whatever time an envelope claims, what is submitted after
//! the revocation is refused, and what was answered before keeps its answer.

use std::collections::HashSet;

use bytes::Bytes;
use consign_domain::directory::{EntryState, Role};
use consign_domain::limits::{MAX_INLINE_PAYLOAD, MAX_SKEW_SECONDS};
use consign_domain::statement::{Envelope, EnvelopeRef, Event, Evidence};
use consign_domain::{
    AgencyCode, AgencyId, Digest, DirectoryVersion, ErrorCode, SignedStatement, Timestamp,
};
use consign_proto::{Malformed, v1};
use consign_store::{Accepted, Answer, Refusal, Reply};
use consign_verify::{Directory, Submitted, Verified, verify_submitted};
use tracing::info;

use super::quotas::{Charge, Cost};
use super::rules::check_times;
use super::{Admission, Refused, Rejection, name_in_span, not_ahead, not_newer};
use crate::caller::Caller;

/// An envelope as it came in, of the right form and no more.
#[derive(Debug)]
pub(crate) struct EnvelopeIn {
    pub(super) signed: SignedStatement,
    pub(super) wraps: Vec<Bytes>,
    /// `None`: staged before.
    pub(super) inline: Option<Bytes>,
}

impl EnvelopeIn {
    /// Checks the message's form.
    pub(crate) fn from_message(message: v1::EnvelopeSubmission) -> Result<Self, Refused> {
        use v1::envelope_submission::Payload;

        let signed = consign_proto::signed(message.envelope, "envelope")?;
        let inline = match message.payload {
            Some(Payload::Inline(bytes)) => Some(bytes),
            Some(Payload::Staged(true)) => None,
            _ => return Err(Malformed { field: "payload" }.into()),
        };
        let size = inline.as_ref().map_or(0, Bytes::len) as u64;
        if size > MAX_INLINE_PAYLOAD {
            return Err(Refused::TooLarge {
                size,
                limit: MAX_INLINE_PAYLOAD,
            });
        }
        Ok(Self {
            signed,
            wraps: message.wraps,
            inline,
        })
    }
}

/// An envelope that a node may send now, and whom it goes to.
#[derive(Debug)]
pub(super) struct Good {
    pub(super) envelope: Verified<Envelope>,
    pub(super) reference: EnvelopeRef,
    pub(super) recipients: Vec<(AgencyId, AgencyCode)>,
    pub(super) directory: DirectoryVersion,
}

/// An envelope that is refused for good: its sender's, sent by the sender's node, and not
/// answered before. The refusal is not signed yet.
#[derive(Debug)]
pub(super) struct Bad {
    pub(super) envelope: Envelope,
    pub(super) reference: EnvelopeRef,
    pub(super) rejection: Rejection,
    pub(super) directory: DirectoryVersion,
    /// Its key was revoked: the refusal counts against a quota of its own.
    pub(super) revoked: bool,
}

/// What the envelope alone, without wraps and payload, comes to.
pub(super) enum Judged {
    Known(Answer),
    Good(Box<Good>),
    Bad(Box<Bad>),
}

impl Admission {
    /// All that can be said of an envelope without its wraps and payload.
    pub(super) fn judge(
        &self,
        caller: Caller,
        signed: &SignedStatement,
    ) -> Result<Judged, Refused> {
        if self.behind.is_raised() {
            return Err(Refused::HubBehind);
        }
        let (directory, now) = (self.directories.current(), self.now());
        let submitted = verify_submitted::<Envelope>(signed, &[Role::Agency], &directory)?;
        let envelope = submitted.statement();
        let key = envelope.key();
        name_in_span(key, key.sender);
        not_newer(&envelope.signer, &directory)?;
        caller.speaks_for(key.sender, &directory, now)?;
        let sha256 = signed.digest();
        if let Some(answer) = self.store.answer(key)? {
            // Nobody waits any longer for what was uploaded under this id.
            if let Some(upload) = self.staging.forget(key) {
                self.let_go(&upload);
            }
            return if answer.envelope == sha256 {
                Ok(Judged::Known(answer))
            } else {
                Err(Refused::IdReused)
            };
        }
        self.judge_new(submitted, sha256, &directory, now)
    }

    /// What an envelope comes to that was not answered yet.
    fn judge_new(
        &self,
        submitted: Submitted<Envelope>,
        sha256: Digest,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<Judged, Refused> {
        self.may_answer(&submitted, directory, now)?;
        let envelope = submitted.statement();
        let reference = envelope.reference(sha256).ok_or(Refused::Role {
            rule: "an envelope is signed by an agency",
        })?;
        let found = check_times(envelope, now).and_then(|()| self.recipients(envelope, directory));
        let directory = directory.version();
        let (envelope, rejection, revoked) = match (submitted, found) {
            (Submitted::Good(envelope), Ok(recipients)) => {
                return Ok(Judged::Good(Box::new(Good {
                    envelope,
                    reference,
                    recipients,
                    directory,
                })));
            }
            (Submitted::Good(envelope), Err(rejection)) => {
                (envelope.into_inner(), rejection, false)
            }
            // Of several faults the one that everybody's envelope would have.
            (Submitted::Revoked(envelope), found) => {
                let revoked = Rejection::of(ErrorCode::KeyRevoked);
                (envelope, found.err().unwrap_or(revoked), true)
            }
        };
        Ok(Judged::Bad(Box::new(Bad {
            envelope,
            reference,
            rejection,
            directory,
            revoked,
        })))
    }

    /// Whether an envelope may have a final answer now: what keeps it from one may pass.
    fn may_answer(
        &self,
        submitted: &Submitted<Envelope>,
        directory: &Directory,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let envelope = submitted.statement();
        self.is_remembered(envelope, now)?;
        if let Submitted::Revoked(envelope) = submitted {
            self.was_not_lost(envelope)?;
        }
        self.may_decide(directory, now)?;
        not_ahead(envelope.time, now)?;
        self.sender_is_active(envelope.key().sender, directory)
    }

    /// An envelope so old that its answer may have been let go gets no second one.
    fn is_remembered(&self, envelope: &Envelope, now: Timestamp) -> Result<(), Refused> {
        const MARGIN: u64 = 86_400;
        let end = envelope.expires.plus_seconds(self.record_seconds);
        if now.plus_seconds(MARGIN) >= end && now >= envelope.expires {
            Err(Refused::Forgotten {
                expires: envelope.expires,
            })
        } else {
            Ok(())
        }
    }

    /// A hub that lost data does not know all that it accepted before it went on: what could be
    /// among it is not refused for a key that was revoked since. No acceptance is for an
    /// envelope from further ahead than clocks may differ.
    fn was_not_lost(&self, envelope: &Envelope) -> Result<(), Refused> {
        match self.behind.decision() {
            Some(decision) if envelope.time <= decision.at.plus_seconds(MAX_SKEW_SECONDS) => {
                Err(Refused::AcceptedPerhaps {
                    decided: decision.at,
                })
            }
            _ => Ok(()),
        }
    }

    fn sender_is_active(&self, agency: AgencyId, directory: &Directory) -> Result<(), Refused> {
        let sends = directory
            .agency(agency)
            .is_some_and(|entry| entry.state == EntryState::Active && entry.hub == self.signer.hub);
        if sends {
            Ok(())
        } else {
            Err(Refused::SenderNotActive { agency })
        }
    }

    /// All recipients, or all of them that are unknown. A code that an agency had before it was
    /// renamed means that agency: what was sealed under it is delivered.
    fn recipients(
        &self,
        envelope: &Envelope,
        directory: &Directory,
    ) -> Result<Vec<(AgencyId, AgencyCode)>, Rejection> {
        let mut recipients = Vec::with_capacity(envelope.to.as_slice().len());
        let (mut refused, mut placed) = (Vec::new(), HashSet::new());
        for code in envelope.to.as_slice() {
            match directory.addressee(code) {
                // Under two of its codes an agency would have two places for one document.
                Some(agency) if agency.hub == self.signer.hub && placed.insert(agency.id) => {
                    recipients.push((agency.id, code.clone()));
                }
                _ => refused.push(code.clone()),
            }
        }
        if refused.is_empty() {
            Ok(recipients)
        } else {
            Err(Rejection {
                reason: ErrorCode::RecipientUnknown,
                refused,
            })
        }
    }

    /// Signs a final refusal, if the sender's quota has room for it, and asks the store to
    /// remember it.
    pub(super) fn refuse(&self, bad: Bad) -> Result<(Reply<Accepted>, Charge), Refused> {
        let sender = bad.reference.key().sender;
        let charge = if bad.revoked {
            let now = self.clock.monotonic();
            self.refusals.charge(sender, Cost::REFUSAL, now)?
        } else {
            self.charge(sender, Cost::MESSAGE)?
        };
        Ok((self.store.refuse(self.signed(bad)), charge))
    }

    /// The refusal with its signature.
    pub(super) fn signed(&self, bad: Bad) -> Refusal {
        let (key, digest) = (bad.reference.key(), bad.reference.sha256);
        info!(reason = %bad.rejection.reason, "envelope refused");
        let mut evidence = Evidence::new(
            self.signer.network,
            self.signer.signer(bad.directory),
            self.now(),
            Event::SubmissionRejection,
            self.signer.hub,
            bad.reference,
        );
        evidence.reason = Some(bad.rejection.reason);
        evidence.refused = bad.rejection.refused;
        evidence.content = Some(bad.envelope.content);
        Refusal {
            key,
            digest,
            expires: bad.envelope.expires,
            evidence: self.signer.sign(&evidence),
        }
    }
}
